"""Child tasks belong to the request that starts them.

An event loop's task factory sees what ``create_task``, ``gather``, ``TaskGroup``, ``wait_for`` and
anyio start, so it is wrapped, once for each loop; trio has no factory, so its nurseries are. Both
pass straight through where no recorded request is at work.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from asyncio import BaseEventLoop
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from reqprof.record import pools
from reqprof.record.company import Company
from reqprof.record.engines.clock import unseen
from reqprof.record.follow import at_work, follow, once, unfollow
from reqprof.record.steps import Steps
from reqprof.record.watch import sight
from reqprof.record.watch.sight import work_for
from reqprof.record.watch.task_sight import TaskSight

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import Token

    from reqprof.record.recorder import Recorder
    from reqprof.record.recording import Recording
    from reqprof.record.timed import Timed

    Function = Callable[..., Any]

# In a stretch: nothing that a profile would show.
_is = unseen(isinstance)


class Followed:
    """A recorded task, in which async work is stepped; at its end the recording ends.

    A context manager and not a coroutine: it makes no tracebacks longer.
    """

    def __init__(self, recorder: Recorder, recording: Recording) -> None:
        self._recorder = recorder
        self._recording = recording
        self._token: Token[Any] | None = None

    def __enter__(self) -> None:
        try:
            self._begin(self._recording)
        except BaseException as error:  # a signal's, perhaps: nobody else would end it
            self._recording.end(error)
            raise

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._token is not None:
            unfollow(self._token)
        self._recording.end(error)

    def _begin(self, recording: Recording) -> None:
        recording.suspends = True
        recording.company = Company(recording.request.id)
        if recording.follows():
            self._recorder.hook(pools.hook)
            self._recorder.hook(hook)
            self._token = follow(recording)


def hook() -> None:
    """Wrap what starts tasks here: trio's nurseries, or the loop of asyncio that runs."""
    if "trio" in sys.modules:
        once(_hook_trio)
    with suppress(RuntimeError):  # no loop of asyncio runs
        _hook_loop(asyncio.get_running_loop())


def watched(recorder: Recorder, timed: Timed, coroutine: Any, receive: Any = None) -> Token[Any]:
    """This task is about to await ``coroutine``, which is only timed and may be watched.

    For :func:`reqprof.record.watch.sight.work_on` afterwards. ``receive`` is what waits for the
    client.
    """
    assert recorder.watch is not None
    if recorder.settings.follow and not _is_hooked():
        recorder.hook(hook)
    return work_for(TaskSight(timed, recorder.watch, coroutine, receive))


def _is_hooked() -> bool:
    """Whether it is known without :func:`hook`, for each of many requests."""
    try:
        loop = asyncio._get_running_loop()
        return loop is not None and hasattr(loop.get_task_factory(), "follows_reqprof")
    except Exception:  # a loop of somebody's own
        return False


def _hook_loop(loop: asyncio.AbstractEventLoop) -> None:
    factory: Any = loop.get_task_factory()
    if getattr(factory, "follows_reqprof", False):
        return
    eager = getattr(getattr(asyncio, "eager_task_factory", None), "__code__", None)
    if eager is not None and getattr(factory, "__code__", None) is eager:
        loop.set_task_factory(_eager_factory(factory.__closure__[0].cell_contents))
    else:
        loop.set_task_factory(_Factory(factory))


class _Factory:
    """A loop's task factory before the one it had, or before asyncio's own way."""

    follows_reqprof = True

    def __init__(self, factory: Function | None) -> None:
        self._factory = factory or _plain_task

    def __call__(self, loop: Any, coroutine: Any, **options: Any) -> Any:
        task = self._factory(loop, _followed(coroutine, options), **options)
        _tell(task, options)
        return task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._factory, name)


def _eager_factory(make_task: Function) -> Any:
    # Built anew and not wrapped: anyio knows an eager factory by its code, and takes what makes the
    # tasks from its closure.
    def make_followed(coroutine: Any, **options: Any) -> Any:
        task = make_task(_followed(coroutine, options), **options)
        _tell(task, options)
        return task

    factory: Any = asyncio.create_eager_task_factory(make_followed)  # type: ignore[attr-defined]
    factory.follows_reqprof = True
    return factory


def _followed(coroutine: Any, options: Mapping[str, Any]) -> Any:
    """What a new task is to run; ``options`` may name the context that it will run in."""
    context = _context(options)
    if type(coroutine) is Steps:  # a factory of the app's has called ours, which is called again
        return coroutine
    recording = at_work(context)
    if recording is None or not _is(coroutine, Coroutine):
        return coroutine
    return Steps(coroutine, recording, child=True)


def _tell(task: Any, options: Mapping[str, Any]) -> None:
    """Tell a request that is watched from outside of a task that it has started."""
    watched = sight.at_work(_context(options))
    if watched is not None:
        watched.started(task)


def _context(options: Mapping[str, Any]) -> Any:
    return options["context"] if "context" in options else None  # noqa: SIM401


def _plain_task(loop: Any, coroutine: Any, **options: Any) -> Any:
    task: Any = _Task(coroutine, loop=loop, **options)
    if task._source_traceback:
        del task._source_traceback[-2:]  # as if we were not here
    return task


class _NamedTask(asyncio.Task[Any]):
    """A task that keeps its name: Python 3.13.0 names those of a task factory ``None``."""

    def set_name(self, name: object) -> None:
        if name is not None:
            super().set_name(name)


_NamedTask.__name__ = _NamedTask.__qualname__ = "Task"
_Task: type[asyncio.Task[Any]] = (
    _NamedTask if "set_name" in BaseEventLoop.create_task.__code__.co_names else asyncio.Task
)


def _hook_trio() -> None:
    nursery = sys.modules["trio"].Nursery
    for name in ("start", "start_soon"):
        setattr(nursery, name, _with_task(getattr(nursery, name)))


def _with_task(start: Function) -> Function:
    """A nursery's method, so that what it starts is counted."""

    @functools.wraps(start)
    def followed_start(self: Any, function: Function, *args: Any, name: object = None) -> Any:
        if at_work() is None:
            return start(self, function, *args, name=name)
        name = function if name is None else name
        return start(self, _Stepped(function), *args, name=name)

    return followed_start


class _Stepped:
    """An async function whose coroutine is a child task of a request."""

    def __init__(self, function: Function) -> None:
        self._function = function

    def __call__(self, *args: Any, **named: Any) -> Any:
        return _followed(self._function(*args, **named), {})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)
