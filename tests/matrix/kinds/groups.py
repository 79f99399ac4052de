"""Child tasks, begun through anyio: on every loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from tests.matrix.kind import kind, respond
from tests.matrix.own import VARIABLE, Own

if TYPE_CHECKING:
    from anyio.abc import TaskStatus


async def child(own: Own, times: int) -> None:
    own.tasks.append(None)
    own.see("child")
    own.child(times)
    await own.pause()
    own.child(1)


@kind()
async def group(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    VARIABLE.set(own.number)
    async with anyio.create_task_group() as group:
        for times in range(3):
            group.start_soon(child, own, times)
            own.step(1)
        await own.pause()
        own.step(1)
    own.step(2)
    await respond(scope, send)


@kind()
async def group_in_group(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def tree(depth: int) -> None:
        own.tasks.append(None)
        own.child(1)
        await own.pause()
        VARIABLE.set(depth)
        if depth:
            async with anyio.create_task_group() as inner:
                inner.start_soon(tree, depth - 1)
                inner.start_soon(tree, depth - 1)
        own.see(depth)
        own.child(1)

    async with anyio.create_task_group() as outer:
        outer.start_soon(tree, 2)
        outer.start_soon(tree, 1)
    await respond(scope, send)


@kind()
async def group_start(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def service(*, task_status: TaskStatus[int]) -> None:
        own.tasks.append(None)
        await own.pause()
        own.child(2)
        task_status.started(own.number)
        own.child(1)
        try:
            await anyio.sleep_forever()
        finally:
            own.child(4)

    async with anyio.create_task_group() as group:
        own.see(await group.start(service))
        own.step(1)
        await own.pause()
        group.cancel_scope.cancel()
    await respond(scope, send)


@kind()
async def group_whose_child_raises(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def waits() -> None:
        own.tasks.append(None)
        try:
            await anyio.sleep_forever()
        finally:
            own.child(2)

    async def raises() -> None:
        own.tasks.append(None)
        own.child(1)
        await anyio.sleep(0.001 + own.delay)
        own.child(1)
        raise own.error

    async with anyio.create_task_group() as group:
        group.start_soon(waits)
        group.start_soon(waits)
        group.start_soon(raises)


@kind()
async def group_with_a_channel(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    into, out = anyio.create_memory_object_stream[int](1)

    async def produce() -> None:
        own.tasks.append(None)
        async with into:
            for number in range(5):
                own.child(1)
                await into.send(number)

    async with anyio.create_task_group() as group, out:
        group.start_soon(produce)
        async for number in out:
            own.step(number)
            await own.pause()
    await respond(scope, send)


@kind()
async def group_under_a_generator(scope: Any, receive: Any, send: Any) -> None:
    """A child that awaits by hand-written steps, and one that never suspends."""
    own: Own = scope["own"]

    class Awaitable:
        def __await__(self) -> Any:
            own.child(1)
            yield from own.pause().__await__()
            own.child(1)

    async def by_hand() -> None:
        own.tasks.append(None)
        await Awaitable()

    async def at_once() -> None:
        own.tasks.append(None)
        own.child(5)

    async with anyio.create_task_group() as group:
        group.start_soon(by_hand)
        group.start_soon(at_once)
    await respond(scope, send)
