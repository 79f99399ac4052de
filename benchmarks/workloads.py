"""The requests that are measured, by name: flask, starlette and cpu.

``flask`` and ``starlette`` are the first pages of the examples, each some thousands of calls and a
few milliseconds. ``cpu`` is ten thousand calls of next to nothing, half of them of C functions: no
request looks like it, and none costs more to record.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from common import EXAMPLES, get_asgi, get_wsgi

sys.path.insert(0, EXAMPLES)

import flask_app.views
import starlette_app.views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from reqprof.model import Function

NAMES = ("flask", "starlette", "cpu")
PATH = "/"


@dataclass(frozen=True)
class Workload:
    """An app, and how to make one request of it, or of what wraps it."""

    name: str
    app: Any
    request: Callable[[Any], None]
    asynchronous: bool = False

    @property
    def entry(self) -> Function:
        """The app's first function, as profiles name it."""
        code = getattr(self.app, "__code__", None) or type(self.app).__call__.__code__
        return code.co_filename, code.co_firstlineno, code.co_name

    def within(self, context: Callable[[], AbstractContextManager[Any]]) -> Any:
        """The app, each request of it inside a context of its own."""
        app = self.app

        def wsgi(environ: Any, start_response: Any) -> Any:
            with context():
                return app(environ, start_response)

        async def asgi(scope: Any, receive: Any, send: Any) -> None:
            with context():
                await app(scope, receive, send)

        return asgi if self.asynchronous else wsgi


@contextmanager
def workload(name: str) -> Iterator[Workload]:
    """The workload of that name, ready to be served in this process."""
    if name == "starlette":
        with asyncio.Runner() as runner:

            def request(app: Any) -> None:
                runner.run(get_asgi(app, PATH))

            yield Workload(name, starlette_app.views.create_app(), request, asynchronous=True)
        return
    app = flask_app.views.create_app().wsgi_app if name == "flask" else tiny_calls
    yield Workload(name, app, partial(get_wsgi, path=PATH))


def fibonacci(n: int) -> int:
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


class Number:
    """Adds by calling as much as it can."""

    __slots__ = ("_value",)

    def __init__(self, value: int) -> None:
        self._value = value

    def value(self) -> int:
        return self._value

    def plus(self, other: Number) -> Number:
        return Number(self.value() + other.value())


def tiny_calls(environ: Any, start_response: Any) -> list[bytes]:
    """A WSGI app of 9,700 calls in 0.4 ms."""
    fibonacci(15)
    sum_, one = Number(0), Number(1)
    for _ in range(800):
        sum_ = sum_.plus(one)
    seen: list[int] = []
    for number in range(1500):
        seen.append(abs(number))
        len(seen)
    start_response("200 OK", [])
    return [b""]
