"""What goes on when the app has returned: the profile may hold some of it, and nobody else's."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tests.matrix.kind import kind, respond
from tests.matrix.loops import ASYNCIO

if TYPE_CHECKING:
    from tests.matrix.own import Own

_running: set[asyncio.Task[None]] = set()
# Each request holds a thread until the last one has ended.
_POOL_FOR_ALL = ThreadPoolExecutor(100, "left")


@kind(loops=ASYNCIO, left=1)
async def task_left_running(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def goes_on() -> None:
        own.tasks.append(None)
        own.child(3)
        while not own.released:
            await asyncio.sleep(0.001)
            own.child(1)
        own.finished = True

    task = asyncio.create_task(goes_on())
    _running.add(task)
    task.add_done_callback(_running.discard)
    await asyncio.sleep(0.004)
    own.step(2)
    await respond(scope, send)
    own.step(1)
    own.at_end = own.counts()


@kind(left=1)
async def job_left_running(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    returned = threading.Lock()  # free: no call of the thread's is under way

    def goes_on() -> None:
        own.jobs.append(None)
        own.job(3)
        own.ready = True
        while not own.released:
            time.sleep(0.001)
            with returned:
                own.job(1)
        own.finished = True

    _POOL_FOR_ALL.submit(goes_on)
    await own.until("ready")
    own.step(2)
    await respond(scope, send)
    own.step(1)
    with returned:
        own.at_end = own.counts()
