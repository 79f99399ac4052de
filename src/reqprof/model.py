"""The nouns that travel from the served process to the person at the terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

Function = tuple[str, int, str]
"""A function as pstats names it: file, first line, name. C functions have file ``~`` and line 0."""

Edge = tuple[int, int, float, float]
"""One caller's share of a function: calls, primitive calls, self seconds, cumulative seconds.

cProfile writes the two counts of an edge in this order and those of an :data:`Entry` in the
other one; pstats prints them so (``Lib/cProfile.py``, ``snapshot_stats``).
"""

Entry = tuple[int, int, float, float, dict[Function, Edge]]
"""A function's row: primitive calls, calls, self seconds, cumulative seconds, edges by caller."""

Stats = dict[Function, Entry]
"""A pstats table, as ``pstats.Stats(...).stats`` holds it."""

KEPT: Final = ("all", "baseline", "error", "slow", "worst", "keep", "trigger", "arm", "watch")
"""What a profile can have been kept for.

There was no rule; it is of the uniform share that fair averages are made from; it failed, was
slow, was among the slowest of its route, or the app's own rule said so; it was asked for, by a
token or by ``reqprof arm``; it was watched, as it took long.
"""

UNIFORM: Final = frozenset({"all", "baseline"})
"""Of these what was kept by chance alone, and stands for as many requests as its weight says."""


ENGINES: Final = ("exact", "cprofile", "watch")
"""What can have measured a profile. The first two trace each call; the watch samples, see
:mod:`reqprof.record.watch.watch`."""

MAX_PATH = 2048
"""Characters of a path that are kept; what is longer was not typed by a person."""

MAX_METHOD = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The facts of one request. Times are seconds; ``None`` means not known.

    ``duration`` runs from the call of the app to the last byte, ``first_byte`` to the first, and
    ``total`` to the end of the work that the app did after the response.
    """

    id: str  # 12 hex digits
    kind: str = "http"  # http, websocket or job
    method: str = ""
    path: str | None = None  # None where store_path=False
    route: str | None = None  # the template, such as /users/{id}
    guessed: bool = False  # the route was folded from the path, no framework named it
    status: int | None = None
    exception: str | None = None  # the type's name, where the app raised
    start: float = 0.0  # seconds since 1970, UTC
    duration: float = 0.0
    first_byte: float | None = None
    total: float = 0.0
    cpu: float | None = None  # of the threads that worked for the request
    waited: float | None = None  # its own task was suspended at an await
    held: float | None = None  # meanwhile others held the event loop: at most so long, an estimate
    tasks: int = 0  # child tasks that counted for it
    tasks_ran: float = 0.0  # of all child tasks together
    tasks_waited: float = 0.0
    jobs: int = 0  # calls in pool threads
    jobs_ran: float = 0.0  # wall time of all of them together
    jobs_cpu: float = 0.0
    left_running: int = 0  # child tasks and jobs that had not ended with the app
    cost: float | None = None  # what tracing added, an estimate
    calls: int = 0  # in the profile
    beyond: int = 0  # calls that an exact tree had no room for: their time is their callers'
    neighbours: int = 0  # other profiled requests in flight when it began
    pid: int = 0
    host: str = ""
    thread: str = ""
    python: str = ""
    engine: str = "cprofile"  # or exact; watch: sampled from outside; nothing: timed alone
    builtins: bool = True  # C functions are recorded
    clock: str = "wall"  # or cpu
    # By the rate or callable; trigger: a valid token asked for it; arm: reqprof arm did; watch: it
    # took long.
    chosen: str = "sample"
    kept: str = "all"  # one of KEPT: what the profile was kept for
    # One over the sampling rate it was chosen with; of the baseline also over that share. What was
    # kept or chosen for a reason of its own stands for itself: 1.
    weight: float = 1.0
    interrupted: bool = False  # another profiler took over: counts are short, merges leave it out
    partial: bool = False  # it outlived max_duration, or was paused: what was before is there
    trace_id: str | None = None  # W3C traceparent
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def is_traced(self) -> bool:
        """Whether each of its calls was recorded, which takes its time."""
        return self.engine not in ("", "watch")

    @property
    def ran(self) -> float:
        """Seconds in which its own task or thread was at work, before and after the last byte."""
        return max(0.0, self.total - (self.waited or 0.0))

    @property
    def untraced(self) -> float:
        """An estimate of ``duration`` without what tracing added, itself where none was traced."""
        if not self.cost or not self.total:
            return self.duration
        share = self.duration / self.total if self.duration < self.total else 1.0
        left = self.duration - self.cost * share
        return left if left > 0.0 else 0.0  # noqa: FURB136  a listing asks 100,000 times

    @property
    def worked(self) -> float:
        """Seconds at work in all: its own, and those of its child tasks and pool calls."""
        return self.ran + self.tasks_ran + self.jobs_ran


Place = tuple[str, int, str, int]
"""A frame of a stack: file, first line of the function, its name, and the line it is at."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The times that a request was suspended at one place. ``stack`` is outermost first."""

    stack: tuple[Place, ...]
    count: int
    seconds: float
    longest: float  # seconds
    child: bool = False  # in a child task, whose waits overlap with the request's own


@dataclass(frozen=True, slots=True)
class Job:
    """The calls of one function that a request had made by one pool thread. Times are seconds."""

    function: Function
    thread: str
    count: int
    wall: float
    cpu: float  # the rest of ``wall`` is I/O, locks and the interpreter lock together


@dataclass(frozen=True, slots=True)
class Timeline:
    """What a request's table cannot hold: where it waited, and what others did for it or to it."""

    waits: tuple[Wait, ...] = ()
    jobs: tuple[Job, ...] = ()
    held_by: dict[str, float] = field(default_factory=dict)  # seconds, by id of a profiled request
    stopped_at: tuple[Place, ...] = ()  # where a partial profile's request was; outermost first


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A profile behind a URL of fsspec: an object, or one of those in a bundle."""

    url: str  # of the object
    name: str
    size: int  # bytes, in a bundle compressed ones
    start: int | None = None  # where in a bundle these are

    def __str__(self) -> str:
        return self.url if self.start is None else f"{self.url}/{self.name}"


File = Path | RemoteFile


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile that was read: its table and, where reqprof wrote it, its request's facts."""

    stats: Stats
    request: Request | None = None
    path: File | None = None
    tree: bytes | None = None  # its call tree, where that was recorded: see store/calltree.py
    timeline: bytes | None = None  # its waits and pool calls: see store/timeline.py

    @property
    def weight(self) -> float:
        """For how many requests it stands: see :attr:`Request.weight`."""
        return 1 if self.request is None else self.request.weight
