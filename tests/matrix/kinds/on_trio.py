"""Child tasks and pool threads by trio's own names."""

from __future__ import annotations

from typing import Any

import trio

from tests.matrix.kind import kind, respond
from tests.matrix.kinds.groups import child
from tests.matrix.kinds.pools import in_thread, raise_in_thread
from tests.matrix.own import VARIABLE, Own

TRIO = ("trio",)


@kind(loops=TRIO)
async def nursery(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    VARIABLE.set(own.number)
    async with trio.open_nursery() as nursery:
        for times in range(3):
            nursery.start_soon(child, own, times, name=f"t{times}")
            own.step(1)
        await own.pause()
    await respond(scope, send)


@kind(loops=TRIO)
async def nursery_start(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def service(*, task_status: trio.TaskStatus[int]) -> None:
        own.tasks.append(None)
        own.child(1)
        await own.pause()
        task_status.started(own.number)
        try:
            await trio.sleep_forever()
        finally:
            own.child(2)

    async with trio.open_nursery() as nursery:
        own.see(await nursery.start(service))
        own.step(1)
        nursery.cancel_scope.cancel()
    await respond(scope, send)


@kind(loops=TRIO)
async def nursery_in_nursery(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def tree(depth: int) -> None:
        own.tasks.append(None)
        own.child(1)
        async with trio.open_nursery() as inner:
            if depth:
                inner.start_soon(tree, depth - 1)
                inner.start_soon(tree, depth - 1)
            await own.pause()
        own.child(1)

    async with trio.open_nursery() as outer:
        outer.start_soon(tree, 2)
    await respond(scope, send)


@kind(loops=TRIO)
async def nursery_whose_child_raises(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def waits() -> None:
        own.tasks.append(None)
        try:
            await trio.sleep_forever()
        finally:
            own.child(2)

    async def raises() -> None:
        own.tasks.append(None)
        await trio.sleep(0.001 + own.delay)
        own.child(1)
        raise own.error

    async with trio.open_nursery() as nursery:
        nursery.start_soon(waits)
        nursery.start_soon(raises)


@kind(loops=TRIO)
async def trio_to_thread(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    VARIABLE.set(own.number)
    own.see(await trio.to_thread.run_sync(in_thread, own, 2))

    async def child(times: int) -> None:
        own.tasks.append(None)
        await trio.to_thread.run_sync(in_thread, own, times)

    async with trio.open_nursery() as nursery:
        for times in range(3):
            nursery.start_soon(child, times)
    await respond(scope, send)


@kind(loops=TRIO)
async def trio_thread_that_raises(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    await trio.to_thread.run_sync(raise_in_thread, own)


@kind(loops=TRIO, library=True)  # what comes back runs in the waiting task
async def trio_thread_and_back(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def back() -> None:
        own.child(1)
        await own.pause()
        own.child(1)

    def there() -> None:
        own.jobs.append(None)
        trio.from_thread.run(back)
        own.job(1)
        trio.from_thread.run_sync(own.child, 2)

    await trio.to_thread.run_sync(there)
    await respond(scope, send)
