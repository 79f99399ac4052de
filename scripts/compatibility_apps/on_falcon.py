from __future__ import annotations

import falcon
import falcon.asgi

import reqprof
from compatibility_apps import OUT, work


class Book:
    def on_get(self, request: falcon.Request, response: falcon.Response, book: int) -> None:
        response.text = work(book)


class AsyncBook:
    async def on_get(
        self, request: falcon.asgi.Request, response: falcon.asgi.Response, book: int
    ) -> None:
        response.text = work(book)


plain_wsgi, plain_asgi = falcon.App(), falcon.asgi.App()
plain_wsgi.add_route("/books/{book:int}", Book())
plain_asgi.add_route("/books/{book:int}", AsyncBook())
wsgi = reqprof.ProfilerMiddleware(plain_wsgi, out_dir=OUT)
asgi = reqprof.ProfilerMiddleware(plain_asgi, out_dir=OUT)
