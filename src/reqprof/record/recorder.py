"""What all doors share: decide, measure, hand over. Nothing here raises into the app."""

from __future__ import annotations

import sys
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from reqprof.record import pools
from reqprof.record.budget.limit import Limit
from reqprof.record.choice import dice
from reqprof.record.choice.admission import Admission
from reqprof.record.choice.arrival import TRACEPARENT, Incoming
from reqprof.record.choice.control import Control
from reqprof.record.counters import Counters, told
from reqprof.record.delivery import Delivery
from reqprof.record.engines import NO_ENGINE, Unavailable, choose
from reqprof.record.engines.choose import aside
from reqprof.record.in_flight import InFlight
from reqprof.record.options import MAX_QUEUE, Settings
from reqprof.record.recording import Recording
from reqprof.record.telling import spans
from reqprof.record.upkeep import Upkeep
from reqprof.record.watch.watch import Watch
from reqprof.store.background import BACKGROUND
from reqprof.store.native import after_fork
from reqprof.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.model import Request
    from reqprof.record.choice.arrival import Arrival
    from reqprof.record.choice.control import Told
    from reqprof.record.delivery import Finished
    from reqprof.record.engines import Engine, Session
    from reqprof.store.naming import NameMaker

A = TypeVar("A")
T = TypeVar("T")

_ENGINE_RETRY_SECONDS = 10.0


