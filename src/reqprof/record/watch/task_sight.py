"""What the watch needs to see a request of asyncio, which is where its tasks and pool calls are."""

from __future__ import annotations

import asyncio
import weakref
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

from reqprof.record.watch import awaiting, joins, stacks
from reqprof.record.watch.sight import Sight
from reqprof.store.native import original

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.record.notes import Frames
    from reqprof.record.timed import Timed
    from reqprof.record.watch.awaiting import Awaited
    from reqprof.record.watch.stacks import Running
    from reqprof.record.watch.watch import Watch

MOST_TASKS = 100
"""Tasks of one request that are looked at; of more, the first ones that still run."""

_thread: Callable[[], int] = original("_thread", "get_ident")


class TaskSight(Sight):
    """A request whose coroutine is awaited; the tasks and pool calls that it starts are its own.

    ``receive`` is what waits for the client.
    """

    __slots__ = ("_coroutine", "_receive", "_tasks", "_threads")

    def __init__(self, timed: Timed, watch: Watch, coroutine: Any, receive: Any) -> None:
        self._coroutine = coroutine
        self._receive = receive
        self._tasks: list[tuple[weakref.ref[Any], weakref.ref[Any] | None]] = []  # and who began it
        self._threads: list[_Pool] = []  # that work for it now
        super().__init__(timed, watch)

    def started(self, task: Any) -> None:
        if len(self._tasks) < MOST_TASKS or self._forget_ended():
            self._tasks.append((weakref.ref(task), _parent()))

    def calling(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return _Called(function, self._threads, _parent())

    def stack(self, running: Running) -> tuple[Frames, bool]:
        tasks = [(task, above) for each, above in self._tasks if (task := each()) is not None]
        ours = {id(task) for task, _ in tasks}
        seen = awaiting.of_coroutine(self._coroutine, self.thread, running)
        frames, parent = seen.frames, seen.task
        while not seen.runs and seen.frames and len(frames) < stacks.MAX_DEPTH:
            children = _waited_for(seen, [each for each, up in tasks if _is_of(parent, up, ours)])
            looks = [
                (each, awaiting.of_coroutine(each.get_coro(), self.thread, running))
                for each in children
            ]
            if not looks:
                break
            child, seen = max(looks, key=lambda look: self._rank(*look))
            frames, parent = frames + seen.frames, seen.task or child
        if not seen.runs and joins.is_for_a_thread(seen.frames, seen.future):
            for thread, above in list(self._threads):
                if _is_of(parent, above, ours):
                    at = stacks.of_frame(running.get(thread))
                    return frames + stacks.inside(at, _CALLED), True
        return frames, seen.runs

    def _rank(self, task: Any, seen: Awaited) -> int:
        """Of tasks that are all waited for: how likely the request is where that one is."""
        if seen.runs:
            return 3
        at_work = seen.task or task
        if any(each.above is not None and each.above() is at_work for each in list(self._threads)):
            return 2
        # Who listens for the client's leaving, as Django does beside its view, listens to the end.
        is_known = isinstance(self._receive, (FunctionType, MethodType))
        client = getattr(self._receive, "__code__", None) if is_known else None
        return 0 if any(code is client for code, _ in seen.frames) else 1

    def _forget_ended(self) -> bool:
        """Whether there is room for one more task."""
        self._tasks = [
            pair for pair in self._tasks if (task := pair[0]()) is not None and not task.done()
        ]
        return len(self._tasks) < MOST_TASKS


class _Pool(NamedTuple):
    """A pool's thread, and the task that has it work."""

    thread: int
    above: weakref.ref[Any] | None


class _Called:
    """A function that a pool's thread will call."""

    def __init__(
        self,
        function: Callable[..., Any],
        threads: list[_Pool],
        above: weakref.ref[Any] | None,
    ) -> None:
        self._function = function
        self._threads = threads
        self._above = above

    def __call__(self, *args: Any, **named: Any) -> Any:
        pool = _Pool(_thread(), self._above)
        self._threads.append(pool)
        try:
            return self._function(*args, **named)
        finally:
            self._threads.remove(pool)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)


_CALLED = {_Called.__call__.__code__}


def _parent() -> weakref.ref[Any] | None:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs here
        return None
    return None if task is None else weakref.ref(task)


def _waited_for(seen: Awaited, started: list[Any]) -> list[Any]:
    """The tasks that ``seen`` waits for, which has ``started`` some."""
    tasks = started if joins.is_for_any(seen.frames) else joins.gathered(seen.future)
    return [each for each in tasks if isinstance(each, asyncio.Task) and not each.done()]


def _is_of(parent: Any, above: weakref.ref[Any] | None, ours: set[int]) -> bool:
    """Whether ``above`` is ``parent``; where there is none, whether it is none of ``ours``."""
    began = None if above is None else above()
    return began is parent if parent is not None else id(began) not in ours
