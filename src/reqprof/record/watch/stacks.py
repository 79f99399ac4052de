"""Where a request is at this moment, seen from another thread: the stacks that the watch samples.

Nothing here runs the app's code: threads and greenlets are only looked at, and in awaiting.py
coroutines.
"""

from __future__ import annotations

import signal
import sys
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from types import CodeType, FrameType, TracebackType

    from reqprof.record.notes import Frames

    Running = Mapping[int, FrameType]
    """The innermost frame of each thread: what ``sys._current_frames()`` returns."""

MAX_DEPTH = 500
"""Frames of one stack; what is further in is left out."""


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


def inside(frames: Frames, doors: Container[CodeType]) -> Frames:
    """What is inside of the outermost of ``doors``; nothing if there is none."""
    for place, (code, _) in enumerate(frames):
        if code in doors:
            return frames[place + 1 :]
    return []


def since(frames: Frames, function: CodeType) -> Frames:
    """From the innermost call of ``function`` on; nothing if it is not open."""
    for place in range(len(frames) - 1, -1, -1):
        if frames[place][0] is function:
            return frames[place:]
    return []


def now() -> Running:
    """What each thread runs at this moment."""
    return sys._current_frames()