class Recorder:
    """One per middleware: chooses requests, records them and hands them to the writer.

    ``template`` and ``finished`` serve the WSGI door: a ``filename_format``, and what else is to
    be done with each profile, on the background thread.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        template: str | NameMaker | None = None,
        finished: Finished | None = None,
    ) -> None:
        self.settings = settings
        self.counters = Counters()
        self._admission = Admission(settings, self.counters)
        self.control = Control(settings.out_dir, self.counters, self._heed)
        writer = Writer(settings.out_dir, settings.caps(), template)
        self.upkeep = Upkeep(self, writer)
        self._delivery = Delivery(
            settings, self.counters, writer, self.upkeep, self.control, finished
        )
        self.watch = None
        if settings.watches:
            self.watch = Watch(settings, self.counters, self._delivery)
        self._limit = None if settings.budget is None else Limit(self, settings.budget)
        if self._limit is not None:
            self._admission.lower(self._limit.factor)
        self._in_flight = InFlight(settings, lambda: self.control.told.paused)
        self._asked = False
        self._engine: Engine | None = None
        self._engine_retry = 0.0
        self._lacking = Unavailable(NO_ENGINE, "the engine has not been proved")
        if not self._admission.never:
            self._make_ready()
        elif settings.follow and self.watch is not None:
            self.hook(pools.hook)
        if settings.strict:
            writer.prepare()
        _recorders.add(self)

    @property
    def engine_name(self) -> str:
        """What records, or nothing before the first request that was to be recorded."""
        return "" if self._engine is None else self._engine.name

    @property
    def engine(self) -> Engine | None:
        """What records; None before the first request that was to be recorded."""
        return self._engine

    @property
    def rate(self) -> float | None:
        """Of the requests so many are profiled now; None where a callable chooses."""
        return self._admission.rate

    @property
    def spent(self) -> float | None:
        """The share of the process's CPU that it took of late; None where that is not known."""
        return None if self._limit is None else self._limit.spent

    def hold(self, timing: float) -> None:
        """Each second, on the background thread: keep to the budget.

        ``timing`` is what tallies of all requests took of this thread's CPU time since.
        """
        if self._limit is not None:
            self._admission.lower(self._limit.turn(timing))

    @property
    def in_flight(self) -> int:
        """Requests that are being profiled."""
        return len(self._in_flight)

    def hook(self, wrap: Callable[[], None]) -> None:
        """Have ``wrap`` see to it that what requests start elsewhere can be followed."""
        try:
            wrap()
        except Exception as error:
            self.counters.say("unfollowed", f"child tasks or jobs may not count: {told(error)}")

    def begin(
        self, arrive: Callable[[A], Arrival], read: Callable[[A, str], str | None], raw: A
    ) -> Recording | None:
        """A recording to be entered at once, or ``None`` where the request runs unprofiled.

        For what it is given see :class:`Incoming`.
        """
        admission = self._admission
        if admission.idle:
            return None
        throw = dice.throw()
        try:  # not _guard(): this is what most requests of a sampled app run through
            if throw >= admission.reach and read(raw, TRACEPARENT) is None:
                return None
            return self._begin(Incoming(arrive, read, raw, throw))
        except Exception as error:
            self._failed(error)
        return None

    def ready(self) -> None:
        """The server has started in this process, and requests will come."""
        self._guard(self.upkeep.begin)
        if self.control.unread:
            self._guard(self._look_first)

    def end(self, recording: Recording, session: Session) -> None:
        """Queue a recording that has ended."""
        self._in_flight.leave(recording)
        if self._limit is None:
            self._delivery.queue(recording, session)
        else:
            self._limit.ended(recording, session, self._delivery.queue, traced=True)

    def measured(self, recording: Recording, session: Session) -> None:
        """A request has ended that was not profiled, and measured for the budget."""
        assert self._limit is not None
        self._limit.ended(recording, session, self._delivery.unprofiled, traced=False)

    def outlived(self, recording: Recording) -> None:
        """A recording has ended that was stored before, as it was then."""
        self._delivery.outlived(recording)

    def fault(self, counter: str, error: BaseException) -> None:
        """Count a fault of our own; with ``strict`` raise it."""
        self.counters.trouble(counter, f"a fault in reqprof: {told(error)}")
        if self.settings.strict:
            raise error

    def _heed(self, told: Told) -> None:
        """Do as the process was told through its folder."""
        if told.armed and self._admission.never:
            with suppress(Unavailable):  # each request that is to be profiled raises it again
                self._make_ready()
        if self.watch is not None:
            self.watch.paused = told.paused
        self._admission.heed(told)

    def _make_ready(self) -> None:
        """Do what can be done before the first request that is to be profiled."""
        self._try_engine()
        if self.settings.follow:
            self.hook(pools.hook)

    def _try_engine(self) -> None:
        """Find out now rather than at the first request; no request has been skipped yet."""
        try:
            self._find_engine()
        except Unavailable as reason:
            if self.settings.strict:
                raise
            self.counters.say(reason.counter, f"requests go unprofiled: {reason}")

    def _guard(self, step: Callable[..., T], *given: Any) -> T | None:
        """What ``step`` returns, or ``None``, counted, where it could not or had a fault."""
        try:
            return step(*given)
        except Exception as error:
            self._failed(error)
        return None

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, Unavailable):
            self.fault("failed_begin", error)
            return
        self.counters.trouble(error.counter, f"requests go unprofiled: {error}")
        if self.settings.strict:
            raise error

    def _find_engine(self) -> Engine:
        if self._engine is None:
            moment = time.monotonic()
            if moment < self._engine_retry:
                raise Unavailable(self._lacking.counter, str(self._lacking))
            self._engine_retry = moment + _ENGINE_RETRY_SECONDS
            settings = self.settings
            try:
                self._engine = choose.engine(
                    settings.engine, builtins=settings.builtins, clock=settings.clock
                )
            except Unavailable as reason:
                self._lacking = reason
                raise
            if self._engine.instead_of:
                self.counters.log(
                    f"requests are recorded by cProfile, as {self._engine.instead_of};"
                    ' engine="cprofile" does so without a word'
                )
        return self._engine

    def _begin(self, incoming: Incoming[Any]) -> Recording | None:
        request = self._admit(incoming)
        limit = self._limit
        if limit is None:
            return None if request is None else self._start(request)
        if request is not None:
            return limit.weigh(self._start, request)
        request = self._admission.compared(incoming)
        return None if request is None else limit.weigh(limit.measure, request)

    def _admit(self, incoming: Incoming[Any]) -> Request | None:
        if self._admission.quiet:
            return self._admission.admit(incoming)
        if self.control.unread:
            self._look_first()
        return self._admission.admit_as_told(incoming)

    def _look_first(self) -> None:
        """Find out what the process is told: at once, unless an event loop would have to wait."""
        asyncio = sys.modules.get("asyncio")
        if asyncio is None or asyncio._get_running_loop() is None:
            aside(self.control.look)
        elif not self._asked:
            self._asked = BACKGROUND.submit(self._look_then, sys.maxsize)

    def _look_then(self) -> None:
        self._asked = False
        if self.control.unread:
            self.control.look()

    def _start(self, request: Request) -> Recording | None:
        if BACKGROUND.backlog >= MAX_QUEUE:
            self.counters.trouble("skipped_backlog", "the writer is behind; requests go unprofiled")
            return None
        recording = Recording(
            *(request, len(self._in_flight), self.end, self.outlived, self.fault),
            follow=self.settings.follow,
        )
        recording.announces = self.settings.announce or request.chosen == "trigger"
        if not self._in_flight.join(recording):
            self.counters.add("skipped_concurrent")
            return None
        try:
            engine = recording.engine = self._find_engine()
            session = recording.session = engine.session()
            session.owner = recording
        except BaseException:
            self._in_flight.leave(recording)
            recording.session.close()
            raise
        self.counters.add("profiled")
        self.upkeep.begin()
        spans.mark(recording)
        self._in_flight.look_after()
        return recording


_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()


def _after_fork() -> None:
    for recorder in list(_recorders):
        recorder._in_flight.disown()
        recorder.control.renew()
        recorder._admission.renew()
        recorder.upkeep.reset()
        if recorder._limit is not None:
            recorder._limit.reset()
            recorder._admission.lower(recorder._limit.factor)
        recorder._asked = False
        recorder._delivery.renew()


after_fork(_after_fork)
