"""What a user may set: the keyword arguments of both doors, checked before anything is built."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from reqprof.durations import as_seconds
from reqprof.model import Request
from reqprof.record.choice.keeping import Keeping
from reqprof.record.choice.rules import Choice, Rule, Sample, Sampling, check_callable
from reqprof.record.choice.trigger import Trigger
from reqprof.record.engines.choose import ENGINES
from reqprof.record.engines.session import CLOCKS
from reqprof.store.caps import MAX_BYTES, MAX_FILES, MIN_FREE, Caps

if TYPE_CHECKING:
    from os import PathLike

MAX_QUEUE = 1000
"""Finished profiles that may wait for the writer; more are dropped and counted."""


MAX_RATE = 100
"""Samples a second of a request that is watched, at most."""

OnProfile = Callable[[Request, Path], object]
"""Called with the facts of a profile, and its file."""


class Options(TypedDict, total=False):
    """The keyword arguments that both doors take; :class:`Settings` has the defaults."""

    sample: Sample
    include: Rule | None
    exclude: Rule | None
    trigger: str | bytes | None
    timing: bool
    watch_after: float | str | None
    watch_rate: float
    max_concurrent: int | None
    budget: float | None
    engine: str
    builtins: bool
    clock: str
    follow: bool
    max_duration: float | None
    max_files: int | None
    max_bytes: int | None
    min_free: float | None
    max_age: float | str | None
    store_path: bool
    slower_than: float | str | None
    keep_errors: bool
    worst_per_route: int | None
    worst_window: float | str
    baseline: float
    keep: Callable[[Request], object] | None
    announce: bool
    on_profile: OnProfile | None
    strict: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Checked options. Raises TypeError or ValueError, naming the argument and its value."""

    out_dir: Path
    # Everything, on a laptop; a small rate or a choice of requests in production.
    sample: Sample = 1.0
    # Of what requests: a pattern of paths, "GET /orders/*", several, or a callable. See Choice.
    include: Rule | None = None
    exclude: Rule | None = None
    # A secret of at least 16 bytes: requests with a token made with it are profiled whatever the
    # other options say. Never shown.
    trigger: str | bytes | None = field(default=None, repr=False)
    # True times every request, profiled or not, and keeps tallies of that by route.
    timing: bool = True
    # A request that is not profiled and still runs after that time is sampled from outside, so many
    # times a second. Seconds, or a text such as "200ms"; None watches nothing.
    watch_after: float | str | None = None
    watch_rate: float = 50.0
    # While a request is recorded on Python 3.12 and later, all threads pay for it. With a rate
    # below 1 that makes one at a time the default there: see Recorder.
    max_concurrent: int | None = None
    # The share of the process's CPU that profiling may take, what it costs other threads included.
    # It is held by profiling fewer requests than ``sample`` says; None holds nothing.
    budget: float | None = None
    # "exact" records whole stacks, where it was built; "auto" takes it there, or else cProfile's.
    engine: str = "auto"
    # False leaves the calls of C functions out, which makes recording cheaper.
    builtins: bool = True
    clock: str = "wall"
    # True counts a request's child tasks and calls in pool threads too. For that the loop's task
    # factory, ThreadPoolExecutor.submit and what anyio and trio start are wrapped: see tasks.py.
    follow: bool = True
    # Seconds after which what is known of a request is written as it is, marked partial; one that
    # is not profiled leaves where it is. None means 60 for websockets and for responses that have
    # begun, and no limit for others; math.inf means none.
    max_duration: float | None = None
    max_files: int | None = MAX_FILES
    max_bytes: int | None = MAX_BYTES
    min_free: float | None = MIN_FREE
    # Seconds, or a text such as "7d", after which a profile is deleted whatever the caps say.
    max_age: float | str | None = None
    # False keeps paths, which may hold names or tokens, out of files: only the template stays.
    store_path: bool = True
    # After the request: its profile is kept if one of these says yes, or if none is given. Seconds,
    # or a text such as "500ms".
    slower_than: float | str | None = None
    # With any of the others: what raised, or answered with a status from 500, is kept too.
    keep_errors: bool = True
    # The slowest of each route and window; each process keeps as many.
    worst_per_route: int | None = None
    worst_window: float | str = 3600.0
    # A uniform share, 0 to 1, whatever it is: fair averages are made from it.
    baseline: float = 0.0
    # Gets the facts of the request that has ended, on the background thread.
    keep: Callable[[Request], object] | None = None
    # True has the response of a profiled request tell its id: X-Reqprof-Id and Server-Timing.
    announce: bool = False
    # Called on the writer's thread once a profile is stored: it may take its time, but all further
    # profiles of the process wait for it.
    on_profile: OnProfile | None = None
    # True lets reqprof's own faults reach the app: for tests.
    strict: bool = False

    def __post_init__(self) -> None:
        Sampling(self.sample)
        Choice(self.include, self.exclude)
        if self.trigger is not None:
            Trigger(self.trigger)
        self.caps()
        self.keeping()
        if self.engine not in ENGINES:
            raise ValueError(f"engine must be one of {', '.join(ENGINES)}; got {self.engine!r}")
        if self.clock not in CLOCKS:
            raise ValueError(f"clock must be one of {', '.join(CLOCKS)}; got {self.clock!r}")
        most = self.max_concurrent
        if most is not None and (type(most) is not int or most < 1):
            raise ValueError(f"max_concurrent is a whole number from 1, or None; got {most!r}")
        share = self.budget
        if share is not None and (type(share) not in (int, float) or not 0 < share <= 1):
            raise ValueError(f"budget is a share above 0, at most 1, or None; got {share!r}")
        longest = self.max_duration
        if longest is not None and (type(longest) not in (int, float) or not longest > 0):
            raise ValueError(f"max_duration is seconds above 0, or None; got {longest!r}")
        self._check_watch()
        if self.on_profile is not None:
            check_callable("on_profile", self.on_profile)
        for name in (
            *("timing", "builtins", "follow", "store_path", "keep_errors", "announce", "strict"),
        ):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be True or False; got {getattr(self, name)!r}")

    def _check_watch(self) -> None:
        if self.watch_seconds < math.inf and not self.timing:
            raise ValueError("watch_after wants timing=True: what is not timed is not watched")
        rate = self.watch_rate
        if type(rate) not in (int, float) or not 1 <= rate <= MAX_RATE:
            raise ValueError(f"watch_rate is samples a second, from 1 to {MAX_RATE}; got {rate!r}")

    @property
    def watch_seconds(self) -> float:
        """After how long a request is watched: ``math.inf`` where none is."""
        if self.watch_after is None:
            return math.inf
        return as_seconds("watch_after", self.watch_after)

    @property
    def watches(self) -> bool:
        """Whether what is not profiled has to be looked at from outside."""
        return self.timing and min(self.watch_seconds, self.max_duration or math.inf) < math.inf

    def caps(self) -> Caps:
        """The folder's caps. Raises ValueError where one is no cap."""
        return Caps(self.max_files, self.max_bytes, self.min_free, self.max_age)

    def keeping(self, fault: Callable[[BaseException], None] = lambda error: None) -> Keeping:
        """The rules after the request; ``fault`` is told what ``keep`` raises.

        Raises TypeError or ValueError where one is none.
        """
        return Keeping(
            slower_than=self.slower_than,
            keep_errors=self.keep_errors,
            worst_per_route=self.worst_per_route,
            worst_window=self.worst_window,
            baseline=self.baseline,
            keep=self.keep,
            fault=fault,
        )


def folder(out_dir: str | PathLike[str]) -> Path:
    """``out_dir`` as an absolute path: the app may change its folder later."""
    if not isinstance(out_dir, (str, Path)) and not hasattr(out_dir, "__fspath__"):
        raise TypeError(f"out_dir is a folder's path; got {out_dir!r}")
    if not str(out_dir) or "\0" in str(out_dir):
        raise ValueError(f"out_dir must name a folder; got {out_dir!r}")
    try:
        return Path(out_dir).expanduser().absolute()
    except RuntimeError as error:
        raise ValueError(f"out_dir={out_dir!r} cannot be used: {error}") from None
