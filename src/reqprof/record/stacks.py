"""Where a request is at this moment, seen from another thread: the stacks that the watch samples.

Nothing here runs the app's code: threads, coroutines and greenlets are only looked at.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from types import AsyncGeneratorType, CoroutineType, FunctionType, GeneratorType, MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

from reqprof.record import joins
from reqprof.record.steps import Steps

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from types import CodeType, FrameType, TracebackType

    from reqprof.record.notes import Frames

    Running = Mapping[int, FrameType]
    """The innermost frame of each thread: what ``sys._current_frames()`` returns."""

MAX_DEPTH = 500
"""Frames of one stack; what is further in is left out."""

_STEPS = {
    *("coroutine_wrapper", "FutureIter"),
    *("async_generator_asend", "async_generator_athrow", "anext_awaitable"),
}
"""Iterators that tell nobody what they are of; only the garbage collector knows."""


def of_frame(frame: FrameType | None) -> Frames:
    """The stack of a frame, outermost first."""
    found: Frames = []
    while frame is not None:
        found.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return found[::-1]


def of_traceback(trace: TracebackType | None) -> Frames:
    """The stack in which something was raised, as far as it was caught: outermost first."""
    found: Frames = []
    while trace is not None:
        found.append((trace.tb_frame.f_code, trace.tb_lasti))
        trace = trace.tb_next
    return found


def before_signal(frames: Frames) -> Frames:
    """Without what the handler of a signal did: the stack that it interrupted."""
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    functions = [each for each in handlers if isinstance(each, (FunctionType, MethodType))]
    codes = {getattr(each, "__code__", None) for each in functions}
    place = next((place for place, (code, _) in enumerate(frames) if code in codes), None)
    return frames[:place]


def of_greenlet(greenlet: Any, thread: int, running: Running) -> Frames:
    """The stack of a greenlet, which either rests or is what its thread runs."""
    resting = greenlet.gr_frame
    if resting is None and greenlet.dead:
        return []
    return of_frame(running.get(thread) if resting is None else resting)


class Awaited(NamedTuple):
    """The stack of a coroutine, and whether it runs.

    And the innermost task that it awaits, if any, and the future that this waits for.
    """

    frames: Frames
    runs: bool
    task: asyncio.Task[Any] | None
    future: asyncio.Future[Any] | None


def of_coroutine(awaited: Any, thread: int, running: Running) -> Awaited:
    """Where a coroutine is, and all that it awaits, other tasks too, on an event loop's thread.

    What waits for no coroutine, but for a future that somebody else completes, ends the stack.
    """
    found: Frames = []
    task = future = None
    while awaited is not None and len(found) < MAX_DEPTH:
        inside = _inside(awaited)
        if inside is None:
            task = awaited if isinstance(awaited, asyncio.Task) else task
            future = awaited if isinstance(awaited, asyncio.Future) else future
            awaited = _behind(awaited)
            continue
        code, frame, is_running, awaited = inside
        if frame is None:
            break  # it has ended
        if is_running:
            return Awaited(found + _from(frame, running.get(thread)), True, task, None)
        found.append((code, frame.f_lasti))
    return Awaited(found, False, task, future)


def inside(frames: Frames, doors: Container[CodeType]) -> Frames:
    """What is inside of the outermost of ``doors``; nothing if there is none."""
    for place, (code, _) in enumerate(frames):
        if code in doors:
            return frames[place + 1 :]
    return []


def _inside(awaited: Any) -> tuple[CodeType, FrameType | None, bool, Any] | None:
    """Code, frame, whether it runs and what it awaits; None for what is no code of Python."""
    kind = type(awaited)
    if kind is CoroutineType:
        return awaited.cr_code, awaited.cr_frame, awaited.cr_running, awaited.cr_await
    if kind is GeneratorType:
        return awaited.gi_code, awaited.gi_frame, awaited.gi_running, awaited.gi_yieldfrom
    if kind is AsyncGeneratorType:
        # It counts as running while it is suspended at an await too.
        at_work = awaited.ag_running and awaited.ag_await is None
        return awaited.ag_code, awaited.ag_frame, at_work, awaited.ag_await
    return None


def _behind(awaited: Any) -> Any:
    """What somebody waits for by waiting for ``awaited``; None where nothing is known of it."""
    if type(awaited) is Steps:
        return awaited.coroutine
    if isinstance(awaited, asyncio.Task):
        return awaited.get_coro()
    if isinstance(awaited, asyncio.Future):
        shielded = joins.source(awaited)
        return shielded if isinstance(shielded, asyncio.Future) else None
    if type(awaited).__name__ in _STEPS:
        return next((each for each in gc.get_referents(awaited) if _leads_on(each)), None)
    return None


def _leads_on(referent: object) -> bool:
    known = (CoroutineType, GeneratorType, AsyncGeneratorType, asyncio.Future)
    return isinstance(referent, known) or type(referent).__name__ in _STEPS


def _from(frame: FrameType, innermost: FrameType | None) -> Frames:
    """From ``frame``, which a thread runs, to the innermost one there."""
    inwards: Frames = []
    at = innermost
    while at is not None:
        inwards.append((at.f_code, at.f_lasti))
        if at is frame:
            return inwards[::-1]
        at = at.f_back
    only = [(frame.f_code, frame.f_lasti)]
    # It has another greenlet work for it, as SQLAlchemy does; or it has just ended.
    is_elsewhere = "greenlet" in sys.modules and _outermost(innermost) is not _outermost(frame)
    return only + inwards[::-1] if is_elsewhere else only


def _outermost(frame: FrameType | None) -> FrameType | None:
    while frame is not None and frame.f_back is not None:
        frame = frame.f_back
    return frame


def now() -> Running:
    """What each thread runs at this moment."""
    return sys._current_frames()
