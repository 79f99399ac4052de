"""The body of a process that serves the shop beside a tool, and tells what came of it as JSON.

``python -m tests.beside.TOOL_process INSTALLED MIDDLEWARE FOLDER``: the tool is installed ``first``
or ``last``, when requests have been served already. The middleware is ``ours``, with its profiles
in ``FOLDER``, or a ``plain`` one that does nothing.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import reqprof
from reqprof import asgi
from reqprof.store import reader
from tests.beside import shop
from tests.client import ask
from tests.doors.test_wsgi import Server, environ

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.model import Profile


class Tool:
    """No tool; those that are one install themselves when made, in a running event loop."""

    def seen(self) -> Any:
        """What it recorded until now, in a form that does not vary from run to run."""

    def remove(self) -> None:
        """Take it out of the process, where it offers that."""


class PlainAsgi:
    """A middleware that does nothing."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class PlainWsgi:
    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.app(environ, start_response)


def plain_asgi(app: Any, **options: Any) -> Any:
    """Stands where a class is expected, as ours does."""
    return PlainAsgi(app)


def plain_wsgi(app: Any, **options: Any) -> Any:
    return PlainWsgi(app)


class Shop:
    """Both apps, each wrapped from outside and from inside, and what they answer."""

    def __init__(self, middleware: str, folder: Path) -> None:
        self.answers: list[Any] = []
        wrap = wrap_wsgi = reqprof.ProfilerMiddleware
        if middleware == "plain":
            wrap, wrap_wsgi = plain_asgi, plain_wsgi
        inside, flask_inside = shop.starlette_app(), shop.flask_app()
        inside.add_middleware(wrap, out_dir=folder)
        flask_inside.wsgi_app = wrap_wsgi(  # type: ignore[method-assign]
            flask_inside.wsgi_app, out_dir=folder
        )
        self._starlettes = [inside, wrap(shop.starlette_app(), out_dir=folder)]
        self._flasks = [flask_inside, wrap_wsgi(shop.flask_app(), out_dir=folder)]

    async def serve(self) -> None:
        """Each request once by each app."""
        await self.serve_async()
        for app in self._flasks:
            self.answers += [ask_wsgi(app, path) for path in shop.WSGI]

    async def serve_async(self) -> None:
        for app in self._starlettes:
            self.answers += [await answers(app, path) for path in shop.ASYNC]

    def middlewares(self) -> list[Any]:
        """Ours, where it has any."""
        inside = self._starlettes[0].middleware_stack
        while not isinstance(inside, (PlainAsgi, asgi.ProfilerMiddleware)):
            inside = inside.app
        found = [inside, self._starlettes[1], self._flasks[0].wsgi_app, self._flasks[1]]
        return [each for each in found if hasattr(each, "counters")]


def told(shops: list[Shop], folder: Path) -> dict[str, Any]:
    """What the answers and the profiles hold."""
    counts: dict[str, list[dict[str, int]]] = {}
    counters: Counter[str] = Counter()
    for each in shops:
        for middleware in each.middlewares():
            assert middleware.flush(30)
            counters.update(middleware.counters)
    profiles = [reader.read(path) for path in folder.glob("*.prof")]
    for profile in profiles:
        assert profile.request is not None
        counts.setdefault(str(profile.request.path), []).append(_counted(profile))
    return {
        "answers": [answer for each in shops for answer in each.answers],
        "counts": counts,
        "counters": counters,
        "interrupted": [p.request.path for p in profiles if p.request and p.request.interrupted],
    }


def _counted(profile: Profile) -> dict[str, int]:
    found: dict[str, int] = {}
    names = {name for counts in shop.COUNTS.values() for name in counts}
    for (file, _, name), row in profile.stats.items():
        if file == shop.__file__ and name in names:
            found[name] = found.get(name, 0) + row[1]
    return found


async def answers(app: Any, path: str) -> list[Any]:
    """The messages of one request, and what the app raised."""
    sent: list[Any] = []
    raised: list[Any] = []
    try:
        await ask(app, path, sent)
    except Exception as error:
        raised.append(repr(error))
    return [{key: repr(value) for key, value in message.items()} for message in sent] + raised


def ask_wsgi(app: Any, path: str) -> Any:
    server = Server()
    body = app(environ(path), server.start_response)
    content = b"".join(body).decode()
    body.close()
    ((status, headers, _),) = server.started
    return [status, headers, content]


def forest(spans: dict[Any, tuple[Any, str]]) -> list[Any]:
    """Spans as ``[name, children]``, in an order of their own; given by id, with the parent's."""

    def below(parents: set[Any]) -> list[Any]:
        return sorted(
            [name, below({span})] for span, (parent, name) in spans.items() if parent in parents
        )

    return below({parent for parent, _ in spans.values()} - set(spans))


def main(tool: Callable[[], Tool]) -> None:
    """Serve, and print what came of it."""
    installed, middleware, folder = sys.argv[1:]
    gc.disable()  # the callbacks that others hang on it would be recorded
    print(json.dumps(asyncio.run(_main(tool, installed, middleware, Path(folder)))))


async def _main(tool: Callable[[], Tool], installed: str, middleware: str, folder: Path) -> Any:
    # The tool comes inside the loop, as those that follow tasks ask for that.
    active = tool() if installed == "first" else Tool()
    shops = [Shop(middleware, folder)]
    await shops[0].serve()
    if installed == "last":
        active = tool()
        await shops[0].serve()
        # What is built now uses what the tool has replaced.
        shops.append(Shop(middleware, folder))
        await shops[1].serve()
    seen = active.seen()
    active.remove()
    await shops[0].serve()
    return {**told(shops, folder), "seen": [seen, active.seen()]}
