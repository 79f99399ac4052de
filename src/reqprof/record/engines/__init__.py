"""How to measure: what every engine promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.model import Stats
    from reqprof.record.notes import Frames


NO_ENGINE = "skipped_engine"
"""The counter of requests for which there is no engine that counts right."""


class Unavailable(Exception):
    """Nothing can be recorded, here or now; ``counter`` says which skipped requests this makes."""

    def __init__(self, counter: str, why: str) -> None:
        super().__init__(why)
        self.counter = counter


class Session(Protocol):
    """One request's recording, over all threads that work for it. Its methods raise nothing."""

    fault: Exception | None  # of reqprof's own: the recording is worthless
    owner: Any  # whom it records for

    def enter(self) -> Any:
        """This thread begins a stretch of work for the request.

        Returns what :meth:`leave` wants: ``None`` where this thread cannot be recorded now, where
        it is in a stretch of this session already, and where the session has ended.
        """

    def leave(self, stretch: Any, frames: int = 1) -> float:
        """This thread's stretch ends. Returns the CPU seconds that it took.

        ``frames`` says how many have been entered, this one included, since that which called
        enter.
        """

    def aside(self, call: Callable[[], object]) -> None:
        """Call it in the midst of this thread's stretch, where it is recorded nowhere."""

    def cut_short(self) -> None:
        """Something was not recorded as it happened: the profile says so, merges leave it out."""

    def interrupted(self) -> bool:
        """Whether it was cut short, or another profiler took over or kept us out."""

    def close(self) -> None:
        """The request has ended: what runs on is not recorded. Cheap; any thread; once."""

    def finish(self) -> Stats:
        """The pstats table of all threads. Expensive: not on the request's thread."""

    def calls(self, stats: Stats) -> int:
        """How many calls ``stats`` holds."""

    def cost(self, stats: Stats) -> float:
        """Seconds that recording ``stats`` added: an estimate, from a calibration at start."""

    def calltree(self) -> bytes | None:
        """The exact call trees of all threads as a file's section; None where the engine has none.

        Expensive: not on the request's thread.
        """

    def beyond(self) -> int:
        """Calls for which those trees had no room."""

    def frames(self) -> Frames:
        """The stack of a thread that is in a stretch now, outermost first; empty if none is."""

    def drop(self) -> None:
        """Forget what was recorded."""

    def ran(self) -> float:
        """Seconds inside stretches."""

    def cpu(self) -> float | None:
        """CPU seconds that the threads used inside stretches; None if one had not ended."""


class Engine(Protocol):
    """A way to record requests, with its settings."""

    name: str
    builtins: bool
    clock: str
    instead_of: str  # why a better one was not taken

    def disturbed(self) -> float:
        """CPU seconds that the process has used while sessions made all of its threads pay."""

    def session(self) -> Session:
        """A session that this thread is about to enter. Raises :exc:`Unavailable`."""
