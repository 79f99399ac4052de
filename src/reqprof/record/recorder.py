"""What both doors share: decide, measure, hand over. Nothing here raises into the app."""

from __future__ import annotations

import math
import os
import platform
import re
import secrets
import sys
import time
import weakref
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from reqprof.model import MAX_METHOD, MAX_PATH, Request
from reqprof.record import pools, spans
from reqprof.record.counters import Counters, told
from reqprof.record.engines import NO_ENGINE, Unavailable, choose
from reqprof.record.keeping import File
from reqprof.record.options import MAX_QUEUE, Settings
from reqprof.record.recording import Recording
from reqprof.record.rules import Choice, Sampling
from reqprof.record.trigger import COOKIES, HEADER, Trigger
from reqprof.record.upkeep import Upkeep
from reqprof.store.background import BACKGROUND
from reqprof.store.index import HOST
from reqprof.store.native import after_fork
from reqprof.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.model import Stats
    from reqprof.record.engines import Engine, Session
    from reqprof.record.keeping import Verdict
    from reqprof.store.naming import NameMaker

    Finished = Callable[[Stats, Request], None]

A = TypeVar("A")
T = TypeVar("T")

TRACEPARENT = "traceparent"
HEADERS = (TRACEPARENT, HEADER, COOKIES)
"""What a door is asked for: names of headers, in lower case."""

