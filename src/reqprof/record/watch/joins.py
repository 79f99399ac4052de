"""Who completes a future that a request waits for: tasks that it has started, or a pool's thread.

A future does not tell. A request that has started a task may wait for something else, so where
nothing says that it waits for the task, the task is not where the request is.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reqprof.record.notes import Frames

_PASSES_ON = {
    "shield.<locals>._outer_done_callback": "inner",
    "_chain_future.<locals>._call_check_cancel": "source",
}
"""Callbacks of asyncio's futures, and their variables for what the future has its end from."""

_FOR_ANY: dict[tuple[str, ...], set[str]] = {
    ("asyncio", "taskgroups.py"): {"__aexit__", "_aexit"},
    ("asyncio", "tasks.py"): {"_wait", "wait_for"},
    # What is handed over there, a task of the request's most often has made.
    ("asyncio", "locks.py"): {"wait"},
    ("asyncio", "queues.py"): {"get"},
    ("_backends", "_asyncio.py"): {"__aexit__", "start"},
}
"""Functions that wait for tasks, by their files' last two names."""

_FOR_THREADS = {"run_sync_in_worker_thread", "to_thread_run_sync"}
"""Those of anyio and trio that wait for a pool's thread."""

_GATHERING: Any = asyncio.tasks._GatheringFuture  # type: ignore[attr-defined]
_NEAR = 4  # frames that such a function may have further in


def source(future: asyncio.Future[Any]) -> Any:
    """The task, or other future, whose end is passed on to this one; None where that is unknown."""
    for callback, _ in future._callbacks or ():
        if type(callback) is FunctionType and callback.__qualname__ in _PASSES_ON:
            variable = callback.__code__.co_freevars.index(_PASSES_ON[callback.__qualname__])
            return (callback.__closure__ or ())[variable].cell_contents
    return None


def gathered(future: object) -> list[asyncio.Future[Any]]:
    """What a ``gather()`` waits for."""
    return list(future._children) if isinstance(future, _GATHERING) else []


def is_for_any(frames: Frames) -> bool:
    """Whether who waits at the end of that stack waits for tasks that it has started."""
    if not frames:
        return False
    code = frames[-1][0]
    return code.co_name in _FOR_ANY.get(Path(code.co_filename).parts[-2:], ())


def is_for_a_thread(frames: Frames, future: asyncio.Future[Any] | None) -> bool:
    """Whether it waits for what a pool's thread does."""
    if any(code.co_name in _FOR_THREADS for code, _ in frames[-_NEAR:]):
        return True
    waited = [] if future is None else [future, *gathered(future)]
    return any(isinstance(source(each), concurrent.futures.Future) for each in waited)
