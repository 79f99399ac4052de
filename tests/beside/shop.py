"""What is served beside the tools: the same work under Starlette and under Flask, counted."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import flask
from anyio import create_task_group, to_thread
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable


class Hooks:
    """What a tool asks of the apps that use it."""

    span: Callable[[str], AbstractContextManager[Any]] = nullcontext  # of the app's own, by name
    linger: Callable[[], object] = dict  # gives a tool that samples its time
    middleware: Any = None  # where a tool has one for ASGI


hooks = Hooks()
pool = ThreadPoolExecutor(2)
OWN, CHILD, JOB = 3, 5, 7
ASYNC = ("/async/whole", "/async/plain", "/async/fails")
WSGI = ("/wsgi/whole", "/wsgi/fails")


def _counts(own: int, children: int, jobs: int) -> dict[str, int]:
    # A coroutine counts each time that it is resumed, as in cProfile.
    counts = {"own": own, "own_leaf": own * OWN, "job": jobs, "job_leaf": jobs * JOB}
    counts |= {"child": children * (CHILD + 1), "child_leaf": children * CHILD}
    return {name: count for name, count in counts.items() if count}


COUNTS = {
    "/async/whole": _counts(own=1, children=3, jobs=3),
    "/async/plain": _counts(own=0, children=0, jobs=1),
    "/async/fails": _counts(own=1, children=1, jobs=1),
    "/wsgi/whole": _counts(own=1, children=0, jobs=2),
    "/wsgi/fails": _counts(own=1, children=0, jobs=1),
}
"""The calls that each request makes, by itself, by child tasks and in pool threads."""


def own_leaf() -> None: ...


def child_leaf() -> None: ...


def job_leaf() -> None: ...


def own() -> None:
    for _ in range(OWN):
        own_leaf()


async def child(name: str) -> None:
    with hooks.span(name):
        for _ in range(CHILD):
            child_leaf()
            await asyncio.sleep(0)


def job(name: str) -> str:
    with hooks.span(name):
        for _ in range(JOB):
            job_leaf()
    return name


def failing_job() -> None:
    job("failing job")
    raise LookupError("in a pool thread")


async def failing_child() -> None:
    await child("failing child")
    raise LookupError("in a child task")


async def whole() -> str:
    """Work in every way that counts for a request; returns what its parts are called."""
    own()
    task = asyncio.create_task(child("task"), name="the child")
    async with asyncio.TaskGroup() as group:
        group.create_task(child("in a group"))
    async with create_task_group() as tasks:
        tasks.start_soon(child, "in anyio's group")
    await task
    done = [await asyncio.to_thread(job, "asyncio's thread")]
    done.append(await to_thread.run_sync(job, "anyio's thread"))
    loop = asyncio.get_running_loop()
    done.append(await loop.run_in_executor(pool, job, "an executor's thread"))
    return ", ".join([*done, task.get_name()])


async def fails() -> None:
    own()
    both = asyncio.gather(asyncio.to_thread(failing_job), failing_child(), return_exceptions=True)
    _, error = await both
    assert isinstance(error, LookupError)
    raise error


def starlette_app() -> Starlette:
    async def whole_view(request: Any) -> PlainTextResponse:
        return PlainTextResponse(await whole())

    def plain_view(request: Any) -> PlainTextResponse:
        hooks.linger()
        return PlainTextResponse(job("endpoint"))

    async def fails_view(request: Any) -> None:
        await fails()

    views = (whole_view, plain_view, fails_view)
    app = Starlette(routes=[Route(*each) for each in zip(ASYNC, views, strict=True)])
    if hooks.middleware is not None:
        app.add_middleware(hooks.middleware)
    return app


def flask_app() -> flask.Flask:
    app = flask.Flask(__name__)

    @app.get("/wsgi/whole")
    def whole_view() -> str:
        own()
        jobs = [pool.submit(job, "first"), pool.submit(job, "second")]
        return ", ".join([each.result() for each in jobs])

    @app.get("/wsgi/fails")
    def fails_view() -> str:
        own()
        pool.submit(failing_job).result()
        return "unreachable"

    return app