_ENGINE_RETRY_SECONDS = 10.0
_PYTHON = platform.python_version()
_STREAM_SECONDS = 60.0
_LOOK_SECONDS = 1.0  # between two looks at requests that may run too long
# https://www.w3.org/TR/trace-context/: later versions than 00 may add fields, ff is none.
_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a door knows of a request when it comes in."""

    kind: str
    method: str
    path: str
    traceparent: str | None


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
        self._sampling = Sampling(settings.sample)
        self._choice = Choice(settings.include, settings.exclude)
        self._trigger = None if settings.trigger is None else Trigger(settings.trigger)
        self._idle = self._sampling.rate == 0.0 and self._trigger is None
        self._keeping = settings.keeping(self._keep_failed)
        self._writer = Writer(settings.out_dir, settings.caps(), template)
        self.upkeep = Upkeep(self, self._writer)
        self._finished = finished
        self._most = _max_concurrent(settings)
        self._in_flight: set[Recording] = set()
        self._looking = False
        self._engine: Engine | None = None
        self._engine_retry = 0.0
        self._lacking = Unavailable(NO_ENGINE, "the engine has not been proved")
        if not self._idle:
            self._try_engine()
            if settings.follow:
                self.hook(pools.hook)
        if settings.strict:
            self._writer.prepare()
        _recorders.add(self)

    @property
    def engine_name(self) -> str:
        """What records, or nothing before the first request that was to be recorded."""
        return "" if self._engine is None else self._engine.name

    @property
    def rate(self) -> float | None:
        """Of the requests so many are profiled; None where a callable chooses."""
        return self._sampling.rate

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
        self, arrival: Callable[[A], Arrival], header: Callable[[A, str], str | None], raw: A
    ) -> Recording | None:
        """A recording to be entered at once, or ``None`` where the request runs unprofiled.

        ``arrival(raw)`` is called for those requests alone whose facts are needed. ``header(raw,
        name)`` is the value of one of the :data:`HEADERS`, where the request has it.
        """
        if self._idle:
            return None
        return self._guard(self._begin, arrival, header, raw)

    def end(self, recording: Recording, session: Session) -> None:
        """Queue a recording that has ended."""
        self._in_flight.discard(recording)
        if not BACKGROUND.submit(partial(self._finish, recording, session), MAX_QUEUE):
            waiting = f"{BACKGROUND.backlog} profiles wait to be written already"
            full = BACKGROUND.backlog >= MAX_QUEUE
            self.counters.trouble("dropped", waiting if full else "no thread can be started")
            self._tally(recording, None)
            _forget(recording, session)

    def outlived(self, recording: Recording) -> None:
        """A recording has ended that was stored before, as it was then."""
        self.upkeep.profiled(self._bare(recording), is_stored=True)

    def fault(self, counter: str, error: BaseException) -> None:
        """Count a fault of our own; with ``strict`` raise it."""
        self.counters.trouble(counter, f"a fault in reqprof: {told(error)}")
        if self.settings.strict:
            raise error

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
        except Unavailable as reason:
            self.counters.trouble(reason.counter, f"requests go unprofiled: {reason}")
            if self.settings.strict:
                raise
        except Exception as error:
            self.fault("failed_begin", error)
        return None

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

    def _begin(
        self, arrival: Callable[[A], Arrival], header: Callable[[A, str], str | None], raw: A
    ) -> Recording | None:
        if self._trigger is not None:
            valid = self._trigger.asks(partial(header, raw), lambda: arrival(raw).path)
            if valid:
                return self._start(self._facts(arrival(raw), chosen="trigger"))
            if valid is False:
                self.counters.add("trigger_refused")
        # A callable is given the facts that are stored if it says yes; a rate needs none.
        if self._sampling.rate is None:
            request = self._facts(arrival(raw))
            if not self._let_through(request):
                return None
            weight = self._sampling.weight(request.trace_id, request)
            return None if weight is None else self._start(replace(request, weight=weight))
        weight = self._sampling.weight(_trace_id(header(raw, TRACEPARENT)))
        if weight is None:
            return None
        request = self._facts(arrival(raw), weight=weight)
        return self._start(request) if self._let_through(request) else None

    def _let_through(self, request: Request) -> bool:
        may = self._choice.takes(request)
        if not may:
            self.counters.add("skipped_rules")
        return may

    def _facts(self, came: Arrival, **chosen: Any) -> Request:
        return Request(
            id=secrets.token_hex(6),
            kind=came.kind,
            method=came.method[:MAX_METHOD],
            path=came.path[:MAX_PATH],
            start=time.time(),
            trace_id=_trace_id(came.traceparent),
            **chosen,
        )

    def _start(self, request: Request) -> Recording | None:
        if BACKGROUND.backlog >= MAX_QUEUE:
            self.counters.trouble("skipped_backlog", "the writer is behind; requests go unprofiled")
            return None
        recording = Recording(
            *(request, len(self._in_flight), self.end, self.outlived, self.fault),
            follow=self.settings.follow,
        )
        recording.announces = self.settings.announce or request.chosen == "trigger"
        self._in_flight.add(recording)
        if self._most is not None and len(self._in_flight) > self._most:
            # Counted after joining, so that two that come together cannot both slip through.
            self._in_flight.discard(recording)
            self.counters.add("skipped_concurrent")
            return None
        try:
            session = recording.session = self._find_engine().session()
            session.owner = recording
        except BaseException:
            self._in_flight.discard(recording)
            recording.session.close()
            raise
        self.counters.add("profiled")
        self.upkeep.begin()
        spans.mark(recording)
        if not self._looking:
            self._looking = BACKGROUND.later(self._pause(), self._look)
        return recording

    def _pause(self) -> float:
        return min(_LOOK_SECONDS, (self.settings.max_duration or math.inf) / 10)

    def _look(self) -> None:
        """On the background thread, from time to time: what has run too long is stored as it is."""
        self._looking = False
        limit = self.settings.max_duration
        for recording in list(self._in_flight):
            most = limit or (_STREAM_SECONDS if recording.streams() else math.inf)
            if recording.age() > most:
                recording.stop()
        if self._in_flight and not self._looking:
            self._looking = BACKGROUND.later(self._pause(), self._look)

    def _finish(self, recording: Recording, session: Session) -> None:
        """On the background thread."""
        try:
            self._store(recording, session)
        finally:
            _forget(recording, session)

    def _store(self, recording: Recording, session: Session) -> None:
        """The stats, the file, and what else is to be done."""
        try:
            if session.fault is not None:
                raise session.fault
            ended = replace(recording.request, **recording.seen(store_path=True))
            verdict = self._keeping.verdict(ended)
            if verdict is None:
                self.counters.add("not_kept")
                self._tally(recording, None)
                return
            stats = session.finish()
            if not stats and not recording.partial:  # where it is stuck is worth a file
                self.counters.add("empty")
                self._tally(recording, None)
                return
            request = self._describe(recording, session, stats, verdict)
            timeline, tree = recording.timeline(), session.calltree()
        except Exception as error:
            self.counters.trouble("failed_stats", f"a fault in reqprof: {told(error)}")
            self._tally(recording, None)
            return
        if request.interrupted:
            self.counters.add("interrupted")
        is_stored = False
        try:
            gone = self._writer.write(stats, request, recording.environ, timeline, tree)
            self.counters.add("pruned", gone)
            self.counters.add("stored")
            is_stored = True
            self._displace(ended, request)
            self._tell(request)
        except OSError as error:
            self.counters.trouble("unwritten", f"{self.settings.out_dir} takes no profile: {error}")
        except BaseException as error:  # a filename_format may even try to exit
            self.counters.trouble("failed_write", f"a fault in reqprof: {told(error)}")
        self._tally(recording, request, is_stored=is_stored)
        if self._finished is not None:
            try:
                self._finished(stats, request)
            except BaseException as error:
                self.counters.trouble("failed_print", f"stream= took no report: {told(error)}")

    def _tell(self, request: Request) -> None:
        """What the user wants done with each profile, now that it is stored."""
        if self.settings.on_profile is None:
            return
        try:
            self.settings.on_profile(request, self.settings.out_dir / self._writer.last_name)
        except BaseException as error:  # it must not end the thread that all profiles need
            self.counters.trouble("failed_on_profile", f"on_profile= raised {told(error)}")

    def _displace(self, ended: Request, request: Request) -> None:
        """Delete the profile that the one just stored has pushed out of its route's slowest."""
        gone = self._keeping.stored(ended, request.kept, File(self._writer.last_name, request.id))
        if gone is not None:
            self.counters.add("displaced", self._writer.remove(*gone))

    def _keep_failed(self, error: BaseException) -> None:
        self.counters.trouble("failed_keep", f"keep= raised, the other rules decide: {told(error)}")

    def _tally(
        self, recording: Recording, request: Request | None, *, is_stored: bool = False
    ) -> None:
        """Count a recording that has ended, unless it runs on."""
        if not recording.partial:
            self.upkeep.profiled(request or self._bare(recording), is_stored=is_stored)

    def _bare(self, recording: Recording) -> Request:
        """What is known without the stats."""
        seen = recording.seen(self.settings.store_path)
        return replace(recording.request, **seen, pid=os.getpid(), host=HOST)

    def _describe(
        self, recording: Recording, session: Session, stats: Stats, verdict: Verdict
    ) -> Request:
        engine = self._find_engine()
        return replace(
            recording.request,
            **recording.seen(self.settings.store_path),
            kept=verdict.kept,
            weight=verdict.weight,
            cpu=session.cpu(),
            cost=session.cost(stats),
            calls=sum(row[1] for row in stats.values()),
            beyond=session.beyond(),
            neighbours=recording.neighbours,
            pid=os.getpid(),
            host=HOST,
            thread=recording.thread,
            python=_PYTHON,
            engine=engine.name,
            builtins=engine.builtins,
            clock=engine.clock,
            interrupted=session.interrupted(),
        )


def _forget(recording: Recording, session: Session) -> None:
    recording.forget()
    session.drop()


def _trace_id(traceparent: str | None) -> str | None:
    if traceparent is None:  # most requests have none
        return None
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (found[1] == "00" and found[3]):
        return None
    return found[2]


def _max_concurrent(settings: Settings) -> int | None:
    rate = settings.sample
    if settings.max_concurrent is None and sys.version_info >= (3, 12) and not callable(rate):
        return 1 if rate < 1 else None
    return settings.max_concurrent


_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()


def _after_fork() -> None:
    # What was in flight in the parent goes on there.
    for recorder in list(_recorders):
        for recording in list(recorder._in_flight):
            recording.disown()
        recorder._in_flight.clear()
        recorder.upkeep.reset()
        recorder._looking = False
        recorder._keeping.renew()


after_fork(_after_fork)
