"""What a request's table cannot hold, noted while it runs: its waits, its calls in pool threads."""

from __future__ import annotations

import gc
import threading
from contextvars import Context
from functools import partial
from itertools import count
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    MethodType,
)
from typing import TYPE_CHECKING, Any

from reqprof.model import Job, Timeline, Wait
from reqprof.record.engines.clock import unseen
from reqprof.record.engines.session import is_own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

    from reqprof.model import Function, Place

    Frames = list[tuple[CodeType, int]]
    """A suspended stack, outermost first: each code with the index of its last instruction."""

MAX_PLACES = 1000
"""Stacks by which the waits of one request are told apart; further ones are added up as one."""

_MAX_DEPTH = 200
_ASYNC_GENERATOR_STEPS = {"async_generator_asend", "async_generator_athrow"}
_id = unseen(id)
_referents = unseen(gc.get_referents)


class Notes:
    """One request's. Times are seconds; child tasks and pool calls are added up over all."""

    def __init__(self) -> None:
        self.waited = self.tasks_ran = self.tasks_waited = 0.0
        self._own: dict[tuple[int, ...], _Waits] = {}
        self._childrens: dict[tuple[int, ...], _Waits] = {}
        # By function and thread, so that each is one thread's to change.
        self._calls: dict[tuple[Function, str, int], _Calls] = {}
        self._tasks, self._jobs, self._done = _Counter(), _Counter(), _Counter()

    def task_began(self) -> None:
        self._tasks.step()

    def job_began(self) -> None:
        self._jobs.step()

    def done(self) -> None:
        """A child task or a job has ended."""
        self._done.step()

    def wait(self, frames: Frames, seconds: float, *, child: bool = False) -> None:
        """The request, or a child task of it, was suspended in ``frames``."""
        if child:
            self.tasks_waited += seconds
        else:
            self.waited += seconds
        by_stack = self._childrens if child else self._own
        stack: tuple[int, ...] = ()
        for code, at in frames:
            stack += (_id(code), at)
        waits = by_stack.get(stack)
        if waits is None:
            if len(by_stack) >= MAX_PLACES:
                stack, frames = (), []
            waits = by_stack.setdefault(stack, _Waits(frames))
        waits.count += 1
        waits.seconds += seconds
        if seconds > waits.longest:
            waits.longest = seconds

    def call(self, function: Callable[..., object], wall: float, cpu: float) -> None:
        """A pool thread, this one, has called ``function`` for the request."""
        thread = threading.current_thread()
        key = (_label(function), thread.name, threading.get_ident())
        calls = self._calls.setdefault(key, _Calls())
        calls.count += 1
        calls.wall += wall
        calls.cpu += cpu

    def facts(self) -> dict[str, Any]:
        """What the request's facts say of all this. Once, at the end."""
        calls = list(self._calls.values())
        tasks, jobs, done = self._tasks.read(), self._jobs.read(), self._done.read()
        return {
            "tasks": tasks,
            "tasks_ran": self.tasks_ran,
            "tasks_waited": self.tasks_waited,
            "jobs": jobs,
            "jobs_ran": sum(call.wall for call in calls),
            "jobs_cpu": sum(call.cpu for call in calls),
            "left_running": max(0, tasks + jobs - done),
        }

    def timeline(self, held_by: dict[str, float], stopped_at: Frames) -> Timeline:
        """All of it, as it is stored."""
        return Timeline(
            waits=(*_waits(self._own, child=False), *_waits(self._childrens, child=True)),
            jobs=tuple(
                Job(function, thread, call.count, call.wall, call.cpu)
                for (function, thread, _), call in list(self._calls.items())
            ),
            held_by=held_by,
            stopped_at=places(stopped_at),
        )


class _Waits:
    """The waits in one stack."""

    __slots__ = ("count", "frames", "longest", "seconds")

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self.count = 0
        self.seconds = self.longest = 0.0


class _Calls:
    """The calls of one function by one pool thread."""

    __slots__ = ("count", "cpu", "wall")

    def __init__(self) -> None:
        self.count = 0
        self.wall = self.cpu = 0.0


class _Counter:
    """Counts without a lock, exact under threads; can be read once."""

    def __init__(self) -> None:
        numbers = count()
        self.step = unseen(numbers.__next__)

    def read(self) -> int:
        return self.step()


def frames(awaited: Any) -> Frames:
    """The suspended stack of a coroutine, as far as Python tells: outermost first."""
    # Runs in a stretch where a task starts eagerly: no call here that a profile would show.
    found: Frames = []
    for _ in range(_MAX_DEPTH):
        kind = awaited.__class__
        if kind is CoroutineType:
            code, frame, inner = awaited.cr_code, awaited.cr_frame, awaited.cr_await
        elif kind is GeneratorType:
            code, frame, inner = awaited.gi_code, awaited.gi_frame, awaited.gi_yieldfrom
        elif kind is AsyncGeneratorType:
            code, frame, inner = awaited.ag_code, awaited.ag_frame, awaited.ag_await
        elif kind.__name__ in _ASYNC_GENERATOR_STEPS:
            awaited = _generator_of(awaited)
            continue
        else:
            break
        if frame is not None:
            found += [(code, frame.f_lasti)]
        awaited = inner
    return found


def places(frames: Frames) -> tuple[Place, ...]:
    """A stack as it is stored, without frames of reqprof's own."""
    return tuple(
        (code.co_filename, code.co_firstlineno, code.co_name, _line(code, at))
        for code, at in frames
        if not is_own(code)
    )


def _generator_of(step: object) -> object:
    """The async generator that an ``asend()`` is a step of: nothing but the collector knows it."""
    for referent in _referents(step):
        if type(referent) is AsyncGeneratorType:
            return referent
    return None


def _line(code: CodeType, at: int) -> int:
    for start, end, line in code.co_lines():
        if start <= at < end and line is not None:
            return line
    return code.co_firstlineno


def _label(function: Any) -> Function:
    """A callable as a profile names it; one that only passes on to another by that one.

    Looks into nothing whose attributes may be the app's code.
    """
    for _ in range(_MAX_DEPTH):
        kind = type(function)
        if kind is FunctionType:
            code = function.__code__
            return (code.co_filename, code.co_firstlineno, code.co_name)
        if kind is BuiltinFunctionType:
            return ("~", 0, function.__qualname__)
        if kind is MethodType:
            function = function.__func__
        elif kind is partial:
            function = _passed_on(function)
        else:
            break
    return ("~", 0, type(function).__qualname__)


def _passed_on(call: partial[Any]) -> Any:
    """What a partial calls; asyncio and asgiref have it run in a context."""
    for candidate in (call.func, *call.args):
        if type(candidate) in _CALLABLE and not _only_runs(candidate):
            return candidate
    return call.func


def _only_runs(function: Any) -> bool:
    if type(function) is MethodType:
        return type(function.__self__).__module__ == "asgiref.sync"
    return type(function) is BuiltinFunctionType and type(function.__self__) is Context


_CALLABLE = {FunctionType, BuiltinFunctionType, MethodType, partial}


def _waits(by_stack: dict[tuple[int, ...], _Waits], *, child: bool) -> Iterator[Wait]:
    for waits in list(by_stack.values()):
        yield Wait(places(waits.frames), waits.count, waits.seconds, waits.longest, child)
