"""What Starlette and FastAPI do with an endpoint: pool threads, background tasks, streams."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anyio
from fastapi import BackgroundTasks, Depends, FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request  # noqa: TC002  FastAPI reads it at run time
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from tests.matrix.kind import WEBSOCKET, add
from tests.matrix.own import VARIABLE, Own

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.websockets import WebSocket

OLD_SPEC = {"asgi": {"version": "3.0", "spec_version": "2.3"}}  # the client's going is awaited


def own_of(request: Request) -> Own:
    own: Own = request.scope["own"]
    return own


def answer(own: Own, background: BackgroundTask | None = None) -> Response:
    return PlainTextResponse(f"{own.number}", background=background)


async def plain(request: Request) -> Response:
    own = own_of(request)
    VARIABLE.set(own.number)
    own.step(2)
    await own.pause()
    own.step(1)
    return answer(own)


def sync(request: Request) -> Response:
    own = own_of(request)
    own.jobs.append(None)
    VARIABLE.set("in the thread")
    own.job(2)
    time.sleep(own.delay)
    own.job(1)
    return answer(own)


class Both(HTTPEndpoint):
    def get(self, request: Request) -> Response:
        return sync(request)


async def in_threadpool(request: Request) -> Response:
    own = own_of(request)
    own.step(1)
    await run_in_threadpool(sync, request)
    own.step(1)
    return answer(own)


async def background_async(request: Request) -> Response:
    own = own_of(request)

    async def later(times: int) -> None:
        own.after(times)
        await own.pause()
        own.after(1)

    own.step(1)
    return answer(own, BackgroundTask(later, 3))


async def background_sync(request: Request) -> Response:
    own = own_of(request)

    def later(times: int) -> None:
        own.jobs.append(None)
        own.after(times)

    return answer(own, BackgroundTask(later, 3))


async def streams(request: Request) -> Response:
    own = own_of(request)

    async def chunks() -> AsyncIterator[str]:
        for number in range(4):
            own.step(1)
            await own.pause()
            yield f"{own.number}: {number}\n"

    return StreamingResponse(chunks())


async def streams_from_threads(request: Request) -> Response:
    own = own_of(request)

    def chunks() -> Iterator[str]:
        for number in range(4):
            own.jobs.append(None)
            own.job(1)
            yield f"{own.number}: {number}\n"

    return StreamingResponse(chunks())


async def server_sent_events(request: Request) -> Response:
    """Without an end: the client goes."""
    own = own_of(request)

    async def events() -> AsyncIterator[bytes]:
        try:
            for number in range(3):
                own.step(1)
                yield b"data: %d\n\n" % number
                await own.pause()
            yield b"the last that the client reads"
            await anyio.sleep_forever()
        finally:
            own.after(2)

    return StreamingResponse(events(), media_type="text/event-stream")


async def raises(request: Request) -> Response:
    own = own_of(request)
    own.step(1)
    await own.pause()
    raise own.error


def raises_in_thread(request: Request) -> Response:
    own = own_of(request)
    own.jobs.append(None)
    own.job(1)
    raise own.error


async def handled(request: Request, error: Exception) -> Response:
    own = own_of(request)
    own.step(5)
    own.see(error is own.error)
    return answer(own)


async def talks(session: WebSocket) -> None:
    own: Own = session.scope["own"]
    await session.accept()
    async for text in session.iter_text():
        own.step(2)
        await session.send_text(f"{own.number} heard {text}")
    own.step(1)


class Around(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Any) -> Response:
        own = own_of(request)
        own.child(1)
        response: Response = await call_next(request)
        own.child(1)
        return response


def starlette(endpoint: Callable[..., Any], *, around: int = 0, handler: bool = False) -> Starlette:
    route = WebSocketRoute if endpoint is talks else Route
    return Starlette(
        routes=[route("/{number}", endpoint)],
        middleware=[Middleware(Around)] * around,
        exception_handlers={LookupError: handled} if handler else {},
    )


ENDPOINTS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "async": (plain, {}),
    "sync": (sync, {}),
    "sync_in_a_class": (Both, {}),
    "run_in_threadpool": (in_threadpool, {}),
    "background_async": (background_async, {}),
    "background_sync": (background_sync, {}),
    "stream": (streams, {}),
    "stream_old_spec": (streams, {"scope": OLD_SPEC, "library": True}),
    "stream_from_threads": (streams_from_threads, {"library": True}),
    "server_sent_events": (server_sent_events, {"scope": OLD_SPEC, "library": True}),
    "exception": (raises, {}),
    "exception_in_a_thread": (raises_in_thread, {}),
}
for _name, (_endpoint, _how) in ENDPOINTS.items():
    add(f"starlette_{_name}", starlette(_endpoint), **_how)
for _name in ("sync", "background_sync", "stream_old_spec", "exception"):
    _endpoint, _how = ENDPOINTS[_name]
    _how = {**_how, "library": True}
    add(f"starlette_{_name}_under_base_middleware", starlette(_endpoint, around=1), **_how)
add("starlette_exception_handled", starlette(raises, handler=True))
add("starlette_two_base_middlewares", starlette(sync, around=2), library=True)
add("starlette_websocket", starlette(talks), **WEBSOCKET)


def sync_dependency(request: Request) -> Iterator[str]:
    own = own_of(request)
    own.job(1)
    try:
        yield "given"
    finally:
        own.job(2)


async def async_dependency(request: Request) -> AsyncIterator[str]:
    own = own_of(request)
    own.step(1)
    yield "given too"
    await own.pause()
    own.step(2)


def fast(one: Any = Depends(sync_dependency), two: Any = Depends(async_dependency)) -> Any:  # noqa: B008
    return [one, two]


def fast_sync(
    request: Request,
    background: BackgroundTasks,
    given: Any = Depends(fast),  # noqa: B008
) -> dict[str, int]:
    own = own_of(request)
    own.job(3)
    background.add_task(own.after, 2)
    return {"number": own.number}


async def fast_async(
    request: Request,
    background: BackgroundTasks,
    given: Any = Depends(fast),  # noqa: B008
) -> dict[str, int]:
    own = own_of(request)
    own.step(3)
    await own.pause()
    background.add_task(own.after, 2)
    return {"number": own.number}


fastapi = FastAPI(openapi_url=None)
fastapi.add_api_route("/sync/{number}", fast_sync)
fastapi.add_api_route("/async/{number}", fast_async)


def below(prefix: str) -> Any:
    """The app as if it were asked for a path below ``prefix``."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await fastapi({**scope, "path": prefix + scope["path"]}, receive, send)

    return app


add("fastapi_sync", below("/sync"), library=True)
add("fastapi_async", below("/async"), library=True)
