"""What every request took, on its way from the requests into tallies and to disk."""

from __future__ import annotations

import os
import secrets
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from reqprof.model import MAX_METHOD, MAX_PATH, Request
from reqprof.record import route
from reqprof.record.counters import told
from reqprof.record.telling import listening
from reqprof.record.timed import Ended, status_code
from reqprof.store.background import BACKGROUND
from reqprof.store.index import HOST
from reqprof.store.native import original
from reqprof.store.traffic import WINDOW, Series, Tally, Window, outcome, series_of
from reqprof.store.traffic_files import TrafficFiles

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reqprof.record.counters import Counters

SAVE_SECONDS: Final = 5.0

MOST_WAITING: Final = 100_000
"""Ended requests that may wait to be tallied; more are counted as ``untimed``."""

MOST_SERIES: Final = 1000
"""Of one window; what else comes is tallied as other routes."""

OTHER: Final = "(other routes)"

_SLICE = 50  # are tallied without a pause, so that no request waits for many


class Profiled(NamedTuple):
    """A request at its end whose facts are made, and whether a file has them.

    It was profiled, unless it has no engine.
    """

    request: Request
    is_stored: bool


class Times:
    """The tallies of this process.

    ``waiting`` takes requests that have ended, from any thread; all else is for the background
    thread alone. ``count`` is how many were tallied. ``prepare`` makes the folder, ``grew`` is told
    how many bytes it has more of.
    """

    def __init__(
        self,
        folder: Path,
        counters: Counters,
        *,
        prepare: Callable[[], None],
        grew: Callable[[int], object],
        keeps_path: bool,
    ) -> None:
        self._counters = counters
        self._prepare, self._grew = prepare, grew
        self._keeps_path = keeps_path
        self._folder = folder
        self._files = TrafficFiles(folder)
        self.reset()
        BACKGROUND.before_drain(self.save)

    def reset(self) -> None:
        """Forget everything: what was noted before a fork is the parent's to tell."""
        self.waiting: deque[Any] = deque(maxlen=MOST_WAITING)
        self._window: Window | None = None
        self._changed = False
        self._saved = time.monotonic()
        self.count = 0

    def save(self) -> None:
        """Tally what waits, and write the open window."""
        self._fold()
        self._saved = time.monotonic()
        if self._window is not None and self._changed:
            self._write(self._window, is_over=False)
            self._changed = False

    def turn(self) -> None:
        """What is to be done each second."""
        self._fold()
        if time.monotonic() - self._saved >= SAVE_SECONDS:
            self.save()

    def _fold(self) -> None:
        pause = original("time", "sleep")
        if len(self.waiting) == MOST_WAITING:
            self._counters.trouble("untimed", "requests end faster than they can be tallied")
        # Those that ended by perf_counter, as times of day; that clock may be set meanwhile.
        since = time.time() - time.perf_counter()
        while self.waiting:
            for _ in range(min(_SLICE, len(self.waiting))):
                self._take(self.waiting.popleft(), since)
            pause(0)

    def _take(self, ended: Any, since: float) -> None:
        try:
            if isinstance(ended, Profiled):
                self._count_profiled(ended)
            else:
                self._count(Ended._make(ended), since)
        except Exception as error:
            self._counters.trouble("failed_times", f"a fault in reqprof: {told(error)}")

    def _count(self, ended: Ended, since: float) -> None:
        known = ended.known()
        template = known.template
        guess = route.guess(known.path) if template is None and self._keeps_path else None
        status = status_code(ended.status)
        series = Series(
            *(known.kind, known.method[:MAX_METHOD]),
            *(guess if template is None else template, template is None),
            outcome(status, ended.exception),
        )
        facts = partial(self._facts, ended, known.path, series, status, since)
        self._tally(series).add(ended.last - ended.began, facts)
        if listening.heard():
            listening.tell(facts(), None)

    def _count_profiled(self, ended: Profiled) -> None:
        request = ended.request
        tally = self._tally(series_of(request))
        tally.traced += request.is_traced
        tally.add(request.untraced, None if ended.is_stored else lambda: request)
        if not ended.is_stored:
            listening.tell(request, None)

    def _facts(
        self, ended: Ended, path: str, series: Series, status: int | None, since: float
    ) -> Request:
        return Request(
            id=secrets.token_hex(6),
            kind=series.kind,
            method=series.method,
            path=path[:MAX_PATH] if self._keeps_path else None,
            route=series.route,
            guessed=series.guessed,
            status=status,
            exception=ended.exception,
            start=since + ended.began,
            duration=ended.last - ended.began,
            total=ended.ended - ended.began,
            pid=os.getpid(),
            host=HOST,
            engine="",
        )

    def _tally(self, series: Series) -> Tally:
        window = self._open_window()
        self._changed = True
        self.count += 1
        if series not in window.tallies and len(window.tallies) >= MOST_SERIES:
            series = Series(series.kind, "", OTHER, guessed=False, outcome=series.outcome)
        return window.tallies.setdefault(series, Tally())

    def _open_window(self) -> Window:
        moment = time.time()
        window = self._window
        # A clock that was set back begins a new one too.
        if window is not None and not window.start <= moment < window.start + WINDOW:
            self._write(window, is_over=True)
            window = None
        if window is None:
            window = self._window = Window(HOST, os.getpid(), moment // WINDOW * WINDOW, moment)
        window.until = moment
        return window

    def _write(self, window: Window, *, is_over: bool) -> None:
        try:
            self._prepare()
            self._grew(self._files.save(window, is_over=is_over))
        except OSError as error:
            self._counters.trouble("unsaved_times", f"{self._folder} takes no tallies: {error}")
        except Exception as error:
            self._counters.trouble("failed_times", f"a fault in reqprof: {told(error)}")
