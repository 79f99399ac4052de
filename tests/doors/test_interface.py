"""Telling a WSGI app from an ASGI app, in all the shapes in which they come."""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

import reqprof
from reqprof import asgi, wsgi
from reqprof.interface import door, interface
from tests.conftest import need_module

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

pytestmark = pytest.mark.recording


def wsgi_function(environ: Any, start_response: Any) -> list[bytes]:
    return []


def wsgi_generator(environ: Any, start_response: Any) -> Iterator[bytes]:
    yield b""


def wsgi_other_names(e: Any, s: Any, *, option: int = 0) -> list[bytes]:
    return []


def wsgi_third(environ: Any, start_response: Any, extra: Any = None) -> list[bytes]:
    return []


def wsgi_third_other_names(e: Any, s: Any, extra: Any = None) -> list[bytes]:
    return []


def wsgi_open_end(environ: Any, start_response: Any, *more: Any, **named: Any) -> list[bytes]:
    return []


def wsgi_positional(environ: Any, start_response: Any, /) -> list[bytes]:
    return []


class WsgiClass:
    """Called, it makes the body."""

    def __init__(self, environ: Any, start_response: Any) -> None:
        pass

    def __iter__(self) -> Iterator[bytes]:
        yield b""


class WsgiObject:
    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return []

    def method(self, environ: Any, start_response: Any) -> list[bytes]:
        return []

    @classmethod
    def of_class(cls, environ: Any, start_response: Any) -> list[bytes]:
        return []

    @staticmethod
    def static(environ: Any, start_response: Any) -> list[bytes]:
        return []


def wsgi_configured(option: int, environ: Any, start_response: Any) -> list[bytes]:
    return []


@functools.wraps(wsgi_function)
def wsgi_decorated(*args: Any, **kwargs: Any) -> Any:
    return wsgi_function(*args, **kwargs)


async def asgi_function(scope: Any, receive: Any, send: Any) -> None:
    pass


async def asgi_other_names(a: Any, b: Any, c: Any) -> None:
    pass


async def asgi_fourth(scope: Any, receive: Any, send: Any, extra: Any = None) -> None:
    pass


async def asgi_open_end(*args: Any) -> None:
    pass


async def asgi_optional(scope: Any, receive: Any = None, send: Any = None) -> None:
    pass


