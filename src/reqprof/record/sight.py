"""What the watch needs to see a request from outside: its thread or greenlet, or its tasks."""

from __future__ import annotations

import asyncio
import sys
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from reqprof.record import stacks
from reqprof.record.engines.clock import unseen
from reqprof.store.native import original

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context
    from types import CodeType

    from reqprof.record.notes import Frames
    from reqprof.record.stacks import Running
    from reqprof.record.timed import Timed
    from reqprof.record.watch import Watch
    from reqprof.record.watched import Watched

MOST_TASKS = 100
"""Tasks of one request that are looked at; of more, the first ones that still run."""

_doors: set[CodeType] = set()
_thread: Callable[[], int] = original("_thread", "get_ident")


def begins_at(*doors: CodeType) -> None:
    """Tell the code of the doors: what they call is the request's."""
    _doors.update(doors)


class Sight:
    """One request in flight that is not profiled. ``watched`` is what has been seen of it so far.

    It and its ``timed`` know each other until the request ends.
    """

    __slots__ = ("_watch", "is_stored", "thread", "timed", "watched")

    def __init__(self, timed: Timed, watch: Watch) -> None:
        self.timed: Timed | None = timed
        self.thread = _thread()
        self.watched: Watched | None = None
        self.is_stored = False  # as it was then
        self._watch = watch
        timed.sight = self
        watch.begin(self)

    def stack(self, running: Running) -> tuple[Frames, bool]:
        """Where it is, outermost first, and whether it is at work there, and not suspended."""
        raise NotImplementedError

    def end(self, ended: tuple[Any, ...], error: BaseException | None) -> bool:
        """The request is over; whether the watch takes over what is known of its end."""
        timed, self.timed = self.timed, None
        return timed is not None and self._watch.end(self, timed, ended, error)


class ThreadSight(Sight):
    """A request that one thread works on, or one greenlet."""

    __slots__ = ("_greenlet",)

    def __init__(self, timed: Timed, watch: Watch) -> None:
        greenlets = sys.modules.get("greenlet")
        self._greenlet = None if greenlets is None else greenlets.getcurrent()
        super().__init__(timed, watch)

    def stack(self, running: Running) -> tuple[Frames, bool]:
        if self._greenlet is None:
            frames = stacks.of_frame(running.get(self.thread))
        else:
            frames = stacks.of_greenlet(self._greenlet, self.thread, running)
        return stacks.inside(frames, _doors), True


class TaskSight(Sight):
    """A request whose coroutine is awaited; the tasks and pool calls that it starts are its own.

    A context manager: what happens inside of it happens in the request's context.
    """

    __slots__ = ("_coroutine", "_tasks", "_threads", "_token")

    def __init__(self, timed: Timed, watch: Watch, coroutine: Any) -> None:
        self._coroutine = coroutine
        self._tasks: list[tuple[weakref.ref[Any], weakref.ref[Any] | None]] = []  # and who began it
        self._threads: list[int] = []  # of pools, that work for it now
        super().__init__(timed, watch)

    def __enter__(self) -> None:
        self._token = _set(self)

    def __exit__(self, *_: object) -> None:
        try:  # noqa: SIM105  suppress() would be seen
            _reset(self._token)
        except (ValueError, RuntimeError):
            pass  # closed by a collection, in another context

    def started(self, task: Any) -> None:
        """It has started a task."""
        if len(self._tasks) < MOST_TASKS or self._forget_ended():
            self._tasks.append((weakref.ref(task), _parent()))

    def calling(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, as a pool's thread is to call it for the request."""
        return _Called(function, self._threads)

    def stack(self, running: Running) -> tuple[Frames, bool]:
        frames, at_work, parent = stacks.of_coroutine(self._coroutine, self.thread, running)
        tasks = [(task, above) for each, above in self._tasks if (task := each()) is not None]
        for _ in range(len(tasks)):
            if at_work or not (children := _children(tasks, parent)):
                break
            # The one that runs, or else the first: what all of them wait for comes to an end last.
            seen = [stacks.of_coroutine(each.get_coro(), self.thread, running) for each in children]
            place = next((place for place, one in enumerate(seen) if one.runs), 0)
            more, at_work, inner = seen[place]
            frames, parent = frames + more, inner or children[place]
        for thread in () if at_work else self._threads[:1]:
            return frames + stacks.inside(stacks.of_frame(running.get(thread)), _CALLED), True
        return frames, at_work

    def _forget_ended(self) -> bool:
        """Whether there is room for one more task."""
        self._tasks = [
            pair for pair in self._tasks if (task := pair[0]()) is not None and not task.done()
        ]
        return len(self._tasks) < MOST_TASKS


def at_work(context: Context | None = None) -> TaskSight | None:
    """The request that this context, or that one, works for. In a stretch: shows in no profile."""
    found = _get() if context is None else context.get(_current)
    return found if found is not None and found.timed is not None else None


class _Called:
    """A function that a pool's thread will call."""

    def __init__(self, function: Callable[..., Any], threads: list[int]) -> None:
        self._function = function
        self._threads = threads

    def __call__(self, *args: Any, **named: Any) -> Any:
        thread = _thread()
        self._threads.append(thread)
        try:
            return self._function(*args, **named)
        finally:
            self._threads.remove(thread)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)


_CALLED = {_Called.__call__.__code__}


def _parent() -> weakref.ref[Any] | None:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs here
        return None
    return None if task is None else weakref.ref(task)


def _children(
    tasks: list[tuple[Any, weakref.ref[Any] | None]], parent: Any
) -> list[asyncio.Task[Any]]:
    """Those that ``parent`` has begun and that run on; without one, those of no task of ours."""
    ours = {id(task) for task, _ in tasks}
    found = []
    for task, above in tasks:
        began = None if above is None else above()
        if not task.done() and (began is parent if parent is not None else id(began) not in ours):
            found.append(task)
    return found


# In a stretch: nothing that a profile would show.
_current: ContextVar[TaskSight | None] = ContextVar("reqprof_sight", default=None)
_get = unseen(_current.get)
_set = unseen(_current.set)
_reset = unseen(_current.reset)
