"""Where a coroutine is, with all that it awaits, seen from another thread."""

from __future__ import annotations

import asyncio
import gc
import sys
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, NamedTuple

from reqprof.record.steps import Steps
from reqprof.record.watch import joins
from reqprof.record.watch.stacks import MAX_DEPTH

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from reqprof.record.notes import Frames
    from reqprof.record.watch.stacks import Running

_STEPS = {
    *("coroutine_wrapper", "FutureIter"),
    *("async_generator_asend", "async_generator_athrow", "anext_awaitable"),
}
"""Iterators that tell nobody what they are of; only the garbage collector knows."""


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
