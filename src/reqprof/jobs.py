"""The door for work that is no request: tasks of Celery and RQ, scripts, anything in a ``with``."""

from __future__ import annotations

import functools
import sys
import time
from contextvars import ContextVar
from inspect import (
    CO_ASYNC_GENERATOR,
    CO_COROUTINE,
    CO_GENERATOR,
    isasyncgenfunction,
    isgeneratorfunction,
)
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from reqprof.record import start
from reqprof.record.choice.arrival import Arrival
from reqprof.record.choice.rules import is_async
from reqprof.record.engines.choose import active, aside
from reqprof.record.engines.clock import unseen
from reqprof.record.options import Settings, folder
from reqprof.record.recorder import Recorder
from reqprof.record.steps import Steps
from reqprof.record.timed import Known, Timed
from reqprof.record.watch.sight import ThreadSight, begins_at, work_on

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from os import PathLike
    from types import CodeType, FrameType, TracebackType

    from reqprof.record.options import Options
    from reqprof.record.recording import Recording

F = TypeVar("F", bound="Callable[..., Any]")

MAX_RECORDERS = 64
"""Sets of options whose recorders are kept; beyond that the one not used for longest goes."""

_SUSPENDS = CO_COROUTINE | CO_GENERATOR | CO_ASYNC_GENERATOR
_kept = functools.lru_cache(MAX_RECORDERS)(Recorder)


def session(
    name: str, out_dir: str | PathLike[str] = "profiles", **options: Unpack[Options]
) -> Session:
    """Profile work that is no request, each piece of it as a request of kind ``job``.

    As ``with reqprof.session("nightly"): ...``, or as a decorator of a function, plain or async.
    ``name`` stands for the path and the route. The options are those of the doors
    (:class:`reqprof.record.options.Settings`), and so is what becomes of a profile. Sessions with
    the same folder and options share their counters and caps.

    A ``with`` is for code that does not suspend. In a coroutine or a generator, others run on the
    same thread before it ends, and nobody tells when: there it records nothing, which is counted as
    ``skipped_async``. Decorate the ``async`` function instead, which is recorded step by step.

    Raises TypeError or ValueError for a bad argument, and for a function that is a generator.
    Otherwise the work runs as without it: unprofiled, and counted, where it cannot be recorded. So
    it is inside of what is recorded already (``skipped_nested``), a request or another session.
    """
    if not isinstance(name, str):
        raise TypeError(f"name is a text that names the work; got {name!r}")
    if not name:
        raise ValueError("name must not be empty: it is what the work is found by")
    settings = Settings(out_dir=folder(out_dir), **options)
    return Session(name, _recorder(settings) if start.enabled() else None)


