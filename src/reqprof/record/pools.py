"""Calls that a request has made by pool threads count for it, and are seen where it is watched.

What hands a call to a thread is wrapped, once in a process and only where requests can be chosen,
and passes straight through where no such request is at work. ``ThreadPoolExecutor.submit``
serves ``asyncio.to_thread``, ``run_in_executor``, asgiref and the app's own pools; anyio and trio
have threads of their own.
"""

from __future__ import annotations

import functools
import importlib
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from reqprof.record.engines.clock import cpu_now, now, unseen
from reqprof.record.follow import at_work, follow, once, unfollow
from reqprof.record.watch import sight

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.record.recording import Recording

    Function = Callable[..., Any]

# In a stretch: nothing that a profile would show.
_is = unseen(isinstance)


def unseen_so_far() -> list[str]:
    """What has not been imported yet, and could not be wrapped."""
    return [name for name in ("anyio", "trio") if name not in sys.modules]


def hook() -> None:
    """Wrap what has been imported since the last time."""
    once(_hook_executors)
    if "anyio" in sys.modules:
        once(_hook_anyio, "_asyncio", "AsyncIOBackend")
    if "trio" in sys.modules:
        once(_hook_trio)
        if "anyio" in sys.modules:
            once(_hook_anyio, "_trio", "TrioBackend")


def _hook_executors() -> None:
    submit: Function = ThreadPoolExecutor.submit

    @functools.wraps(submit)
    def followed_submit(self: Any, function: Function, /, *args: Any, **named: Any) -> Any:
        job = function if _pickles(self) else _counted(function)
        return submit(self, job, *args, **named)

    ThreadPoolExecutor.submit = followed_submit  # type: ignore[method-assign]


def _pickles(executor: object) -> bool:
    """Whether it sends its work to other interpreters (Python 3.14 and later)."""
    if "concurrent.futures.interpreter" not in sys.modules:
        return False
    module: Any = sys.modules["concurrent.futures.interpreter"]
    return _is(executor, module.InterpreterPoolExecutor)


def _counted(function: Function) -> Function:
    """``function``, which another thread will call, counted for the request at work, if any."""
    recording = at_work()
    if recording is not None:
        return _Job(function, recording)
    watched = sight.at_work()
    return function if watched is None else watched.calling(function)


class _Job:
    """A function that another thread will call, counted for the request that has it called."""

    def __init__(self, function: Function, recording: Recording) -> None:
        self._function = function
        self._recording = recording

    def __call__(self, *args: Any, **named: Any) -> Any:
        function, recording = self._function, self._recording
        if recording.ended:
            return function(*args, **named)
        notes, session = recording.notes, recording.session
        # The context of this thread may be nobody's: what it has others do must find the request.
        token = follow(recording)
        wall, cpu = now(), cpu_now()
        stretch = session.enter()
        if stretch is not None:  # or else it is part of another job, or of the request's own work
            notes.job_began()
        try:
            return function(*args, **named)
        finally:
            session.leave(stretch)
            unfollow(token)
            if stretch is not None and not recording.ended:
                notes.done()
                try:
                    notes.call(function, now() - wall, cpu_now() - cpu)
                except Exception as error:
                    session.fault = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)


def _hook_anyio(module: str, backend: str) -> None:
    kind = getattr(importlib.import_module(f"anyio._backends.{module}"), backend)
    run_sync: Function = kind.run_sync_in_worker_thread.__func__

    @functools.wraps(run_sync)
    def followed_run_sync(cls: Any, function: Function, *args: Any, **named: Any) -> Any:
        return run_sync(cls, _counted(function), *args, **named)

    kind.run_sync_in_worker_thread = classmethod(followed_run_sync)


def _hook_trio() -> None:
    to_thread = importlib.import_module("trio.to_thread")
    run_sync: Function = to_thread.run_sync

    @functools.wraps(run_sync)
    def followed_run_sync(function: Function, *args: Any, **named: Any) -> Any:
        return run_sync(_counted(function), *args, **named)

    to_thread.run_sync = followed_run_sync  # type: ignore[attr-defined]
