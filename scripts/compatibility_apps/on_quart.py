from __future__ import annotations

import quart

import reqprof
from compatibility_apps import OUT, work

app = quart.Quart(__name__)


@app.get("/books/<int:book>")
async def view(book: int) -> str:
    return work(book)


@app.get("/sync/<int:book>")
def sync_view(book: int) -> str:
    return work(book)


app.asgi_app = reqprof.ProfilerMiddleware(app.asgi_app, out_dir=OUT)