class Session(start.Door):
    """What :func:`session` returns. It may be used many times, by many threads at once."""

    def __init__(self, name: str, recorder: Recorder | None) -> None:
        self._name = name
        self._recorder = recorder

    def __enter__(self) -> Session:
        block, frame = _Block(self), _within(_frame(1))
        code = None if frame is None else frame.f_code
        if code is not None and code.co_flags & _SUSPENDS:
            self._skip("skipped_async", "a with in async code or a generator records nothing")
            block.recording = self._timed()
        else:
            block.recording = self._begin()
            self._watch(block.recording, code)
        _set((*_get(), block))
        if block.recording is not None:
            block.stretch = block.recording.session.enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        # In a stretch: nothing that a profile would show.
        blocks = _get()
        mine = [block for block in blocks if block.session is self][-1:]
        if not mine:
            return  # it was entered elsewhere
        recording = mine[0].recording
        if recording is not None:
            recording.session.leave(mine[0].stretch, _ENTERED)
        _set(tuple(block for block in blocks if block is not mine[0]))
        if recording is not None:
            recording.end(error)

    def __call__(self, function: F) -> F:
        """A function that records each of its calls."""
        if not callable(function):
            raise TypeError(f"a session decorates a function; got {function!r}")
        if isgeneratorfunction(function) or isasyncgenfunction(function):
            raise TypeError(
                f"a session cannot record a generator, whose caller runs in between: {function!r};"
                " decorate what goes through it"
            )
        wrap = self._stepped if is_async(function) else self._called
        return wrap(function)  # type: ignore[return-value]

    def _called(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def called(*args: Any, **named: Any) -> Any:
            recording = self._begin()
            self._watch(recording)
            if recording is None:
                return function(*args, **named)
            session, error = recording.session, None
            stretch = session.enter()
            try:
                return function(*args, **named)
            except BaseException as raised:
                error = raised
                raise
            finally:
                session.leave(stretch)
                recording.end(error)
                error = None  # no cycle of frame and traceback

        begins_at(called.__code__)  # type: ignore[attr-defined]
        return called

    def _stepped(self, function: Callable[..., Any]) -> Callable[..., Any]:
        from reqprof.record.tasks import Followed  # asyncio, which other jobs do without

        @functools.wraps(function)
        async def stepped(*args: Any, **named: Any) -> Any:
            recorder, recording = self._recorder, self._begin()
            if recorder is None or recording is None:
                return await function(*args, **named)
            if isinstance(recording, _Timed):
                work = functools.partial(function, *args, **named)
                return await _awaited(recorder, work, recording)
            with Followed(recorder, recording):
                recording.steps = Steps(function(*args, **named), recording)
                return await recording.steps

        return stepped

    def _begin(self) -> Recording | _Timed | None:
        recorder = self._recorder
        if recorder is None:
            return None
        if active() is not None:
            self._skip("skipped_nested", "what is inside of recorded work is part of it")
            return None
        recording = recorder.begin(_arrival, _header, self._name)
        if recording is None:
            return self._timed()
        recording.find_template = functools.partial(str, recording.request.path)
        return recording

    def _timed(self) -> _Timed | None:
        waiting = None if self._recorder is None else self._recorder.upkeep.waiting()
        return None if waiting is None else _Timed(waiting, self._name)

    def _watch(self, work: Recording | _Timed | None, block: CodeType | None = None) -> None:
        """Have work that is only timed watched, if anything is."""
        watch = None if self._recorder is None else self._recorder.watch
        if watch is not None and isinstance(work, _Timed):
            ThreadSight(work, watch, block)

    def _skip(self, counter: str, why: str) -> None:
        if self._recorder is not None:
            # Perhaps inside of what is recorded: nothing of it is to be seen there.
            aside(functools.partial(self._recorder.counters.trouble, counter, why))


class _Timed(Timed):
    """A piece of work that goes unprofiled, in the place of a recording."""

    __slots__ = ("_name",)

    def __init__(self, waiting: deque[Any], name: str) -> None:
        self.waiting = waiting
        self._name = name
        self.status = self.exception = self.sight = None
        self._last = 0.0
        self.began = time.perf_counter()

    def given(self) -> tuple[Any, ...]:
        return (self._name,)

    def arrival(self) -> Arrival:
        return _arrival(self._name)


class _Block:
    """A ``with`` that has been entered."""

    recording: Recording | _Timed | None = None
    stretch: Any = None

    def __init__(self, session: Session) -> None:
        self.session = session


# Those that this thread, or task, is in: one session may be entered by many at once.
_blocks: ContextVar[tuple[_Block, ...]] = ContextVar("reqprof_sessions", default=())
_get = unseen(_blocks.get)
_set = unseen(_blocks.set)
_frame = unseen(sys._getframe)

_ENTERED = 2
"""Frames in a stretch of a ``with`` when it ends: ``__exit__`` and the call of ``leave``."""


def _within(frame: FrameType | None) -> FrameType | None:
    """The frame of the code that enters a ``with``, if only through an exit stack."""
    while frame is not None and _is_contextlib(frame):
        frame = frame.f_back
    return frame


def _is_contextlib(frame: FrameType) -> bool:
    return "__name__" in frame.f_globals and frame.f_globals["__name__"] == "contextlib"


def _recorder(settings: Settings) -> Recorder:
    try:
        hash(settings)
    except TypeError:  # a callable of the user's, in its options, cannot be looked up
        return Recorder(settings)
    return _kept(settings)


async def _awaited(recorder: Recorder, work: Callable[[], Any], timed: _Timed) -> Any:
    error: BaseException | None = None
    try:
        coroutine = work()
        if recorder.watch is None:
            return await coroutine
        from reqprof.record.tasks import watched

        token = watched(recorder, timed, coroutine)
        try:
            return await coroutine
        finally:
            work_on(token)
    except BaseException as raised:
        error = raised
        raise
    finally:
        timed.end(error)
        error = None  # no cycle of frame and traceback


def _header(name: str, header: str) -> None:
    """A job has none."""


def _arrival(name: str) -> Arrival:
    return Arrival(kind="job", method="", path=name, traceparent=None)


def _known(name: str) -> Known:
    return Known("job", "", name, name)


_Timed.tell = staticmethod(_known)
