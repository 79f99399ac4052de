"""What the server tests serve: two routes whose calls are known, WSGI and ASGI."""

from __future__ import annotations

import os
from typing import Any

import anyio

import reqprof

# So many that no request is too short for tuna, which passes over 10 microseconds.
LEAVES = {"/alpha": 1000, "/beta": 600}


def alpha_leaf() -> None: ...


def beta_leaf() -> None: ...


def alpha_view() -> bytes:
    for _ in range(LEAVES["/alpha"]):
        alpha_leaf()
    return b"alpha " * 500


def beta_view() -> bytes:
    for _ in range(LEAVES["/beta"]):
        beta_leaf()
    return b"beta"


def plain_wsgi(environ: Any, start_response: Any) -> Any:
    path = environ["PATH_INFO"]
    if path == "/alpha":
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Route", "alpha")])
        return [alpha_view()]
    if path == "/beta":
        start_response("201 Created", [("Content-Type", "text/plain")])
        return (chunk for chunk in (beta_view(), b" and more"))
    start_response("404 Not Found", [("Content-Length", "0")])
    return []


async def alpha_endpoint() -> bytes:
    await anyio.sleep(0)
    body = alpha_view()
    await anyio.sleep(0.001)
    return body


async def beta_endpoint() -> bytes:
    await anyio.sleep(0.002)
    return beta_view()


async def plain_asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    path = scope["path"]
    status, chunks = 404, [b""]
    if path == "/alpha":
        status, chunks = 200, [await alpha_endpoint()]
    elif path == "/beta":
        status, chunks = 201, [await beta_endpoint(), b" and more"]
    headers = [(b"content-type", b"text/plain"), (b"x-path", path.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for chunk in chunks[:-1]:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": chunks[-1]})


async def lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


_out = os.environ.get("TEST_PROFILES", "profiles")
_engine = os.environ.get("TEST_ENGINE", "auto")
wsgi = reqprof.ProfilerMiddleware(plain_wsgi, out_dir=_out, engine=_engine)
asgi = reqprof.ProfilerMiddleware(plain_asgi, out_dir=_out, engine=_engine)
idle_wsgi = reqprof.ProfilerMiddleware(plain_wsgi, out_dir=_out, engine=_engine, sample=0)
idle_asgi = reqprof.ProfilerMiddleware(plain_asgi, out_dir=_out, engine=_engine, sample=0)
