"""Where a request is, seen from another thread, or from beside it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import signal
import sys
import threading
import types
from _thread import get_ident
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.record.steps import ENDED, Steps
from reqprof.record.watch import stacks
from reqprof.record.watch.awaiting import Awaited, of_coroutine
from tests.conftest import need_module

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Generator, Iterator

    from reqprof.record.notes import Frames

pytestmark = pytest.mark.recording


def names(frames: Frames) -> list[str]:
    return [code.co_name for code, _ in frames]


def line(frames: Frames) -> int:
    """The line that the innermost frame is at, from the first of its function."""
    code, at = frames[-1]
    found = [line for start, end, line in code.co_lines() if start <= at < end and line]
    return found[0] - code.co_firstlineno


def here(awaited: Any) -> Awaited:
    """What is seen of it on this thread."""
    return of_coroutine(awaited, get_ident(), stacks.now())


@types.coroutine
def paused() -> Generator[None, None, None]:
    yield


async def inner() -> None:
    await paused()


async def outer() -> None:
    await inner()


async def with_a_generator() -> None:
    async def numbers() -> AsyncIterator[int]:
        yield 1
        await inner()
        yield 2

    async for _ in numbers():
        pass


async def with_a_context() -> None:
    @asynccontextmanager
    async def opened() -> AsyncIterator[None]:
        await inner()
        yield

    async with opened():
        pass


class Awaitable:
    def __init__(self, coroutine: Any) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Any:
        return self._coroutine.__await__()


async def with_an_awaitable() -> None:
    await Awaitable(inner())


class Iterating:
    def __await__(self) -> Generator[None, None, None]:
        yield from inner().__await__()


async def with_an_iterator() -> None:
    await Iterating()


@pytest.mark.parametrize(
    ("coroutine", "stack"),
    [
        (paused, ["paused"]),
        (outer, ["outer", "inner", "paused"]),
        (with_a_generator, ["with_a_generator", "numbers", "inner", "paused"]),
        (with_a_context, ["with_a_context", "__aenter__", "opened", "inner", "paused"]),
        (with_an_awaitable, ["with_an_awaitable", "inner", "paused"]),
        (with_an_iterator, ["with_an_iterator", "__await__", "inner", "paused"]),
    ],
)
def test_a_suspended_coroutine_is_at_what_it_awaits(coroutine: Any, stack: list[str]) -> None:
    awaited = coroutine()
    awaited.send(None)
    frames, runs, task, _ = here(awaited)
    assert names(frames) == stack
    assert (runs, task) == (False, None)
    awaited.close()


def test_it_is_at_the_line_of_the_await() -> None:
    async def steps() -> None:
        await paused()
        await paused()

    awaited = steps()
    for expected in (1, 2):
        awaited.send(None)
        assert line(here(awaited).frames[:1]) == expected
    awaited.close()


def test_a_coroutine_that_has_not_begun_is_at_its_beginning() -> None:
    awaited = outer()
    assert names(here(awaited).frames) == ["outer"]
    awaited.close()


def test_one_that_has_ended_is_nowhere() -> None:
    awaited = outer()
    awaited.send(None)
    with suppress(StopIteration):
        awaited.send(None)
    assert here(awaited) == Awaited([], runs=False, task=None, future=None)


def test_one_that_runs_is_at_what_its_thread_is_at() -> None:
    def deep() -> Awaited:
        return here(running)

    async def calling() -> Awaited:
        return deep()

    async def top() -> Awaited:
        return await calling()

    running = top()
    with pytest.raises(StopIteration) as end:
        running.send(None)
    found: Awaited = end.value.value
    assert names(found.frames) == ["top", "calling", "deep", "here", "now"]
    assert found.runs


def test_one_that_runs_on_another_thread_is_at_least_known_to_run() -> None:
    async def top() -> Awaited:
        return of_coroutine(running, 1, stacks.now())

    running = top()
    with pytest.raises(StopIteration) as end:
        running.send(None)
    assert (names(end.value.value.frames), end.value.value.runs) == (["top"], True)


def test_a_loop_that_a_coroutine_does_not_let_go_is_seen_from_another_thread() -> None:
    enough, spins = threading.Event(), threading.Event()

    def spin() -> None:
        spins.set()
        while not enough.is_set():
            pass

    async def request() -> None:
        await asyncio.sleep(0)
        spin()

    async def serve() -> None:
        coroutines.append(request())
        await coroutines[0]

    coroutines: list[Coroutine[Any, Any, None]] = []
    loop = threading.Thread(target=asyncio.run, args=[serve()])
    loop.start()
    assert spins.wait(30)
    assert loop.ident is not None
    found = of_coroutine(coroutines[0], loop.ident, stacks.now())
    enough.set()
    loop.join()
    assert names(found.frames)[:2] == ["request", "spin"]
    assert found.runs


def test_of_an_async_generator_that_runs_its_own_frames_are_seen() -> None:
    async def numbers() -> AsyncIterator[Awaited]:
        await paused()
        yield here(running)

    async def top() -> Awaited:
        return await anext(numbers())

    running = top()
    running.send(None)
    assert names(here(running).frames) == ["top", "numbers", "paused"]
    with pytest.raises(StopIteration) as end:
        running.send(None)
    assert names(end.value.value.frames)[-3:] == ["numbers", "here", "now"]


def look_at(request: Any, *, turns: int = 3) -> Awaited:
    """What is seen of a coroutine on a loop of asyncio, after some turns of that."""

    async def main() -> Awaited:
        coroutine = request()
        task = asyncio.ensure_future(coroutine)
        for _ in range(turns):
            await asyncio.sleep(0)
        found = here(coroutine)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return found

    return asyncio.run(main())


async def sleeper() -> None:
    await asyncio.sleep(600)


async def awaiting_a_task() -> None:
    await asyncio.create_task(sleeper())


async def awaiting_tasks_in_turn() -> None:
    await asyncio.create_task(awaiting_a_task())


@pytest.mark.parametrize(
    ("request_", "stack"),
    [
        (awaiting_a_task, ["awaiting_a_task", "sleeper", "sleep"]),
        (
            awaiting_tasks_in_turn,
            ["awaiting_tasks_in_turn", "awaiting_a_task", "sleeper", "sleep"],
        ),
    ],
)
def test_a_task_that_is_awaited_is_looked_into(request_: Any, stack: list[str]) -> None:
    frames, runs, task, _ = look_at(request_, turns=5)
    assert names(frames) == stack
    assert not runs
    assert task is not None
    assert task.get_coro().__name__ == "sleeper"  # type: ignore[union-attr]


def test_a_future_that_somebody_else_completes_ends_the_stack() -> None:
    async def of_c() -> None:
        await asyncio.get_running_loop().create_future()

    async def of_python() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.futures._PyFuture(loop=loop)  # type: ignore[attr-defined]

    async def of_a_lock() -> None:
        lock = asyncio.Lock()
        await lock.acquire()
        await lock.acquire()

    async def of_a_thread() -> None:
        await asyncio.wrap_future(concurrent.futures.Future())

    assert names(look_at(of_c).frames) == ["of_c"]
    assert names(look_at(of_python).frames) == ["of_python", "__await__"]
    assert names(look_at(of_a_lock).frames) == ["of_a_lock", "acquire"]
    assert names(look_at(of_a_thread).frames) == ["of_a_thread"]


def test_a_task_that_is_shielded_is_looked_into() -> None:
    async def request() -> None:
        await asyncio.shield(sleeper())

    assert names(look_at(request).frames) == ["request", "sleeper", "sleep"]


def test_a_step_of_an_async_generator_that_has_a_default_is_looked_into() -> None:
    async def numbers() -> AsyncIterator[int]:
        yield 1
        await inner()

    async def request() -> None:
        steps = numbers()
        await anext(steps)
        await anext(steps, None)

    awaited = request()
    awaited.send(None)
    assert names(here(awaited).frames) == ["request", "numbers", "inner", "paused"]
    awaited.close()


def test_a_circle_of_tasks_is_no_endless_stack() -> None:
    class Circular(asyncio.Task[None]):
        def get_coro(self) -> Any:
            return circle[0]

    async def request() -> None:
        circle.append(coroutine)
        await Circular(sleeper())

    circle: list[Any] = []
    coroutine = request()
    assert len(look_at(lambda: coroutine).frames) == stacks.MAX_DEPTH


def test_a_coroutine_that_is_stepped_for_another_profile_is_looked_into() -> None:
    class Notes:
        def task_began(self) -> None: ...

    class Recording:
        session = ENDED
        notes = Notes()
        ended = True

    async def top() -> None:
        await stepped

    coroutine = inner()
    stepped = Steps(coroutine, Recording())  # type: ignore[arg-type]
    coroutine.send(None)
    awaited = top()
    assert names(here(stepped).frames) == ["inner", "paused"]
    awaited.close()
    coroutine.close()
    stepped.close()


async def nested(depth: int) -> None:
    await (nested(depth - 1) if depth else paused())


def test_a_deep_stack_is_cut() -> None:
    awaited = nested(stacks.MAX_DEPTH + 100)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(5000)
    try:
        awaited.send(None)
        assert len(here(awaited).frames) == stacks.MAX_DEPTH
        awaited.close()
    finally:
        sys.setrecursionlimit(limit)


def test_what_trio_runs_is_seen_too() -> None:
    need_module("trio")
    import trio

    found: list[Awaited] = []

    async def request() -> None:
        await trio.sleep_forever()

    async def main() -> None:
        coroutine = request()

        async def run() -> None:
            await coroutine

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await trio.testing.wait_all_tasks_blocked()
            found.append(here(coroutine))
            nursery.cancel_scope.cancel()

    import trio.testing

    trio.run(main)
    ((frames, runs, _, _),) = found
    assert names(frames)[:2] == ["request", "sleep_forever"]
    assert not runs


class TestGreenlets:
    @pytest.fixture(autouse=True)
    def _greenlet(self) -> None:
        need_module("greenlet")

    def test_one_that_rests_is_where_it_gave_way(self) -> None:
        import greenlet

        def deep() -> None:
            greenlet.getcurrent().parent.switch()

        def work() -> None:
            deep()

        resting = greenlet.greenlet(work)
        resting.switch()
        assert names(stacks.of_greenlet(resting, get_ident(), stacks.now())) == ["work", "deep"]
        resting.switch()

    def test_one_that_runs_is_where_its_thread_is(self) -> None:
        import greenlet

        def work() -> Frames:
            return stacks.of_greenlet(greenlet.getcurrent(), get_ident(), stacks.now())

        assert names(greenlet.greenlet(work).switch())[-2:] == ["work", "now"]

    def test_what_a_coroutine_has_another_greenlet_do_is_its_own(self) -> None:
        import greenlet

        def deep() -> Awaited:
            return here(running)

        async def request() -> Awaited:
            return greenlet.greenlet(deep).switch()  # type: ignore[no-any-return]

        running = request()
        with pytest.raises(StopIteration) as end:
            running.send(None)
        assert names(end.value.value.frames) == ["request", "deep", "here", "now"]
        assert end.value.value.runs

    def test_one_that_has_ended_or_not_begun_is_nowhere(self) -> None:
        import greenlet

        ended = greenlet.greenlet(lambda: None)
        assert names(stacks.of_greenlet(ended, get_ident(), {})) == []
        ended.switch()
        assert stacks.of_greenlet(ended, get_ident(), stacks.now()) == []


def raising(depth: int) -> None:
    if depth:
        raising(depth - 1)
    raise ValueError("bottom")


def test_a_traceback_is_the_stack_from_where_it_was_caught() -> None:
    def top() -> None:
        raising(2)

    with pytest.raises(ValueError, match="bottom") as caught:
        top()
    assert caught.tb is not None
    frames = stacks.of_traceback(caught.tb.tb_next)
    assert names(frames) == ["top", "raising", "raising", "raising"]
    assert line(frames) == 3
    assert stacks.of_traceback(None) == []


def test_what_the_handler_of_a_signal_did_is_left_out() -> None:
    def handle(number: int, frame: object) -> None:
        raise SystemExit(1)

    def work() -> None:
        signal.raise_signal(signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        with pytest.raises(SystemExit) as caught:
            work()
        assert caught.tb is not None
        frames = stacks.of_traceback(caught.tb.tb_next)
        assert names(frames) == ["work", "handle"]
        assert names(stacks.before_signal(frames)) == ["work"]
        assert names(stacks.before_signal(frames[:1])) == ["work"]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_thread_s_stack_is_whole_and_outermost_first() -> None:
    asked, told = threading.Event(), threading.Event()

    def deep() -> None:
        told.set()
        assert asked.wait(30)

    def work() -> None:
        deep()

    thread = threading.Thread(target=work)
    thread.start()
    assert told.wait(30)
    assert thread.ident is not None
    frames = stacks.of_frame(stacks.now()[thread.ident])
    asked.set()
    thread.join()
    found = names(frames)
    assert found[found.index("work") :][:2] == ["work", "deep"]
    assert found[0] == "_bootstrap"
    assert stacks.of_frame(None) == []


@contextmanager
def door(level: int) -> Iterator[Frames]:
    yield stacks.of_frame(sys._getframe())


def test_what_is_inside_of_the_outermost_door() -> None:
    def enter(depth: int) -> Frames:
        return enter(depth - 1) if depth else stacks.of_frame(sys._getframe())

    frames = enter(2)
    assert names(stacks.inside(frames, {enter.__code__})) == ["enter", "enter"]
    assert stacks.inside(frames, {door.__code__}) == []
    assert stacks.inside([], {enter.__code__}) == []
