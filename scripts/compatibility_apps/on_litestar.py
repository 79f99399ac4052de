from __future__ import annotations

import litestar

import reqprof
from compatibility_apps import OUT, work


@litestar.get("/books/{book:int}")
async def view(book: int) -> str:
    return work(book)


@litestar.get("/sync/{book:int}", sync_to_thread=True)
def sync_view(book: int) -> str:
    return work(book)


app = reqprof.ProfilerMiddleware(litestar.Litestar([view, sync_view]), out_dir=OUT)
