"""Random programs of tasks, threads, errors and cancellations, several requests at once.

Each request counts its own calls as it makes them, and its profile must say the same, whatever was
cancelled when.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio import from_thread, to_thread
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.asgi import ProfilerMiddleware
from tests.conftest import Profiles
from tests.matrix.kind import Kind, respond
from tests.matrix.loops import impossible, need_loop, visit_all
from tests.matrix.verdict import problems
from tests.matrix.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.matrix.own import Own

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("no_collection", "each_engine")]

TICK = 0.0004  # seconds
PATIENCE = 20_000  # ticks


@dataclass(frozen=True)
class Do:
    """A statement: what to do, how often or how long, and the bodies that it has."""

    what: str
    number: int = 0
    bodies: tuple[tuple[Do, ...], ...] = ()


SIMPLE = ("call", "call", "sleep", "sleep", "thread", "executor", "submit", "return", "raise")
WITH_A_BODY = ("task", "forget", "cancel", "time out", "catch", "thread and back")
WITH_BODIES = ("group", "gather")

# Plain tuples and lists: deeply nested objects that it has built, hypothesis prints for ever.
small = st.integers(0, 3)
simple = st.tuples(st.sampled_from(SIMPLE), small, st.just(()))


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    body = st.lists(inner, max_size=4)
    bodies = st.lists(body, min_size=1, max_size=3)
    one = st.tuples(st.sampled_from(WITH_A_BODY), small, st.tuples(body))
    return one | st.tuples(st.sampled_from(WITH_BODIES), small, bodies)


program = st.lists(st.recursive(simple, nested, max_leaves=8), min_size=1, max_size=5)
site = st.lists(st.tuples(program, st.booleans()), min_size=1, max_size=4)


def body_of(program: Any) -> tuple[Do, ...]:
    return tuple(Do(what, number, tuple(map(body_of, bodies))) for what, number, bodies in program)


class Stop(Exception):
    """What ``raise`` raises."""


POOL = ThreadPoolExecutor(3, "fuzz")


class Machine:
    """Runs one request's program, with anyio: on every loop."""

    def __init__(self, own: Own) -> None:
        self.own = own
        self.futures: list[Future[Any]] = []

    async def main(self, body: tuple[Do, ...]) -> None:
        try:
            await self.run(body, self.own.step)
        finally:
            with anyio.CancelScope(shield=True):
                await self.rest()

    async def rest(self) -> None:
        """What an error or a cancellation left alone goes on being the request's own work."""
        while not all(future.done() for future in self.futures):
            await anyio.sleep(TICK)

    async def run(self, body: tuple[Do, ...], work: Callable[[int], None]) -> None:
        for do in body:
            if do.what == "return":
                return
            await self.do(do, work)

    async def child(self, body: tuple[Do, ...]) -> None:
        try:
            await self.run(body, self.own.child)
        finally:
            self.own.child(1)

    async def do(self, do: Do, work: Callable[[int], None]) -> None:
        if do.what == "call":
            work(do.number)
        elif do.what == "sleep":
            await anyio.sleep(do.number * TICK)
        elif do.what == "raise":
            raise Stop
        elif do.what == "catch":
            try:
                await self.run(do.bodies[0], work)
            except Stop:
                work(1)
        elif not do.bodies:
            await self.call(do)
        else:
            await self.begin(do)

    async def begin(self, do: Do) -> None:
        """Child tasks; ``forget`` and ``gather`` are asyncio's alone."""
        if do.what == "thread and back":
            await to_thread.run_sync(self.there, do)
        elif do.what == "time out":
            with anyio.move_on_after(do.number * TICK):
                await self.run(do.bodies[0], self.own.step)
        else:
            try:
                async with anyio.create_task_group() as group:
                    for body in do.bodies:
                        group.start_soon(self.child, body)
                    if do.what == "cancel":
                        await anyio.sleep(do.number * TICK)
                        group.cancel_scope.cancel()
            except* Stop:
                self.own.step(1)

    async def call(self, do: Do) -> None:
        """A job in a pool thread."""
        if do.what != "submit":
            await to_thread.run_sync(self.job, do.number)
            return
        future = POOL.submit(self.job, do.number)
        self.futures.append(future)
        while not future.done():
            await anyio.sleep(TICK)
        future.result()

    def job(self, times: int) -> None:
        self.own.job(times)
        time.sleep(times * TICK)
        self.own.job(1)
        if times == 3:
            raise Stop

    def there(self, do: Do) -> None:
        self.own.job(do.number)
        try:
            self.back(do.bodies[0])
        finally:
            self.own.job(1)

    def back(self, body: tuple[Do, ...]) -> None:
        from_thread.run(self.shielded, body)

    async def shielded(self, body: tuple[Do, ...]) -> None:
        # A thread that is begun in a scope which is cancelled, below a call back from a thread:
        # anyio 4.16 never comes to an end there, without reqprof as with it.
        with anyio.CancelScope(shield=True):
            await self.child(body)


