from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import reqprof
from compatibility_apps import OUT, work

if TYPE_CHECKING:
    from starlette.requests import Request


async def view(request: Request) -> PlainTextResponse:
    return PlainTextResponse(work(request.path_params["book"]))


def sync_view(request: Request) -> PlainTextResponse:
    return PlainTextResponse(work(request.path_params["book"]))


app = Starlette(routes=[Route("/books/{book:int}", view), Route("/sync/{book:int}", sync_view)])
app.add_middleware(reqprof.ProfilerMiddleware, out_dir=OUT)
