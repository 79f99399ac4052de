"""What every kind of cProfile session shares: one C profiler for each thread of a request."""

from __future__ import annotations

import time
from _lsprof import Profiler
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import reqprof
from reqprof.store.stats import add_up, from_entries

if TYPE_CHECKING:
    from types import CodeType

    from reqprof.model import Stats

CLOCKS = ("wall", "cpu")

# cProfile records calls of C functions and methods, and of nothing else that is not Python: what
# reqprof calls inside a stretch it calls through partial objects, so that no profile shows it.
unseen = partial
now = unseen(time.perf_counter)
cpu_now = unseen(time.thread_time)

_HOME = str(Path(reqprof.__file__).parent) + "/"


class OwnProfiler(Profiler):
    """One of ours, which remembers when somebody came between it and its thread."""

    __slots__ = ("taken",)

    def __init__(self, *timer: Any) -> None:
        super().__init__(*timer)
        self.taken = False

    def __call__(self, *event: object) -> None:
        # On 3.11 code that saves and restores the profile hook puts this object back as a Python
        # function. It can record nothing then.
        self.taken = True


class Stretch:
    """What one thread does for one request: a profiler, and the clocks around its use."""

    __slots__ = ("cpu", "cpu_began", "profiler", "ran", "ran_began")

    def __init__(self, clock: str) -> None:
        # In whole nanoseconds: floats of a custom timer would be rounded to microseconds.
        cpu = clock == "cpu"
        self.profiler = OwnProfiler(time.thread_time_ns, 1e-9) if cpu else OwnProfiler()
        self.ran = self.cpu = self.ran_began = self.cpu_began = 0.0

    def begin(self) -> None:
        self.cpu_began = cpu_now()
        self.ran_began = now()

    def end(self) -> None:
        self.ran += now() - self.ran_began
        self.cpu += cpu_now() - self.cpu_began


class CprofileSession:
    """What both kinds of session share."""

    def __init__(self, *, builtins: bool, clock: str) -> None:
        self.fault: Exception | None = None
        self._cut = False
        self._builtins = builtins
        self._clock = clock
        self._stretches: dict[int, Any] = {}

    def enter(self) -> Any:
        raise NotImplementedError

    def leave(self, stretch: Any) -> None:
        raise NotImplementedError

    def cut_short(self) -> None:
        self._cut = True

    def interrupted(self) -> bool:
        return self._cut or any(stretch.profiler.taken for stretch in self._stretches.values())

    def watch(self) -> None:
        """A request's session begins, and not one of the self-test: nothing to do for it."""

    def close(self) -> None:
        """Nothing is shared."""

    def ran(self) -> float:
        return sum((stretch.ran for stretch in self._stretches.values()), 0.0)

    def cpu(self) -> float:
        return sum((stretch.cpu for stretch in self._stretches.values()), 0.0)

    def entries(self) -> list[list[Any]]:
        """What each thread's profiler holds, as ``getstats()`` returns it."""
        return [stretch.profiler.getstats() for stretch in self._stretches.values()]

    def finish(self) -> Stats:
        tables = [from_entries(entries, _own) for entries in self.entries()]
        return tables[0] if len(tables) == 1 else add_up(tables)


def _own(code: CodeType) -> bool:
    """Whether ``code`` is reqprof's, which no profile shows."""
    return code.co_filename.startswith(_HOME)
