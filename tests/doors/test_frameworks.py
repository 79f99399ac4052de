"""Flask, Django, Starlette and FastAPI, wrapped in the ways their users wrap things."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

import reqprof
from tests.client import ask
from tests.conftest import Profiles, calls, need_module

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("no_collection", "each_engine")]


def leaf() -> int:
    return 1


def work(times: int) -> int:
    return sum(leaf() for _ in range(times))


def check(profiles: Profiles, middleware: Any, route: str, leaves: int = 7) -> None:
    assert middleware.flush()
    profile = profiles.one()
    request = profile.request
    assert request is not None
    assert (request.route, request.guessed, request.status) == (route, False, 200)
    assert calls(profile)["leaf"] == leaves


def test_flask(profiles: Profiles) -> None:
    need_module("flask")
    import flask

    app = flask.Flask(__name__)

    @app.get("/users/<int:user>")
    def user(user: int) -> str:
        return str(work(user))

    plain = app.test_client().get("/users/7")
    app.wsgi_app = reqprof.ProfilerMiddleware(app.wsgi_app, out_dir=profiles.folder)  # type: ignore[method-assign]
    profiled = app.test_client().get("/users/7")
    assert (profiled.status, profiled.data) == (plain.status, plain.data)
    assert list(profiled.headers) == list(plain.headers)
    profiled.close()
    check(profiles, app.wsgi_app, "/users/<int:user>")


def test_a_flask_object_itself(profiles: Profiles) -> None:
    need_module("flask")
    import flask
    import werkzeug.test

    app = flask.Flask(__name__)
    app.add_url_rule("/", view_func=lambda: str(work(7)))
    middleware = reqprof.ProfilerMiddleware(app, out_dir=profiles.folder)
    response = werkzeug.test.Client(middleware).get("/")
    assert response.text == "7"
    response.close()
    check(profiles, middleware, "/")


def starlette_app(**options: Any) -> Any:
    need_module("starlette")
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def user(request: Any) -> PlainTextResponse:
        return PlainTextResponse(str(work(request.path_params["user"])))

    return Starlette(routes=[Route("/users/{user:int}", user)], **options)


def get(app: Any, path: str) -> tuple[int, bytes]:
    """One request to an ASGI app, without a server."""
    sent: list[Any] = []
    asyncio.run(ask(app, path, sent))
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], body


def test_starlette_outermost(profiles: Profiles) -> None:
    middleware = reqprof.ProfilerMiddleware(starlette_app(), out_dir=profiles.folder)
    assert get(middleware, "/users/7") == (200, b"7")
    check(profiles, middleware, "/users/{user}")


def built(app: Any) -> Any:
    """The middleware that Starlette built inside its first call."""
    layer = app.middleware_stack
    while not hasattr(layer, "counters"):
        layer = layer.app
    return layer


def test_starlette_add_middleware(profiles: Profiles) -> None:
    app = starlette_app()
    app.add_middleware(reqprof.ProfilerMiddleware, out_dir=profiles.folder)
    assert get(app, "/users/7") == (200, b"7")
    check(profiles, built(app), "/users/{user}")


@pytest.mark.parametrize("outermost", [True, False])
def test_fastapi(profiles: Profiles, outermost: bool) -> None:
    need_module("fastapi")
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/users/{user}")
    async def user(user: int) -> dict[str, int]:
        return {"user": work(user)}

    if outermost:
        middleware: Any = reqprof.ProfilerMiddleware(app, out_dir=profiles.folder)
        assert get(middleware, "/users/7") == (200, b'{"user":7}')
    else:
        app.add_middleware(reqprof.ProfilerMiddleware, out_dir=profiles.folder)
        assert get(app, "/users/7") == (200, b'{"user":7}')
        middleware = built(app)
    check(profiles, middleware, "/users/{user}")


@pytest.mark.parametrize("bad", [{"sample": 7}, {"nonsense": 1}, {"out_dir": "\0"}])
def test_what_starlette_builds_in_its_first_call_never_reaches_the_app(
    bad: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    app = starlette_app()
    app.add_middleware(reqprof.ProfilerMiddleware, **{"out_dir": "profiles", **bad})
    assert get(app, "/users/7") == (200, b"7")
    assert get(app, "/users/8") == (200, b"8")


def test_bad_arguments_raise_where_they_are_given() -> None:
    with pytest.raises(ValueError, match="sample must be from 0 to 1; got 7"):
        reqprof.ProfilerMiddleware(starlette_app(), sample=7)
    with pytest.raises(TypeError, match="nonsense"):
        reqprof.ProfilerMiddleware(starlette_app(), nonsense=1)


@pytest.fixture
def django_urls(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Django, set up once in this process, with this module's views."""
    need_module("django")

    def set_up() -> None:
        import django
        from django.conf import settings
        from django.http import HttpResponse
        from django.urls import clear_url_caches, path

        def user(request: Any, user: int) -> HttpResponse:
            return HttpResponse(str(work(user)))

        if not settings.configured:
            settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="x", USE_TZ=True)
            django.setup()
        monkeypatch.setattr(settings, "ROOT_URLCONF", __name__, raising=False)
        monkeypatch.setattr(
            sys.modules[__name__], "urlpatterns", [path("users/<int:user>/", user)], raising=False
        )
        clear_url_caches()

    return set_up


def test_django_wsgi(profiles: Profiles, django_urls: Callable[[], None]) -> None:
    django_urls()
    import werkzeug.test
    from django.core.wsgi import get_wsgi_application

    middleware = reqprof.ProfilerMiddleware(get_wsgi_application(), out_dir=profiles.folder)
    response = werkzeug.test.Client(middleware).get("/users/7/")
    assert response.text == "7"
    response.close()
    check(profiles, middleware, "/users/<int:user>/")


def test_django_asgi(profiles: Profiles, django_urls: Callable[[], None]) -> None:
    django_urls()
    from django.core.asgi import get_asgi_application

    middleware = reqprof.ProfilerMiddleware(get_asgi_application(), out_dir=profiles.folder)
    assert get(middleware, "/users/7/") == (200, b"7")
    assert middleware.flush()
    request = profiles.one().request
    assert request is not None
    assert (request.route, request.guessed) == ("/users/<int:user>/", False)
