"""Work in pool threads, on every loop."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
from anyio import from_thread, to_thread

from tests.matrix.kind import kind, respond
from tests.matrix.own import VARIABLE, Own

if TYPE_CHECKING:
    from collections.abc import Callable

# Fewer threads than requests: each serves many of them.
POOL = ThreadPoolExecutor(4, "matrix")


def in_thread(own: Own, times: int, seconds: float = 0.0005) -> int:
    own.jobs.append(None)
    own.see("job")
    own.job(times)
    time.sleep(seconds)
    own.job(1)
    return times


def raise_in_thread(own: Own) -> None:
    own.jobs.append(None)
    own.job(2)
    raise own.error


@kind()
async def to_a_thread(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    VARIABLE.set(own.number)
    for times in range(3):
        own.see(await to_thread.run_sync(in_thread, own, times))
        own.step(1)
    await respond(scope, send)


@kind()
async def to_threads_at_once(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def child(times: int) -> None:
        own.tasks.append(None)
        own.child(1)
        await to_thread.run_sync(in_thread, own, times, 0.002)
        own.child(1)

    async with anyio.create_task_group() as group:
        for times in range(3):
            group.start_soon(child, times)
        own.step(2)
    await respond(scope, send)


@kind()
async def to_a_thread_that_raises(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    try:
        await to_thread.run_sync(raise_in_thread, own)
    finally:
        own.step(1)


@kind(library=True)  # the way back is a task on asyncio and none on trio
async def to_a_thread_and_back(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def back(times: int) -> None:
        own.child(times)
        await own.pause()
        own.child(1)

    def there() -> None:
        own.jobs.append(None)
        own.job(1)
        from_thread.run(back, 2)
        own.job(1)

    await to_thread.run_sync(there)
    own.step(1)
    await respond(scope, send)


@kind(uncounted=("after",))
async def to_a_thread_and_a_callback(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    def there() -> None:
        own.jobs.append(None)
        from_thread.run_sync(own.after, 2)
        own.job(1)

    await to_thread.run_sync(there)
    await respond(scope, send)


@kind()
async def submit_and_block(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    VARIABLE.set(own.number)
    own.step(1)
    own.see(POOL.submit(in_thread, own, 3, 0.0).result())
    own.step(1)
    await respond(scope, send)


@kind()
async def submit_and_look_later(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    futures = [POOL.submit(in_thread, own, times) for times in range(3)]
    while not all(future.done() for future in futures):
        await anyio.sleep(0.001)
    await respond(scope, send)


@kind()
async def submit_what_raises(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    future = POOL.submit(raise_in_thread, own)
    while not future.done():
        await anyio.sleep(0.001)
    own.see(future.exception() is own.error)
    future.result()


@kind()
async def map_over_a_pool(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    def one(times: int) -> int:
        return in_thread(own, times, 0.0)

    own.see(list(POOL.map(one, range(4))))
    await respond(scope, send)


@kind()
async def pool_of_its_own(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    with ThreadPoolExecutor(2) as pool:
        for times in range(4):
            pool.submit(in_thread, own, times, 0.0)
        own.step(1)
    await respond(scope, send)


@kind()
async def submit_from_a_child(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def child() -> None:
        own.tasks.append(None)
        own.child(1)
        future = POOL.submit(in_thread, own, 2)
        while not future.done():
            await own.pause()
            await anyio.sleep(0.001)

    async with anyio.create_task_group() as group:
        group.start_soon(child)
        group.start_soon(child)
    await respond(scope, send)


@kind()
async def job_that_submits_a_job(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    def outer(pool: ThreadPoolExecutor) -> None:
        own.jobs.append(None)
        own.job(1)
        pool.submit(in_thread, own, 2).result()
        own.job(1)

    with ThreadPoolExecutor(2) as pool:
        await to_thread.run_sync(outer, pool)
        await to_thread.run_sync(pool.submit(outer, pool).result)
    # What waited for the second one was a job too.
    own.jobs.append(None)
    await respond(scope, send)


@kind()
async def job_that_was_called_off(scope: Any, receive: Any, send: Any) -> None:
    """A job that is cancelled before it begins is none."""
    own: Own = scope["own"]

    def never(work: Callable[[int], None]) -> None:
        work(100)

    def first() -> None:
        own.jobs.append(None)
        own.job(1)
        while not own.ready:
            time.sleep(0.001)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(first)
        own.see(pool.submit(never, own.job).cancel())
        own.ready = True
    await respond(scope, send)