class AsyncioMachine(Machine):
    """The same by asyncio's own names."""

    def __init__(self, own: Own) -> None:
        super().__init__(own)
        self.loop = asyncio.get_running_loop()
        self.tasks: list[asyncio.Task[None]] = []

    async def main(self, body: tuple[Do, ...]) -> None:
        THIS.set(self)
        await super().main(body)

    async def rest(self) -> None:
        for _ in range(PATIENCE):
            if not self.busy():
                break
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(TICK)
        assert not self.busy(), (self.tasks, self.futures)
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def busy(self) -> bool:
        jobs = all(future.done() for future in self.futures)
        return not (jobs and all(task.done() for task in self.tasks))

    def task(self, body: tuple[Do, ...]) -> asyncio.Task[None]:
        task = asyncio.create_task(self.child(body))
        self.tasks.append(task)
        return task

    async def begin(self, do: Do) -> None:
        first = do.bodies[0]
        if do.what == "task":
            await self.task(first)
        elif do.what == "forget":
            self.task(first)
        elif do.what == "cancel":
            await self.cancel(self.task(first), do.number)
        elif do.what == "gather":
            await asyncio.gather(*map(self.task, do.bodies), return_exceptions=do.number > 1)
        elif do.what == "time out":
            # A task, as wait_for leaves its own running where it is cancelled itself meanwhile.
            await asyncio.wait_for(self.task(first), do.number * TICK)
        elif do.what == "thread and back":
            await asyncio.to_thread(self.there, do)
        else:
            await self.group(do)

    async def cancel(self, task: asyncio.Task[None], ticks: int) -> None:
        if ticks:
            await asyncio.sleep(ticks * TICK)
        task.cancel()
        await asyncio.wait([task])

    async def group(self, do: Do) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for body in do.bodies:
                    self.begin_in(group, self.child(body))
        except* (Stop, TimeoutError):
            self.own.step(1)

    def begin_in(self, group: asyncio.TaskGroup, child: Coroutine[Any, Any, None]) -> None:
        try:
            group.create_task(child)
        except RuntimeError:
            # An eager child has raised already; before Python 3.13 the group left this one open.
            child.close()

    async def call(self, do: Do) -> None:
        if do.what == "thread":
            await asyncio.to_thread(self.job, do.number)
        elif do.what == "executor":
            await self.loop.run_in_executor(None, self.job, do.number)
        else:
            future = POOL.submit(self.job, do.number)
            self.futures.append(future)
            await asyncio.wrap_future(future)

    def back(self, body: tuple[Do, ...]) -> None:
        future = asyncio.run_coroutine_threadsafe(self.child(body), self.loop)
        self.futures.append(future)
        future.result()


THIS: ContextVar[AsyncioMachine] = ContextVar("THIS")


class Pool(ThreadPoolExecutor):
    """A loop's own pool: asyncio keeps its futures to itself, the machine waits for them."""

    def submit(self, *arguments: Any, **named: Any) -> Future[Any]:
        future = super().submit(*arguments, **named)
        THIS.get().futures.append(future)
        return future


async def on_anyio(scope: Any, receive: Any, send: Any) -> None:
    scope["own"].ready = True
    await Machine(scope["own"]).main(scope["program"])
    await respond(scope, send)


async def on_asyncio(scope: Any, receive: Any, send: Any) -> None:
    if not scope["crowd"].has_pool:
        scope["crowd"].has_pool = True
        # A job may wait for a task that waits for a job.
        asyncio.get_running_loop().set_default_executor(Pool(300))
    scope["own"].ready = True
    await AsyncioMachine(scope["own"]).main(scope["program"])
    await respond(scope, send)


WAYS = [
    *((on_asyncio, loop) for loop in ("asyncio", "uvloop", "eager", "uvloop-eager")),
    *((on_anyio, loop) for loop in ("asyncio", "trio")),
]


def kind(app: Any, loop: str, program: tuple[Do, ...], cancelled: bool) -> Kind:
    # Cancelled by asyncio's own means, anyio leaves its threads running, and nobody can wait for
    # them.
    cancelled = cancelled and (app is on_asyncio or loop == "trio")
    return Kind("fuzz", app, scope={"program": program}, cancelled=cancelled, library=True)


@pytest.mark.parametrize(
    ("app", "loop"), WAYS, ids=[f"{app.__name__}-{loop}" for app, loop in WAYS]
)
@settings(deadline=None, max_examples=100)
@given(site)
def test_whatever_a_request_does_its_profile_holds_all_of_it_and_nothing_else(
    app: Any, loop: str, site: list[tuple[Any, bool]]
) -> None:
    if reason := impossible(loop):
        pytest.skip(reason)
    need_loop(loop)
    visits = [
        Visit(number, kind(app, loop, body_of(program), cancelled))
        for number, (program, cancelled) in enumerate(site)
    ]
    with tempfile.TemporaryDirectory() as folder:
        middleware = ProfilerMiddleware(app, folder)
        visit_all(loop, middleware, visits)
        assert middleware.flush(60)
        wrong = {
            profile.request.path: problems(profile, visits[int(profile.request.path[1:])])
            for profile in Profiles(Path(folder)).read()
            if profile.request and profile.request.path
        }
    assert wrong == {f"/{visit.own.number}": [] for visit in visits}
