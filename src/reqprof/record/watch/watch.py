"""Requests that run long are looked at from outside, many times a second, by one thread.

Those that are fast cost the little that it takes to know of them. What runs on past
``max_duration`` leaves what is known of it, as its process may be ended next.
"""

from __future__ import annotations

import time
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from reqprof.record.choice.arrival import facts
from reqprof.record.counters import told
from reqprof.record.timed import Ended
from reqprof.record.watch import stacks
from reqprof.record.watch.watched import Watched
from reqprof.store.native import after_fork, original, start_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.record.counters import Counters
    from reqprof.record.delivery import Delivery
    from reqprof.record.notes import Frames
    from reqprof.record.options import Settings
    from reqprof.record.timed import Timed
    from reqprof.record.watch.sight import Sight
    from reqprof.record.watch.stacks import Running

MOST: Final = 16
"""Requests of one middleware that are sampled at the same time: those that began first."""

SAMPLED_SECONDS: Final = 60.0
"""A request is sampled no longer than that, or ``max_duration``: others may want its place."""

SHARE: Final = 0.01
"""What the thread may take of one core, where no ``budget`` says it."""

IDLE_SECONDS: Final = 0.05
"""Between two looks, at least, where no request is sampled."""

MOST_SECONDS: Final = 1.0
"""Between two looks, at most: a middleware that is made meanwhile may want them sooner."""

_SPARE_SECONDS = 1.0  # the share of so long may be saved up


class Watch:
    """Of one middleware: its requests in flight that are not profiled.

    ``sights`` has them in the order in which they began, ``watcher`` is who looks at them.
    """

    paused = False  # by reqprof pause

    def __init__(self, settings: Settings, counters: Counters, delivery: Delivery) -> None:
        self._after = settings.watch_seconds
        self._longest = settings.max_duration or SAMPLED_SECONDS
        self._period = 1.0 / settings.watch_rate
        self.share = settings.budget or SHARE
        self._counters = counters
        self._delivery = delivery
        self.watcher = WATCHER
        self.reset()
        WATCHER.add(self)

    def reset(self) -> None:
        """In a forked child: its parent's requests are not its own."""
        self.sights: dict[Sight, bool] = {}

    def end(
        self,
        sight: Sight,
        timed: Timed,
        ended: tuple[Any, ...],
        error: BaseException | None,
        *,
        is_whole: bool,
    ) -> bool:
        """It has ended; whether what is known of its end is taken over."""
        if sight.among is not self.sights:
            return False  # this is a forked child, and not the request
        try:
            unseen = is_whole and sight.watched is None and not self.paused
            if unseen and isinstance(error, SystemExit):
                # Its server has given it up, as gunicorn does: the traceback is what it was at.
                frames = stacks.before_signal(stacks.of_traceback(error.__traceback__))
                self._see(sight, timed, frames, at_work=True)
            watched = sight.watched
            if watched is None:
                return False
            if is_whole:
                watched.end(Ended._make(ended))
                self._delivery.queue(watched, watched.samples)
            else:
                self._delivery.outlived(watched.outlived(Ended._make(ended)))
        except Exception as fault:
            self._fault(fault)
        return True

    def look(self) -> float:
        """Sample what is due; returns when to look again, by perf_counter."""
        moment = time.perf_counter()
        first = min(self._after, self._longest)
        again = moment + max(first, IDLE_SECONDS)
        if self.paused:
            return again
        running: Running | None = None
        seen = 0
        for sight in list(self.sights):
            timed = sight.timed
            if timed is None:
                continue  # it has just ended
            if moment < timed.began + first:
                again = timed.began + first
                break
            running = running or stacks.now()
            seen += self._look_at(sight, timed, running, moment - timed.began)
            if seen == MOST:
                break
        return moment + self._period if seen else max(again, moment + self._period)

    def _look_at(self, sight: Sight, timed: Timed, running: Running, age: float) -> bool:
        """Whether it is sampled."""
        begun = timed.status is not None
        if begun and sight.watched is None and age < self._longest:
            return False  # a stream, from what is known
        try:
            frames, at_work = sight.stack(running)
            if sight.timed is None:
                return False  # it has ended meanwhile; who knows whose frames these are
            if frames:
                self._see(sight, timed, frames, at_work=at_work)
            if age >= self._longest:
                self._leave(sight, timed, frames)
        except Exception as fault:
            self.sights.pop(sight, None)
            sight.watched = None
            self._fault(fault)
        return True

    def _see(self, sight: Sight, timed: Timed, frames: Frames, *, at_work: bool) -> None:
        watched = sight.watched or self._begin(sight, timed)
        watched.samples.add(frames, time.perf_counter(), at_work=at_work)

    def _begin(self, sight: Sight, timed: Timed) -> Watched:
        moment = time.perf_counter()
        watched_from = timed.began + self._after
        since = watched_from if watched_from < moment else moment - self._period
        began = time.time() - (moment - timed.began)
        came = facts(timed.arrival(), chosen="watch", engine=Watched.engine.name)
        sight.watched = Watched(replace(came, start=began), sight.thread, max(since, timed.began))
        self._counters.add("watched")
        return sight.watched

    def _leave(self, sight: Sight, timed: Timed, frames: Frames) -> None:
        """Store what is known of a request that runs on."""
        watched = sight.watched or self._begin(sight, timed)
        if self.sights.pop(sight, False):  # or else it has ended meanwhile
            watched.stop(timed.so_far(), frames)
            self._delivery.queue(watched, watched.samples)

    def _fault(self, error: Exception) -> None:
        self._counters.trouble("failed_watch", f"a fault in reqprof: {told(error)}")


class Watcher:
    """The one thread of the process that looks; it ends with the last :class:`Watch`.

    ``now`` and ``cpu`` are the clocks: of all, and of what the thread has spent.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.perf_counter,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._now, self._cpu = now, cpu
        self._watches: list[weakref.ref[Watch]] = []
        self._reset()
        after_fork(self._reset)

    def _reset(self) -> None:
        self.runs = False
        self._starting = original("_thread", "allocate_lock")()
        self._spare = 0.0  # seconds of its share that are left
        for watch in self._alive():
            watch.reset()

    def add(self, watch: Watch) -> None:
        """Look at the requests of ``watch`` too, for as long as it lives."""
        self._watches = [each for each in self._watches if each() is not None]
        self._watches.append(weakref.ref(watch))

    def start(self) -> None:
        """Begin to look. From any thread."""
        if not self._starting.acquire(blocking=False):
            return  # another thread is at it
        try:
            if not self.runs:
                start_thread(self._work, "reqprof-watch")
                self.runs = True
        except RuntimeError:
            pass  # no thread is to be had, or the interpreter is ending
        finally:
            self._starting.release()

    def _alive(self) -> list[Watch]:
        return [watch for each in self._watches if (watch := each()) is not None]

    def _work(self) -> None:
        pause = original("time", "sleep")
        try:
            while (seconds := self._turn()) is not None:
                pause(seconds)
        finally:
            self.runs = False

    def _turn(self) -> float | None:
        """Look once; returns the seconds until the next time, None where there is nothing left."""
        cpu = self._cpu()
        watches = self._alive()
        if not watches:
            return None
        again = min(watch.look() for watch in watches)
        share = min(watch.share for watch in watches)
        spent = self._cpu() - cpu
        pause = min(max(again - self._now(), 0.0), MOST_SECONDS)
        seconds = max(pause, (spent - self._spare) / share)
        self._spare = min(self._spare + seconds * share - spent, _SPARE_SECONDS * share)
        return seconds


WATCHER = Watcher()
