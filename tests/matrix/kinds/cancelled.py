"""The server cancels the request: its cleanup is its own work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anyio

from tests.matrix.kind import kind, respond
from tests.matrix.loops import ASYNCIO

if TYPE_CHECKING:
    from tests.matrix.own import Own


async def wait_for_the_end(own: Own, *, shout: bool = True) -> None:
    try:
        own.ready = own.ready or shout
        await anyio.sleep_forever()
    except anyio.get_cancelled_exc_class() as error:
        own.see((type(error).__name__, error.args))
        own.step(3)
        raise


@kind(cancelled=True)
async def cancelled_while_it_waits(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    own.step(1)
    await own.pause()
    await wait_for_the_end(own)


@kind(cancelled=True)
async def cancelled_with_a_long_cleanup(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    try:
        await wait_for_the_end(own)
    finally:
        with anyio.CancelScope(shield=True):
            for _ in range(3):
                await own.pause()
                own.step(1)


@kind(cancelled=True)
async def cancelled_in_a_group(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def waits() -> None:
        own.tasks.append(None)
        try:
            await anyio.sleep_forever()
        finally:
            own.child(2)

    async with anyio.create_task_group() as group:
        group.start_soon(waits)
        group.start_soon(waits)
        await anyio.sleep(0.001)
        await wait_for_the_end(own)


@kind(cancelled=True)
async def cancelled_while_a_job_runs(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    def slow() -> None:
        own.jobs.append(None)
        own.ready = True
        while not own.cancelled:
            time.sleep(0.001)
        own.job(3)
        own.finished = True

    try:
        await anyio.to_thread.run_sync(slow)
    finally:
        with anyio.CancelScope(shield=True):
            await own.until("finished")
            await anyio.sleep(0.02)  # the thread returns meanwhile
        own.step(1)


@kind(cancelled=True, loops=ASYNCIO)
async def cancelled_but_it_goes_on(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    try:
        await wait_for_the_end(own)
    except anyio.get_cancelled_exc_class():
        own.step(1)
    await own.pause()
    own.step(2)
    await respond(scope, send)


@kind()
async def job_that_is_abandoned(scope: Any, receive: Any, send: Any) -> None:
    """Nobody waits for the job any more, but it ends while the request still runs."""
    own: Own = scope["own"]

    def slow() -> None:
        own.jobs.append(None)
        own.ready = True
        time.sleep(0.01)
        own.job(4)
        own.finished = True

    async def abandon() -> None:
        own.tasks.append(None)
        await anyio.to_thread.run_sync(slow, abandon_on_cancel=True)

    async with anyio.create_task_group() as group:
        group.start_soon(abandon)
        await own.until("ready")
        group.cancel_scope.cancel()
    own.step(1)
    await own.until("finished")
    await anyio.sleep(0.02)
    await respond(scope, send)
