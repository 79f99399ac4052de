"""A FastAPI app whose sync parts run in pool threads: endpoints, dependencies, background tasks."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import anyio
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.responses import StreamingResponse

import reqprof

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

WORK = {
    "/sync/7": {"sync_work": 1, "sync_leaf": 7},
    "/async/7": {"async_work": 2, "async_leaf": 9},
    "/needs/7": {"needs_work": 4, "needs_leaf": 14},
    "/later/7": {"later_work": 2, "later_leaf": 10},
    "/stream/7": {"stream_work": 3, "stream_leaf": 21},
}
"""The calls that each path makes."""

ROUTES = {path: path.replace("7", "{times}") for path in WORK}


def sync_leaf() -> None: ...


def sync_work(times: int) -> int:
    for _ in range(times):
        sync_leaf()
    time.sleep(0.001)
    return times


def async_leaf() -> None: ...


def async_work(times: int) -> int:
    for _ in range(times):
        async_leaf()
    return times


def needs_leaf() -> None: ...


def needs_work(times: int) -> int:
    for _ in range(times):
        needs_leaf()
    return times


def later_leaf() -> None: ...


def later_work(times: int) -> int:
    for _ in range(times):
        later_leaf()
    return times


def stream_leaf() -> None: ...


def stream_work(times: int) -> bytes:
    for _ in range(times):
        stream_leaf()
    return b"a chunk"


def session() -> Iterator[int]:
    """Opened before the endpoint and closed after it, both in a pool thread."""
    yield needs_work(1)
    needs_work(2)


def user(opened: Annotated[int, Depends(session)]) -> int:
    return opened + needs_work(4)


async def checked(known: Annotated[int, Depends(user)]) -> int:
    await anyio.sleep(0.001)
    return known


app = FastAPI()
if "TEST_PROFILES" in os.environ:
    app.add_middleware(reqprof.ProfilerMiddleware, out_dir=os.environ["TEST_PROFILES"])


@app.get("/sync/{times}")
def sync_view(times: int) -> int:
    return sync_work(times)


@app.get("/async/{times}")
async def async_view(times: int) -> int:
    async_work(2)
    await anyio.sleep(0.001)
    return async_work(times)


@app.get("/needs/{times}")
def needs_view(times: int, known: Annotated[int, Depends(checked)]) -> int:
    return known + needs_work(times)


@app.get("/later/{times}")
async def later_view(times: int, background: BackgroundTasks) -> int:
    background.add_task(later_work, times)
    return later_work(3)


@app.get("/stream/{times}")
async def stream_view(times: int) -> StreamingResponse:
    def of_threads() -> Iterator[bytes]:
        yield stream_work(times)
        yield stream_work(times)

    async def all_chunks() -> AsyncIterator[bytes]:
        from starlette.concurrency import iterate_in_threadpool

        async for chunk in iterate_in_threadpool(of_threads()):
            yield chunk
        yield stream_work(times)

    return StreamingResponse(all_chunks())