def asgi_sync(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
    return asgi_function(scope, receive, send)


def asgi_sync_open_end(scope: Any, *args: Any) -> Awaitable[None]:
    return asgi_function(scope, *args)


class AsgiObject:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        pass

    async def method(self, scope: Any, receive: Any, send: Any) -> None:
        pass


class AsgiSyncObject:
    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        return asgi_function(scope, receive, send)


class AsgiClass:
    """Called, it makes something to await, as Starlette's endpoints do."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        pass

    def __await__(self) -> Iterator[None]:
        yield


async def asgi_configured(option: int, scope: Any, receive: Any, send: Any) -> None:
    pass


@functools.wraps(asgi_function)
def asgi_decorated(*args: Any, **kwargs: Any) -> Any:
    return asgi_function(*args, **kwargs)


WSGI: list[Any] = [
    wsgi_function,
    wsgi_generator,
    wsgi_other_names,
    wsgi_third,
    wsgi_third_other_names,
    wsgi_open_end,
    wsgi_positional,
    wsgi_decorated,
    WsgiClass,
    WsgiObject(),
    WsgiObject().method,
    WsgiObject.of_class,
    WsgiObject.static,
    functools.partial(wsgi_configured, 1),
    functools.partial(wsgi_third, extra=1),
    functools.partial(WsgiObject()),
    lambda environ, start_response: [],
    lambda env, start, third=None: [],
]

ASGI: list[Any] = [
    asgi_function,
    asgi_other_names,
    asgi_fourth,
    asgi_open_end,
    asgi_optional,
    asgi_sync,
    asgi_sync_open_end,
    asgi_decorated,
    AsgiObject(),
    AsgiObject().method,
    AsgiSyncObject(),
    AsgiClass,
    functools.partial(asgi_configured, 1),
    functools.partial(functools.partial(asgi_configured), 1),
    functools.partial(AsgiObject()),
    lambda scope, receive, send: asgi_function(scope, receive, send),
]


def asgi_2(scope: Any) -> Callable[..., Any]:
    async def instance(receive: Any, send: Any) -> None:
        pass

    return instance


class Asgi2:
    def __init__(self, scope: Any) -> None:
        pass

    async def __call__(self, receive: Any, send: Any) -> None:
        pass


def ambiguous(*args: Any, **kwargs: Any) -> Iterable[bytes]:
    return []


async def async_of_two(environ: Any, start_response: Any) -> None:
    pass


def of_four(a: Any, b: Any, c: Any, d: Any) -> None:
    pass


def only_keywords(*, environ: Any, start_response: Any) -> None:
    pass


NEITHER: list[Any] = [
    asgi_2,
    Asgi2,
    ambiguous,
    async_of_two,
    of_four,
    only_keywords,
    lambda: None,
    None,
    7,
    "shop:app",
    types.ModuleType("shop"),
    mock.Mock(),
    mock.MagicMock(),
    object(),
    WsgiObject,  # the class, not an object of it
    dict,
    print,
    functools.partial(wsgi_function, 1, 2),
]


def name(app: Any) -> str:
    return getattr(app, "__qualname__", type(app).__name__)


@pytest.mark.parametrize("app", WSGI, ids=name)
def test_wsgi_apps(app: Any) -> None:
    assert interface(app) == "wsgi"
    assert door(app) is wsgi.ProfilerMiddleware
    assert type(reqprof.ProfilerMiddleware(app)) is wsgi.ProfilerMiddleware


@pytest.mark.parametrize("app", ASGI, ids=name)
def test_asgi_apps(app: Any) -> None:
    assert interface(app) == "asgi"
    assert door(app) is asgi.ProfilerMiddleware
    assert type(reqprof.ProfilerMiddleware(app)) is asgi.ProfilerMiddleware


@pytest.mark.parametrize("app", NEITHER, ids=name)
def test_what_is_neither_gets_an_error_that_names_both_explicit_classes(app: Any) -> None:
    assert interface(app) is None
    with pytest.raises(TypeError) as caught:
        reqprof.ProfilerMiddleware(app)
    told = str(caught.value)
    assert "reqprof.wsgi.ProfilerMiddleware" in told
    assert "reqprof.asgi.ProfilerMiddleware" in told
    assert repr(app) in told


def test_looking_calls_nothing() -> None:
    app = mock.Mock()
    interface(app)
    app.assert_not_called()


def test_the_explicit_classes_take_what_they_are_told_to() -> None:
    for explicit in (wsgi.ProfilerMiddleware, asgi.ProfilerMiddleware):
        made: Any = explicit(ambiguous)  # type: ignore[arg-type]
        assert made.app is ambiguous


def test_a_middleware_of_ours_is_an_app_like_any_other() -> None:
    assert interface(wsgi.ProfilerMiddleware(wsgi_function)) == "wsgi"
    assert interface(asgi.ProfilerMiddleware(asgi_function)) == "asgi"


def test_an_object_that_hides_its_signature_is_neither() -> None:
    class Hidden:
        __signature__ = "none"

        def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
            return []

    assert interface(Hidden()) is None


class TestFrameworks:
    def test_flask(self) -> None:
        need_module("flask")
        import flask

        app = flask.Flask(__name__)
        assert interface(app) == interface(app.wsgi_app) == "wsgi"

    def test_werkzeugs_middleware(self) -> None:
        need_module("werkzeug")
        from werkzeug.middleware.dispatcher import DispatcherMiddleware
        from werkzeug.middleware.proxy_fix import ProxyFix

        assert interface(DispatcherMiddleware(wsgi_function, {})) == "wsgi"
        assert interface(ProxyFix(wsgi_function)) == "wsgi"

    def test_django(self) -> None:
        need_module("django")
        from django.core.handlers.asgi import ASGIHandler
        from django.core.handlers.wsgi import WSGIHandler

        # Not built: that wants settings, and the class decides.
        assert interface(WSGIHandler.__new__(WSGIHandler)) == "wsgi"
        assert interface(ASGIHandler.__new__(ASGIHandler)) == "asgi"

    def test_starlette_and_its_parts(self) -> None:
        need_module("starlette")
        from starlette.applications import Starlette
        from starlette.endpoints import HTTPEndpoint
        from starlette.middleware.gzip import GZipMiddleware
        from starlette.responses import PlainTextResponse
        from starlette.routing import Router
        from starlette.staticfiles import StaticFiles

        parts: list[Any] = [Starlette(), Router(), HTTPEndpoint, PlainTextResponse("x")]
        parts += [GZipMiddleware(Starlette()), StaticFiles(directory=".")]
        assert [interface(part) for part in parts] == ["asgi"] * len(parts)

    def test_fastapi(self) -> None:
        need_module("fastapi")
        from fastapi import FastAPI

        assert interface(FastAPI()) == "asgi"

    def test_asgirefs_bridges(self) -> None:
        need_module("asgiref")
        import asgiref.wsgi

        bridge: Any = asgiref.wsgi.WsgiToAsgi
        assert interface(bridge(wsgi_function)) == "asgi"
