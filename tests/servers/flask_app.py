"""A Flask app."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import flask

import reqprof

if TYPE_CHECKING:
    from collections.abc import Iterator

WORK = {
    "/books/7": {"books_work": 1, "books_leaf": 7},
    "/shops/8/export": {"export_work": 4, "export_leaf": 32},
}
"""The calls that each path makes."""

ROUTES = {"/books/7": "/books/<int:times>", "/shops/8/export": "/shops/<int:times>/export"}


def books_leaf() -> None: ...


def books_work(times: int) -> str:
    for _ in range(times):
        books_leaf()
    return str(times)


def export_leaf() -> None: ...


def export_work(times: int) -> str:
    for _ in range(times):
        export_leaf()
    return str(times)


app = flask.Flask(__name__)
shops = flask.Blueprint("shops", __name__, url_prefix="/shops/<int:times>")


@app.get("/books/<int:times>")
def books(times: int) -> str:
    time.sleep(0.001)
    return books_work(times)


@shops.get("/export")
def export(times: int) -> flask.Response:
    def lines() -> Iterator[str]:
        for _ in range(4):
            yield export_work(times)
            time.sleep(0.001)

    return flask.Response(lines(), mimetype="text/csv")


app.register_blueprint(shops)
if "TEST_PROFILES" in os.environ:
    app.wsgi_app = reqprof.ProfilerMiddleware(app.wsgi_app, out_dir=os.environ["TEST_PROFILES"])  # type: ignore[method-assign]
