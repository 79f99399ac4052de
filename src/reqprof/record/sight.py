"""What the watch needs to see a request from outside: its thread or greenlet, or its tasks."""

from __future__ import annotations

import asyncio
import sys
import weakref
from contextvars import ContextVar
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

from reqprof.record import joins, stacks
from reqprof.record.engines.clock import unseen
from reqprof.store.native import original

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context, Token
    from types import CodeType

    from reqprof.record.notes import Frames
    from reqprof.record.stacks import Awaited, Running
    from reqprof.record.timed import Timed
    from reqprof.record.watch import Watch
    from reqprof.record.watched import Watched

MOST_TASKS = 100
"""Tasks of one request that are looked at; of more, the first ones that still run."""

_doors: set[CodeType] = set()
_thread: Callable[[], int] = original("_thread", "get_ident")  # gevent's is one of greenlets


def begins_at(*doors: CodeType) -> None:
    """Tell the code of the doors: what they call is the request's."""
    _doors.update(doors)


class Sight:
    """One request in flight that is not profiled. ``watched`` is what has been seen of it so far.

    It and its ``timed`` know each other until the request ends.
    """

    __slots__ = ("_watch", "among", "thread", "timed", "watched")

    among: object  # the watch's requests, of the process that the request is in

    def __init__(self, timed: Timed, watch: Watch) -> None:
        self.timed: Timed | None = timed
        self.thread = _thread()
        self.watched: Watched | None = None
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
        # It may be half imported.
        current = getattr(sys.modules.get("greenlet"), "getcurrent", None)
        self._greenlet = None if current is None else current()
        super().__init__(timed, watch)

    def stack(self, running: Running) -> tuple[Frames, bool]:
        if self._greenlet is None:
            frames = stacks.of_frame(running.get(self.thread))
        else:
            frames = stacks.of_greenlet(self._greenlet, self.thread, running)
        return stacks.inside(frames, _doors), True


class TaskSight(Sight):
    """A request whose coroutine is awaited; the tasks and pool calls that it starts are its own.

    ``receive`` is what waits for the client. A context manager: what happens inside of it happens
    in the request's context.
    """

    __slots__ = ("_client", "_coroutine", "_tasks", "_threads", "_token")

    def __init__(self, timed: Timed, watch: Watch, coroutine: Any, receive: Any) -> None:
        is_known = isinstance(receive, (FunctionType, MethodType))
        self._client = getattr(receive, "__code__", None) if is_known else None
        self._coroutine = coroutine
        self._tasks: list[tuple[weakref.ref[Any], weakref.ref[Any] | None]] = []  # and who began it
        self._threads: list[_Pool] = []  # that work for it now
        super().__init__(timed, watch)

    def __enter__(self) -> None:
        self._token = work_for(self)

    def __exit__(self, *_: object) -> None:
        work_on(self._token)

    def started(self, task: Any) -> None:
        """It has started a task."""
        if len(self._tasks) < MOST_TASKS or self._forget_ended():
            self._tasks.append((weakref.ref(task), _parent()))

    def calling(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, as a pool's thread is to call it for the request."""
        return _Called(function, self._threads, _parent())

    def stack(self, running: Running) -> tuple[Frames, bool]:
        tasks = [(task, above) for each, above in self._tasks if (task := each()) is not None]
        ours = {id(task) for task, _ in tasks}
        seen = stacks.of_coroutine(self._coroutine, self.thread, running)
        frames, parent = seen.frames, seen.task
        while not seen.runs and seen.frames and len(frames) < stacks.MAX_DEPTH:
            children = _waited_for(seen, [each for each, up in tasks if _is_of(parent, up, ours)])
            looks = [
                (each, stacks.of_coroutine(each.get_coro(), self.thread, running))
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
        return 0 if any(code is self._client for code, _ in seen.frames) else 1

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


def work_for(sight: TaskSight | None) -> Token[Any]:
    """From now on this context works for that request.

    With None for nobody: what the server does inside ``send`` may begin the next request.
    """
    return _set(sight)


def work_on(token: Token[Any]) -> None:
    """Undo :func:`work_for`."""
    try:  # noqa: SIM105  suppress() would be seen
        _reset(token)
    except (ValueError, RuntimeError):
        pass  # closed by a collection, in another context


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


# In a stretch: nothing that a profile would show.
_current: ContextVar[TaskSight | None] = ContextVar("reqprof_sight", default=None)
_get = unseen(_current.get)
_set = unseen(_current.set)
_reset = unseen(_current.reset)
