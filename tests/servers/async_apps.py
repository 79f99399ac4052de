"""Requests whose work is not all in their own task: children, pool threads, streams, websockets.

Each route works in functions of its own, ``X_work``, which call its own leaf so many times.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

import reqprof
from tests.servers.apps import lifespan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from reqprof.model import Request

    View = Callable[[], Awaitable[bytes]]

SAID = ["one", "three", "seventeen"]
"""What clients of ``/talk`` say: it works as many times as each has letters."""

WORK = {
    "/child": {"child_work": 8, "child_leaf": 32},
    "/task": {"task_work": 7, "task_leaf": 26},
    "/thread": {"thread_work": 5, "thread_leaf": 27},
    "/executor": {"executor_work": 5, "executor_leaf": 21},
    "/stream": {"stream_work": 5, "stream_leaf": 23},
    "/after": {"after_work": 1, "after_leaf": 5},
    "/talk": {"talk_work": 4, "talk_leaf": 19},
}
"""The calls that each route makes."""

CHILDREN = {"/child": 3, "/task": 3}
JOBS = {"/thread": 2, "/executor": 2}
ASYNCIO_ONLY = {"/task", "/executor"}


def child_leaf() -> None: ...


def child_work(times: int) -> None:
    for _ in range(times):
        child_leaf()


async def child_step(below: int) -> None:
    child_work(5)
    await anyio.sleep(0.001)
    child_work(5)
    async with anyio.create_task_group() as group:
        for _ in range(below):
            group.start_soon(child_step, 0)


async def child_view() -> bytes:
    """Two children and a grandchild, which take turns."""
    child_work(1)
    async with anyio.create_task_group() as group:
        group.start_soon(child_step, 1)
        group.start_soon(child_step, 0)
    child_work(1)
    return b"children"


def task_leaf() -> None: ...


def task_work(times: int) -> None:
    for _ in range(times):
        task_leaf()


async def task_step() -> None:
    task_work(4)
    await asyncio.sleep(0.001)
    task_work(4)


async def task_view() -> bytes:
    """Tasks of asyncio's own, which no task group holds together."""
    tasks = [asyncio.create_task(task_step()) for _ in range(3)]
    task_work(2)
    await asyncio.gather(*tasks)
    return b"tasks"


def thread_leaf() -> None: ...


def thread_work(times: int) -> None:
    for _ in range(times):
        thread_leaf()


def thread_job(times: int) -> None:
    thread_work(times)
    time.sleep(0.001)
    thread_work(times)


async def thread_view() -> bytes:
    thread_work(1)
    await anyio.to_thread.run_sync(thread_job, 6)
    await anyio.to_thread.run_sync(thread_job, 7)
    return b"threads"


def executor_leaf() -> None: ...


def executor_work(times: int) -> None:
    for _ in range(times):
        executor_leaf()


def executor_job(times: int) -> None:
    executor_work(times)
    time.sleep(0.001)
    executor_work(times)


async def executor_view() -> bytes:
    """Both ways into asyncio's own pool, at once."""
    loop = asyncio.get_running_loop()
    job = loop.run_in_executor(None, executor_job, 4)
    await asyncio.to_thread(executor_job, 6)
    await job
    executor_work(1)
    return b"executor"


def stream_leaf() -> None: ...


def stream_work(times: int) -> None:
    for _ in range(times):
        stream_leaf()


async def stream_chunks() -> AsyncIterator[bytes]:
    for _ in range(4):
        stream_work(5)
        await anyio.sleep(0.001)
        yield b"a chunk " * 100


async def stream_view(send: Any) -> None:
    """Chunk by chunk, and some work after the response."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    async for chunk in stream_chunks():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"the end"})
    stream_work(3)


def after_leaf() -> None: ...


def after_work(times: int) -> None:
    for _ in range(times):
        after_leaf()


async def after_view(send: Any) -> None:
    """A response first, and work long after it."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"you need not wait"})
    await anyio.sleep(0.05)
    after_work(5)


def talk_leaf() -> None: ...


def talk_work(times: int) -> None:
    for _ in range(times):
        talk_leaf()


async def talk_view(receive: Any, send: Any) -> None:
    """A websocket that answers with the length of what it heard, and works after the talk."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        talk_work(len(message["text"]))
        await anyio.sleep(0.001)
        await send({"type": "websocket.send", "text": str(len(message["text"]))})
    talk_work(2)


VIEWS: dict[str, View] = {
    "/child": child_view,
    "/task": task_view,
    "/thread": thread_view,
    "/executor": executor_view,
}


async def plain(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await talk_view(receive, send)
    elif scope["path"] == "/stream":
        await stream_view(send)
    elif scope["path"] == "/after":
        await after_view(send)
    else:
        view = VIEWS.get(scope["path"])
        body = b"" if view is None else await view()
        status = 200 if view else 404
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})


def only_after(request: Request) -> float:
    return 1.0 if request.path == "/after" else 0.0


_out = os.environ.get("TEST_PROFILES", "profiles")
_engine = os.environ.get("TEST_ENGINE", "auto")
wrapped = reqprof.ProfilerMiddleware(plain, out_dir=_out, engine=_engine)
sampled = reqprof.ProfilerMiddleware(plain, out_dir=_out, engine=_engine, sample=only_after)
