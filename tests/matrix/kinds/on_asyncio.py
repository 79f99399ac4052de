"""Child tasks and pool threads by asyncio's own names."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Any

from tests.matrix.kind import kind, respond
from tests.matrix.kinds.groups import child
from tests.matrix.kinds.pools import POOL, in_thread, raise_in_thread
from tests.matrix.loops import ASYNCIO
from tests.matrix.own import VARIABLE, Own

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@kind(loops=ASYNCIO)
async def create_task(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    VARIABLE.set(own.number)
    tasks = [asyncio.create_task(child(own, times), name=f"t{times}") for times in range(3)]
    own.step(1)
    for task in tasks:
        await task
        own.step(1)
        own.see(task.get_name())
    await respond(scope, send)


@kind(loops=ASYNCIO)
async def create_task_in_a_copied_context(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    VARIABLE.set("outside")
    context = contextvars.copy_context()
    context.run(VARIABLE.set, "in the copy")
    await asyncio.create_task(child(own, 2), context=context)
    own.see(context[VARIABLE])
    await respond(scope, send)


@kind(loops=ASYNCIO)
async def create_task_in_an_empty_context(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    VARIABLE.set("outside")
    await asyncio.create_task(child(own, 2), context=contextvars.Context())
    await respond(scope, send)


@kind(loops=ASYNCIO)
async def task_in_task(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def tree(depth: int) -> None:
        own.tasks.append(None)
        own.child(1)
        if depth:
            below = [asyncio.ensure_future(tree(depth - 1)) for _ in range(2)]
            await own.pause()
            await asyncio.wait(below)
        own.child(1)

    await tree(3)
    own.tasks.pop()  # the first call was no task
    await respond(scope, send)


@kind(loops=ASYNCIO)
async def gather(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    await asyncio.gather(child(own, 1), child(own, 2), asyncio.sleep(0.001))
    own.tasks.append(None)  # the sleep
    own.step(1)
    await respond(scope, send)


@kind(loops=ASYNCIO)
async def gather_with_what_raises(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def raises() -> None:
        await child(own, 1)
        raise own.error

    found = await asyncio.gather(child(own, 2), raises(), return_exceptions=True)
    own.see(found[1] is own.error)
    await asyncio.gather(raises(), raises())


@kind(loops=ASYNCIO)
async def task_group(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    VARIABLE.set(own.number)
    async with asyncio.TaskGroup() as group:
        for times in range(3):
            group.create_task(child(own, times))
            own.step(1)
    await respond(scope, send)


@kind(loops=ASYNCIO)
async def task_group_whose_child_raises(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def waits() -> None:
        own.tasks.append(None)
        try:
            await asyncio.sleep(60)
        finally:
            own.child(2)

    async def raises() -> None:
        own.tasks.append(None)
        await asyncio.sleep(0.001 + own.delay)
        own.child(1)
        raise own.error

    async with asyncio.TaskGroup() as group:
        group.create_task(waits())
        group.create_task(raises())


@kind(loops=ASYNCIO, library=True)  # before Python 3.12 wait_for began a task
async def wait_for(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def slow() -> None:
        try:
            own.child(1)
            await asyncio.sleep(60)
        finally:
            own.child(2)

    async def quick() -> None:
        own.child(3)
        await own.pause()
        own.child(3)

    await asyncio.wait_for(quick(), 60)
    try:
        await asyncio.wait_for(slow(), 0.002)
    except TimeoutError:
        own.step(1)
    try:
        async with asyncio.timeout(0.002):
            await slow()
    except TimeoutError:
        own.step(1)
    await respond(scope, send)


@kind(loops=ASYNCIO)
async def shield(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def slow() -> None:
        own.tasks.append(None)
        own.child(1)
        await asyncio.sleep(0.005)
        own.child(1)

    shielded = asyncio.create_task(slow())
    try:
        async with asyncio.timeout(0.001):
            await asyncio.shield(shielded)
    except TimeoutError:
        own.step(1)
    await shielded
    await respond(scope, send)


@kind(loops=ASYNCIO)
async def as_completed(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    for done in asyncio.as_completed([child(own, times) for times in range(4)]):
        await done
        own.step(1)
    await respond(scope, send)


@kind(loops=ASYNCIO)
async def task_that_is_cancelled(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def stubborn() -> str:
        own.tasks.append(None)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            own.see(error.args)
            own.child(1)
            await own.pause()
        return "it went on"

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0.001)
    task.cancel("enough")
    own.see(await task)
    await respond(scope, send)


@kind(loops=ASYNCIO, library=True)  # whether it was a task that never began is not asked
async def task_cancelled_before_it_began(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def begins_when_eager() -> None:
        own.child(1)
        await asyncio.sleep(60)

    task = asyncio.create_task(begins_when_eager())
    task.cancel()
    await asyncio.wait([task])
    own.see(task.cancelled())
    await respond(scope, send)


@kind(loops=ASYNCIO, library=True)  # the loop may close the generator in a task
async def async_generator_that_is_dropped(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def numbers() -> AsyncGenerator[int, None]:
        try:
            while True:
                own.step(1)
                yield 1
        finally:
            own.child(1)
            await own.pause()
            own.child(1)
            own.finished = True

    dropped = numbers()
    async for _ in dropped:
        break
    del dropped
    await own.until("finished")
    await respond(scope, send)


@kind(loops=ASYNCIO)
async def queue_and_workers(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    queue: asyncio.Queue[int] = asyncio.Queue()

    async def work() -> None:
        own.tasks.append(None)
        while True:
            own.child(await queue.get())
            await own.pause()
            queue.task_done()

    workers = [asyncio.create_task(work()) for _ in range(3)]
    for times in range(6):
        queue.put_nowait(times)
    await queue.join()
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    await respond(scope, send)


@kind(loops=ASYNCIO)
async def asyncio_to_thread(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    VARIABLE.set(own.number)
    await asyncio.to_thread(in_thread, own, 2)
    own.step(1)
    await asyncio.gather(*(asyncio.to_thread(in_thread, own, times) for times in range(3)))
    own.tasks += [None] * 3
    await respond(scope, send)


@kind(loops=ASYNCIO)
async def run_in_executor(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    VARIABLE.set("not seen there")
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, in_thread, own, 2)
    own.step(1)
    await asyncio.gather(*(loop.run_in_executor(POOL, in_thread, own, n) for n in range(3)))
    await asyncio.wrap_future(POOL.submit(in_thread, own, 5))
    await respond(scope, send)


@kind(loops=ASYNCIO)
async def executor_that_raises(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    loop = asyncio.get_running_loop()
    try:
        await asyncio.to_thread(raise_in_thread, own)
    except LookupError as error:
        own.see(error is own.error)
    await loop.run_in_executor(None, raise_in_thread, own)


@kind(loops=ASYNCIO)
async def thread_that_begins_a_task(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    loop = asyncio.get_running_loop()

    def there() -> None:
        own.jobs.append(None)
        own.job(1)
        asyncio.run_coroutine_threadsafe(child(own, 2), loop).result()
        own.job(1)

    await asyncio.to_thread(there)
    await respond(scope, send)


@kind(loops=ASYNCIO, own_loop=True, library=True)
async def loop_of_its_own_in_a_thread(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def main() -> None:
        # The loop in the thread is the job's own, and so are its frames.
        own.job(1)
        await own.pause()
        own.job(1)

    def there() -> None:
        own.jobs.append(None)
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(main())

    await asyncio.to_thread(there)
    await respond(scope, send)


@kind(loops=ASYNCIO)
async def future_set_by_another_task(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def sets() -> None:
        own.tasks.append(None)
        await own.pause()
        own.child(2)
        future.set_result(own.number)

    task = asyncio.create_task(sets())
    own.see(await future)
    await task
    own.step(1)
    await respond(scope, send)


@kind(loops=ASYNCIO, uncounted=("after",))
async def callbacks(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    loop = asyncio.get_running_loop()
    loop.call_soon(own.after, 1)
    loop.call_later(0.001, own.after, 2)
    task = asyncio.create_task(child(own, 2))
    task.add_done_callback(lambda _: own.after(3))
    await task
    await asyncio.sleep(0.005)
    own.step(1)
    await respond(scope, send)


@kind(loops=ASYNCIO)
async def task_begun_by_a_callback(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    tasks: list[asyncio.Task[None]] = []

    def begin() -> None:
        tasks.append(asyncio.create_task(child(own, 2)))

    loop = asyncio.get_running_loop()
    loop.call_soon(begin)
    loop.call_later(0.002, begin)
    while len(tasks) < 2:
        await asyncio.sleep(0.001)
    await asyncio.wait(tasks)
    own.step(1)
    await respond(scope, send)


@kind(loops=ASYNCIO)
async def task_that_all_await(scope: Any, receive: Any, send: Any) -> None:
    """The first request has it done, for all."""
    own: Own = scope["own"]
    own.step(1)
    if scope["crowd"].shared is None:
        scope["crowd"].shared = asyncio.create_task(child(own, 3))
    await asyncio.shield(scope["crowd"].shared)
    own.step(1)
    await respond(scope, send)
