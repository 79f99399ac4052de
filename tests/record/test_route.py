"""Route templates: the framework's own match where there is one, a guess that says so elsewhere."""

from __future__ import annotations

import asyncio
import re
import sys
import types
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reqprof
from reqprof.record import route
from tests.conftest import Profiles, need_module
from tests.doors.test_frameworks import get

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.recording

Found = tuple[str | None, bool]
"""The route of a request, and whether it was guessed."""


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("", ""),
        ("/", "/"),
        ("/users", "/users"),
        ("/users/", "/users/"),
        ("/users/7", "/users/{id}"),
        ("/users/7/", "/users/{id}/"),
        ("/users/0/posts/123456789012345678901234567890", "/users/{id}/posts/{id}"),
        ("/7/7/7", "/{id}/{id}/{id}"),
        ("//7//", "//{id}//"),
        ("7", "{id}"),
        # UUIDs in both cases, and what only looks like one
        ("/x/123e4567-e89b-12d3-a456-426614174000", "/x/{id}"),
        ("/x/123E4567-E89B-12D3-A456-426614174000/y", "/x/{id}/y"),
        ("/x/abcdefab-abcd-abcd-abcd-abcdefabcdef", "/x/{id}"),
        ("/x/123e4567-e89b-12d3-a456-42661417400", "/x/123e4567-e89b-12d3-a456-42661417400"),
        ("/x/123e4567-e89b-12d3-a456-42661417400g", "/x/123e4567-e89b-12d3-a456-42661417400g"),
        # hex runs need eight digits, a number among them
        ("/c/d670460b4b4aece5915caf5c68d12f560a9fe3e4", "/c/{id}"),
        ("/c/D670460B", "/c/{id}"),
        ("/c/0badcafe", "/c/{id}"),
        ("/c/cafebab1", "/c/{id}"),
        ("/c/d67046a", "/c/d67046a"),
        ("/feedface/deadbeef/decade", "/feedface/deadbeef/decade"),
        # words that hold numbers stay words
        ("/v2/oauth2/s3", "/v2/oauth2/s3"),
        ("/2024-01-31/x7", "/2024-01-31/x7"),
        ("/-5/1.5/7a", "/-5/1.5/7a"),
        ("/7\n/8", "/7\n/{id}"),
    ],
)
def test_a_guess_folds_numbers_uuids_and_hex_runs(path: str, template: str) -> None:
    assert route.guess(path) == template


def test_a_guess_of_an_endless_path_is_short() -> None:
    assert len(route.guess("/a" * 5000)) <= 200
    assert len(route.guess("/" + "1" * 5000)) <= 200
    assert len(route.guess("/1" * 5000)) <= 1000


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=300))
def test_a_guess_never_fails_and_is_its_own_guess(path: str) -> None:
    folded = route.guess(path)
    assert len(folded) > 200 or route.guess(folded) == folded


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.one_of(st.integers(0, 10**20).map(str), st.uuids().map(str)), min_size=1, max_size=4
    )
)
def test_no_id_is_left_in_a_guess(ids: list[str]) -> None:
    assert route.guess("/x/" + "/".join(ids)) == "/x" + "/{id}" * len(ids)


def facts(profiles: Profiles, middleware: Any) -> Found:
    assert middleware.flush()
    request = profiles.one().request
    assert request is not None
    return request.route, request.guessed


class TestFlask:
    def app(self) -> Any:
        need_module("flask")
        import flask

        inner = flask.Blueprint("inner", __name__)
        outer = flask.Blueprint("outer", __name__, url_prefix="/shops/<shop>")

        def view(**values: Any) -> str:
            return repr(sorted(values))

        def fail(**values: Any) -> str:
            raise KeyError("on purpose")

        inner.add_url_rule("/items/<int:item>", view_func=view, methods=["GET"], endpoint="item")
        outer.register_blueprint(inner, url_prefix="/in")
        app = flask.Flask(__name__)
        app.register_blueprint(outer)
        app.add_url_rule("/", view_func=view, endpoint="root")
        app.add_url_rule("/files/<path:name>", view_func=view, endpoint="files")
        app.add_url_rule("/slash/", view_func=view, endpoint="slash")
        app.add_url_rule("/fail/<int:number>", view_func=fail, endpoint="fail")
        app.add_url_rule(
            "/stream/<int:number>",
            view_func=lambda number: iter(["a", "b"]),
            endpoint="stream",
        )

        @app.get("/abort/<int:number>")
        def abort(number: int) -> str:
            flask.abort(404)

        return app

    def ask(self, profiles: Profiles, app: Any, path: str, **more: Any) -> tuple[int, Found]:
        import werkzeug.test

        middleware = reqprof.ProfilerMiddleware(app, out_dir=profiles.folder)
        response = werkzeug.test.Client(middleware).open(path, **more)
        response.get_data()
        response.close()
        return response.status_code, facts(profiles, middleware)

    @pytest.mark.parametrize(
        ("path", "status", "found"),
        [
            ("/", 200, ("/", False)),
            ("/files/a/b/7", 200, ("/files/<path:name>", False)),
            ("/shops/x/in/items/7", 200, ("/shops/<shop>/in/items/<int:item>", False)),
            ("/stream/7", 200, ("/stream/<int:number>", False)),
            ("/fail/7", 500, ("/fail/<int:number>", False)),
            ("/abort/7", 404, ("/abort/<int:number>", False)),
            ("/static/none.css", 404, ("/static/<path:filename>", False)),
            ("/nothing/7", 404, ("/nothing/{id}", True)),
            ("/slash", 308, ("/slash", True)),
        ],
    )
    def test_the_rule_is_the_route(
        self, profiles: Profiles, path: str, status: int, found: Found
    ) -> None:
        assert self.ask(profiles, self.app(), path) == (status, found)

    def test_a_method_that_is_not_allowed_has_no_rule(self, profiles: Profiles) -> None:
        asked = self.ask(profiles, self.app(), "/shops/x/in/items/7", method="POST")
        assert asked == (405, ("/shops/x/in/items/{id}", True))

    def test_a_mounted_app_is_below_its_mount(self, profiles: Profiles) -> None:
        app = self.app()
        from werkzeug.exceptions import NotFound
        from werkzeug.middleware.dispatcher import DispatcherMiddleware

        both: Any = DispatcherMiddleware(NotFound(), {"/shop": app, "/other": app})
        asked = self.ask(profiles, both, "/shop/shops/x/in/items/7")
        assert asked == (200, ("/shop/shops/<shop>/in/items/<int:item>", False))

    def test_an_app_behind_a_prefix_is_below_its_prefix(self, profiles: Profiles) -> None:
        asked = self.ask(profiles, self.app(), "/stream/7", base_url="http://localhost/prefix")
        assert asked == (200, ("/prefix/stream/<int:number>", False))

    def test_no_route_is_taken_from_the_request_before(self, profiles: Profiles) -> None:
        import werkzeug.test

        middleware = reqprof.ProfilerMiddleware(self.app(), out_dir=profiles.folder)
        client = werkzeug.test.Client(middleware)
        for path in ("/stream/1", "/nothing"):
            client.get(path).close()
        assert middleware.flush()
        found = {read.request.path: read.request.route for read in profiles.read() if read.request}
        assert found == {"/stream/1": "/stream/<int:number>", "/nothing": "/nothing"}


def ask(profiles: Profiles, app: Any, path: str) -> tuple[int, Found]:
    """One request to an ASGI app, wrapped from outside."""
    middleware = reqprof.ProfilerMiddleware(app, out_dir=profiles.folder)
    status, _ = get(middleware, path)
    return status, facts(profiles, middleware)


def connect(profiles: Profiles, app: Any, path: str) -> Found:
    """One websocket session, whose client leaves as soon as it is answered."""
    middleware = reqprof.ProfilerMiddleware(app, out_dir=profiles.folder)
    connecting = iter([{"type": "websocket.connect"}])
    answered = asyncio.Event()

    async def receive() -> Any:
        for message in connecting:
            return message
        await answered.wait()
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Any) -> None:
        answered.set()

    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"testserver")],
        "subprotocols": [],
        "state": {},
    }
    asyncio.run(middleware(scope, receive, send))
    return facts(profiles, middleware)


class TestStarlette:
    def app(self) -> Any:
        need_module("starlette")
        from starlette.applications import Starlette
        from starlette.endpoints import HTTPEndpoint
        from starlette.responses import PlainTextResponse
        from starlette.routing import Host, Mount, Route, Router, WebSocketRoute

        async def view(request: Any) -> PlainTextResponse:
            return PlainTextResponse(repr(request.path_params))

        async def fail(request: Any) -> PlainTextResponse:
            raise KeyError("on purpose")

        async def talk(websocket: Any) -> None:
            await websocket.accept()
            await websocket.close()

        class Endpoint(HTTPEndpoint):
            async def get(self, request: Any) -> PlainTextResponse:
                return PlainTextResponse("got")

        async def plain(scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse("plain")(scope, receive, send)

        class Opaque:
            """A middleware round a router, which hides its routes."""

            def __init__(self, app: Any) -> None:
                self.app = app

            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                await self.app(scope, receive, send)

        shared = [
            Route("/", view),
            Route("/items/{item:int}", view, methods=["GET"]),
            WebSocketRoute("/talk/{room}", talk),
        ]
        shared_router = Router(shared)
        return Starlette(
            routes=[
                Route("/", view),
                Route("/users/{user:int}", view, methods=["GET"]),
                Route("/class/{name}", Endpoint),
                Route("/files/{name:path}", view),
                Route("/fail/{number}", fail),
                Route("/slash/", view),
                WebSocketRoute("/ws/{room}", talk),
                Mount("/first", shared_router),
                Mount("/second", shared_router),
                Mount("/tenants/{tenant:int}", routes=[Mount("/deep", routes=shared)]),
                Mount("/opaque/{who}", Opaque(Router(shared))),
                Mount("/plain", plain),
                Host("api.example.org", Router([Route("/hosted/{thing}", view)])),
            ]
        )

    @pytest.mark.parametrize(
        ("path", "status", "found"),
        [
            ("/", 200, ("/", False)),
            ("/users/7", 200, ("/users/{user}", False)),
            ("/class/x", 200, ("/class/{name}", False)),
            ("/files/a/b/7", 200, ("/files/{name}", False)),
            ("/first/items/7", 200, ("/first/items/{item}", False)),
            ("/second/items/7", 200, ("/second/items/{item}", False)),
            ("/second/", 200, ("/second/", False)),
            ("/tenants/7/deep/items/8", 200, ("/tenants/{tenant}/deep/items/{item}", False)),
            ("/opaque/me/items/8", 200, ("/opaque/{who}/items/{item}", False)),
            ("/plain/x/7", 200, ("/plain/{path}", False)),
            ("/nothing/7", 404, ("/nothing/{id}", True)),
            ("/users/seven", 404, ("/users/seven", True)),
            ("/slash", 307, ("/slash", True)),
        ],
    )
    def test_the_path_format_is_the_route_below_its_mounts(
        self, profiles: Profiles, path: str, status: int, found: Found
    ) -> None:
        assert ask(profiles, self.app(), path) == (status, found)

    @pytest.mark.parametrize("path", ["/first/nothing/7", "/tenants/7/deep/nothing"])
    def test_nothing_below_a_mount_is_no_route_of_something_else(
        self, profiles: Profiles, path: str
    ) -> None:
        status, (template, guessed) = ask(profiles, self.app(), path)
        assert status == 404
        assert (template, guessed) == (route.guess(path), True) or template in (
            "/first/{path}",
            "/tenants/{tenant}/{path}",
            "/tenants/{tenant}/deep/{path}",
        )

    @pytest.mark.parametrize(
        ("path", "template"),
        [
            ("/ws/lobby", "/ws/{room}"),
            ("/second/talk/7", "/second/talk/{room}"),
            ("/tenants/7/deep/talk/8", "/tenants/{tenant}/deep/talk/{room}"),
        ],
    )
    def test_a_websocket_has_its_route_too(
        self, profiles: Profiles, path: str, template: str
    ) -> None:
        assert connect(profiles, self.app(), path) == (template, False)

    def test_a_method_that_is_not_allowed_still_has_its_route(self, profiles: Profiles) -> None:
        app = self.app()

        # The scope that the middleware sees is the very one that Starlette writes to.
        async def posted(scope: Any, receive: Any, send: Any) -> None:
            scope["method"] = "POST"
            await app(scope, receive, send)

        assert ask(profiles, posted, "/users/7") == (405, ("/users/{user}", False))

    def test_an_app_that_copies_the_scope_leaves_a_guess(self, profiles: Profiles) -> None:
        app = self.app()

        async def copies(scope: Any, receive: Any, send: Any) -> None:
            await app(dict(scope), receive, send)

        assert ask(profiles, copies, "/users/7") == (200, ("/users/{id}", True))

    def test_an_exception_keeps_the_route(self, profiles: Profiles) -> None:
        middleware = reqprof.ProfilerMiddleware(self.app(), out_dir=profiles.folder)
        with pytest.raises(KeyError, match="on purpose"):
            get(middleware, "/fail/7")
        assert facts(profiles, middleware) == ("/fail/{number}", False)

    def test_a_host_adds_nothing(self) -> None:
        app = self.app()
        scope: dict[str, Any] = {"router": app.router, "path": "/hosted/7"}
        scope["route"] = app.routes[-1].routes[0]
        assert route.from_scope(scope) == "/hosted/{thing}"

    def test_a_root_path_is_the_servers_and_no_part_of_the_route(self, profiles: Profiles) -> None:
        app = self.app()

        async def rooted(scope: Any, receive: Any, send: Any) -> None:
            scope["root_path"] = "/api"
            await app(scope, receive, send)

        assert ask(profiles, rooted, "/api/second/items/7") == (
            200,
            ("/second/items/{item}", False),
        )

    @pytest.mark.parametrize(
        "scope",
        [
            {},
            {"path": "/", "route": None, "endpoint": None},
            {"path": "/", "route": object()},
            {"path": "/", "endpoint": len},
            {"path": "/", "route": object(), "router": object(), "app_root_path": ""},
        ],
    )
    def test_what_tells_nothing_is_no_route(self, scope: dict[str, Any]) -> None:
        assert route.from_scope(scope) is None

    def test_what_only_looks_like_a_route_harms_nobody(self, profiles: Profiles) -> None:
        class Trap:
            def __getattr__(self, name: str) -> Any:
                raise ZeroDivisionError

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["route"] = scope["router"] = Trap()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x"})

        assert ask(profiles, app, "/x/7") == (200, ("/x/{id}", True))


class TestFastAPI:
    def app(self) -> Any:
        need_module("fastapi")
        from fastapi import APIRouter, FastAPI
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route, Router

        async def view(request: Any) -> PlainTextResponse:
            return PlainTextResponse("plain")

        async def read(item: int) -> int:
            return item

        async def talk(websocket: Any) -> None:
            await websocket.accept()
            await websocket.close()

        talk.__annotations__["websocket"] = __import__("fastapi").WebSocket
        items = APIRouter()
        items.add_api_route("/items/{item}", read)
        items.add_api_websocket_route("/talk/{room}", talk)
        items.add_route("/plain/{thing}", view)
        items.mount("/mounted", Router([Route("/leaf/{leaf}", view)]))
        versions = APIRouter(prefix="/v1")
        versions.include_router(items, prefix="/in/{tenant}")
        app = FastAPI()
        app.include_router(items)
        app.include_router(items, prefix="/again")
        app.include_router(versions, prefix="/api")
        sub = FastAPI()
        sub.include_router(items, prefix="/sub")
        app.mount("/apps/{which}", sub)
        return app

    @pytest.mark.parametrize(
        ("path", "status", "found"),
        [
            ("/items/7", 200, ("/items/{item}", False)),
            ("/again/items/7", 200, ("/again/items/{item}", False)),
            ("/api/v1/in/x/items/7", 200, ("/api/v1/in/{tenant}/items/{item}", False)),
            ("/api/v1/in/x/items/seven", 422, ("/api/v1/in/{tenant}/items/{item}", False)),
            ("/api/v1/in/x/plain/7", 200, ("/api/v1/in/{tenant}/plain/{thing}", False)),
            (
                "/api/v1/in/x/mounted/leaf/7",
                200,
                ("/api/v1/in/{tenant}/mounted/leaf/{leaf}", False),
            ),
            ("/apps/x/sub/items/7", 200, ("/apps/{which}/sub/items/{item}", False)),
            ("/docs", 200, ("/docs", False)),
            ("/openapi.json", 200, ("/openapi.json", False)),
            ("/nothing/7", 404, ("/nothing/{id}", True)),
        ],
    )
    def test_the_whole_path_format_is_the_route(
        self, profiles: Profiles, path: str, status: int, found: Found
    ) -> None:
        assert ask(profiles, self.app(), path) == (status, found)

    @pytest.mark.parametrize("prefix", ["", "/again", "/api/v1/in/{tenant}"])
    def test_a_websocket_of_an_included_router_has_its_prefix(
        self, profiles: Profiles, prefix: str
    ) -> None:
        found = connect(profiles, self.app(), prefix.replace("{tenant}", "x") + "/talk/lobby")
        assert found == (prefix + "/talk/{room}", False)

    def test_added_inside_it_sees_the_same(self, profiles: Profiles) -> None:
        app = self.app()
        app.add_middleware(reqprof.asgi.ProfilerMiddleware, out_dir=profiles.folder)
        assert get(app, "/api/v1/in/x/items/7")[0] == 200
        layer = app.middleware_stack
        while not hasattr(layer, "counters"):
            layer = layer.app
        assert facts(profiles, layer) == ("/api/v1/in/{tenant}/items/{item}", False)


DJANGO = [
    ("/", 200, ("/", False)),
    ("/users/7/", 200, ("/users/<int:user>/", False)),
    ("/later/7/", 200, ("/later/<int:user>/", False)),
    ("/fail/7/", 500, ("/fail/<int:number>/", False)),
    ("/archive/2024/", 200, ("/archive/(?P<year>[0-9]{4})/$", False)),
    ("/shops/x/items/7/", 200, ("/shops/<slug:shop>/items/<int:item>/", False)),
    ("/shops/x/", 200, ("/shops/<slug:shop>/", False)),
    ("/shops/x/old/1999/", 200, ("/shops/<slug:shop>/old/(?P<year>[0-9]{4})/$", False)),
    ("/en-us/about/7/", 200, ("/en-us/about/<int:page>/", False)),
    ("/nothing/7/", 404, ("/nothing/{id}/", True)),
]


class TestDjango:
    @pytest.fixture(autouse=True)
    def _urls(self) -> Iterator[None]:
        need_module("django")
        import django
        from django.conf import settings as django_settings

        if not django_settings.configured:
            django_settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="x", USE_TZ=True)
            django.setup()
        from django.conf.urls.i18n import i18n_patterns
        from django.http import HttpResponse
        from django.test import override_settings
        from django.urls import include, path, re_path

        def view(request: Any, **values: Any) -> HttpResponse:
            return HttpResponse(repr(values))

        def fail(request: Any, **values: Any) -> HttpResponse:
            raise KeyError("on purpose")

        async def later(request: Any, **values: Any) -> HttpResponse:
            return HttpResponse(repr(values))

        inner = [
            path("items/<int:item>/", view),
            re_path(r"^old/(?P<year>[0-9]{4})/$", view),
            path("", view),
        ]
        urls = types.ModuleType("urls_of_a_test")
        vars(urls)["urlpatterns"] = [
            path("", view),
            path("users/<int:user>/", view),
            path("later/<int:user>/", later),
            path("fail/<int:number>/", fail),
            re_path(r"^archive/(?P<year>[0-9]{4})/$", view),
            path("shops/<slug:shop>/", include(inner)),
            *i18n_patterns(path("about/<int:page>/", view)),
        ]
        with override_settings(ROOT_URLCONF=urls, USE_I18N=True, DEBUG_PROPAGATE_EXCEPTIONS=False):
            yield

    @pytest.mark.filterwarnings("ignore")  # Django logs what fails, in many words
    @pytest.mark.parametrize(("path", "status", "found"), DJANGO)
    def test_the_pattern_is_the_route_under_wsgi(
        self, profiles: Profiles, path: str, status: int, found: Found
    ) -> None:
        import werkzeug.test
        from django.core.handlers.wsgi import WSGIHandler

        middleware = reqprof.ProfilerMiddleware(WSGIHandler(), out_dir=profiles.folder)
        response = werkzeug.test.Client(middleware).get(path)
        response.close()
        assert (response.status_code, facts(profiles, middleware)) == (status, found)

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize(("path", "status", "found"), DJANGO)
    def test_and_under_asgi(self, profiles: Profiles, path: str, status: int, found: Found) -> None:
        from django.core.handlers.asgi import ASGIHandler

        assert ask(profiles, ASGIHandler(), path) == (status, found)

    def test_a_mounted_project_is_below_its_mount(self, profiles: Profiles) -> None:
        import werkzeug.test
        from django.core.handlers.wsgi import WSGIHandler

        middleware = reqprof.ProfilerMiddleware(WSGIHandler(), out_dir=profiles.folder)
        client = werkzeug.test.Client(middleware)
        client.get("/users/7/", base_url="http://localhost/site").close()
        assert facts(profiles, middleware) == ("/site/users/<int:user>/", False)

    def test_a_middleware_between_does_not_hide_it(self, profiles: Profiles) -> None:
        import werkzeug.test
        from django.core.handlers.wsgi import WSGIHandler

        def deeper(start_response: Any, levels: int) -> Any:
            if not levels:
                return start_response
            return lambda *a, **k: deeper(start_response, levels - 1)(*a, **k)

        handler = WSGIHandler()

        def between(environ: Any, start_response: Any) -> Any:
            return handler(environ, deeper(start_response, 10))

        middleware = reqprof.ProfilerMiddleware(between, out_dir=profiles.folder)
        werkzeug.test.Client(middleware).get("/users/7/").close()
        assert facts(profiles, middleware) == ("/users/<int:user>/", False)


def ask_wsgi(profiles: Profiles, app: Any, path: str, **more: Any) -> tuple[int, Found]:
    """One request to a WSGI app, wrapped from outside."""
    import werkzeug.test

    middleware = reqprof.ProfilerMiddleware(app, out_dir=profiles.folder)
    response = werkzeug.test.Client(middleware).get(path, **more)
    response.get_data()
    response.close()
    return response.status_code, facts(profiles, middleware)


class TestBottle:
    def app(self) -> Any:
        need_module("bottle")
        import bottle

        def view(**values: Any) -> str:
            return repr(sorted(values))

        inner, other, app = bottle.Bottle(), bottle.Bottle(), bottle.Bottle()
        for one in (inner, other, app):
            one.route("/books/<book:int>", callback=view)
            one.route("/files/<name:path>", callback=view)
        app.mount("/inner/", inner)
        app.mount("/other/", other.wsgi)
        return app

    @pytest.mark.parametrize(
        ("path", "status", "found"),
        [
            ("/books/7", 200, ("/books/<book:int>", False)),
            ("/files/a/b/7", 200, ("/files/<name:path>", False)),
            ("/inner/books/7", 200, ("/inner/books/<book:int>", False)),
            ("/other/books/7", 200, ("/other/books/{id}", True)),  # the inner one's has no mount
            ("/books/seven", 404, ("/books/seven", True)),
            ("/nothing/7", 404, ("/nothing/{id}", True)),
        ],
    )
    def test_the_rule_is_the_route(
        self, profiles: Profiles, path: str, status: int, found: Found
    ) -> None:
        assert ask_wsgi(profiles, self.app(), path) == (status, found)

    def test_an_app_behind_a_prefix_is_below_its_prefix(self, profiles: Profiles) -> None:
        asked = ask_wsgi(profiles, self.app(), "/books/7", base_url="http://localhost/prefix")
        assert asked == (200, ("/prefix/books/<book:int>", False))


FALCON = [
    ("/books/7", 200, ("/books/{book:int}", False)),
    ("/fail/7", 404, ("/fail/{number}", False)),
    ("/nothing/7", 404, ("/nothing/{id}", True)),
]


class TestFalcon:
    @pytest.mark.parametrize(("path", "status", "found"), FALCON)
    def test_the_template_is_the_route(
        self, profiles: Profiles, path: str, status: int, found: Found
    ) -> None:
        need_module("falcon")
        import falcon

        class Book:
            def on_get(self, request: Any, response: Any, book: int) -> None:
                response.text = str(book)

        class Fail:
            def on_get(self, request: Any, response: Any, number: str) -> None:
                raise falcon.HTTPNotFound

        app = falcon.App()
        app.add_route("/books/{book:int}", Book())
        app.add_route("/fail/{number}", Fail())
        assert ask_wsgi(profiles, app, path) == (status, found)

    @pytest.mark.parametrize(("path", "status", "found"), FALCON)
    def test_and_under_asgi(self, profiles: Profiles, path: str, status: int, found: Found) -> None:
        need_module("falcon")
        import falcon.asgi

        class Book:
            async def on_get(self, request: Any, response: Any, book: int) -> None:
                response.text = str(book)

        class Fail:
            async def on_get(self, request: Any, response: Any, number: str) -> None:
                raise falcon.HTTPNotFound

        app = falcon.asgi.App()
        app.add_route("/books/{book:int}", Book())
        app.add_route("/fail/{number}", Fail())
        assert ask(profiles, app, path) == (status, found)

    def test_and_of_a_websocket(self, profiles: Profiles) -> None:
        need_module("falcon")
        import falcon.asgi

        class Book:
            async def on_websocket(self, request: Any, websocket: Any, book: int) -> None:
                await websocket.accept()

        app = falcon.asgi.App()
        app.add_route("/books/{book:int}", Book())
        assert connect(profiles, app, "/books/7") == ("/books/{book:int}", False)


class TestQuart:
    @pytest.mark.parametrize(
        ("path", "status", "found"),
        [
            ("/books/7", 200, ("/books/<int:book>", False)),
            ("/shops/x/items/7", 200, ("/shops/<shop>/items/<int:item>", False)),
            ("/abort/7", 404, ("/abort/<int:number>", False)),
            ("/nothing/7", 404, ("/nothing/{id}", True)),
        ],
    )
    def test_the_rule_is_the_route(
        self, profiles: Profiles, path: str, status: int, found: Found
    ) -> None:
        need_module("quart")
        import quart

        async def view(**values: Any) -> str:
            return repr(sorted(values))

        async def abort(number: int) -> str:
            quart.abort(404)

        shops = quart.Blueprint("shops", __name__, url_prefix="/shops/<shop>")
        shops.add_url_rule("/items/<int:item>", view_func=view, endpoint="item")
        app = quart.Quart(__name__)
        app.register_blueprint(shops)
        app.add_url_rule("/books/<int:book>", view_func=view, endpoint="book")
        app.add_url_rule("/abort/<int:number>", view_func=abort, endpoint="abort")
        assert ask(profiles, left_at_the_end(app), path) == (status, found)

    def test_and_of_a_websocket(self, profiles: Profiles) -> None:
        need_module("quart")
        import quart

        app = quart.Quart(__name__)

        @app.websocket("/books/<int:book>")
        async def view(book: int) -> None:
            await quart.websocket.send(str(book))

        assert connect(profiles, app, "/books/7") == ("/books/<int:book>", False)


def left_at_the_end(app: Any) -> Any:
    """``app`` with a client who leaves after the response, which some wait for."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        ended = asyncio.Event()
        incoming = iter([await receive()])

        async def receive_all() -> Any:
            for message in incoming:
                return message
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send_all(message: Any) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                ended.set()

        await app(scope, receive_all, send_all)

    return wrapped


def test_litestar_keeps_the_template_in_the_scope() -> None:
    scope = {"path": "/books/7", "path_template": "/books/{book}", "route_handler": object()}
    assert route.from_scope(scope) == "/books/{book}"


class PyramidRoute(NamedTuple):
    """What Pyramid's ``Route`` shows; the real one is asked by scripts/compatibility."""

    pattern: str
    predicates: tuple[str, ...] = ()

    def match(self, path: str) -> dict[str, str] | None:
        expression = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", "/" + self.pattern.lstrip("/"))
        found = re.fullmatch(expression, path)
        return None if found is None else found.groupdict()


PYRAMID = types.SimpleNamespace(
    routelist=[
        PyramidRoute("/books/{book}"),
        PyramidRoute("/books/{never}"),
        PyramidRoute("no/slash/{n}"),
        PyramidRoute("/both/{n}", ("GET",)),
        PyramidRoute("/both/{n}", ("POST",)),
        PyramidRoute("/either/{a}", ("GET",)),
        PyramidRoute("/either/{b}"),
        PyramidRoute("/"),
        PyramidRoute("/caf\u00e9/{n}"),
    ]
)


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("/books/7", "/books/{book}"),
        ("/no/slash/7", "/no/slash/{n}"),
        ("/both/7", "/both/{n}"),
        ("/either/7", None),  # the method would have to be asked
        ("/nothing/7", None),
        ("", "/"),
        ("/caf\u00c3\u00a9/7", "/caf\u00e9/{n}"),  # as WSGI spells UTF-8
    ],
)
def test_pyramids_pattern_is_the_route_where_it_is_the_only_one(
    path: str, pattern: str | None
) -> None:
    program = """
def __call__(self, environ, look):
    return look()
"""
    scope: dict[str, Any] = {"__name__": "pyramid.router"}
    exec(program, scope)
    router = types.SimpleNamespace(routes_mapper=PYRAMID)
    match = scope["__call__"](
        router, {"PATH_INFO": path}, lambda: route.open_match(sys._getframe())
    )
    assert route.from_match(match) == pattern
    assert route.from_match(match, "/site") == (None if pattern is None else "/site" + pattern)


@pytest.mark.parametrize("name", ["quart.asgi", "falcon.app", "bottle", "pyramid.router"])
def test_a_frameworks_function_that_knows_no_route_is_passed_over(name: str) -> None:
    scope: dict[str, Any] = {"__name__": name}
    exec("def unknowing(look): return look()", scope)
    assert scope["unknowing"](lambda: route.open_match(sys._getframe())) is None


@pytest.mark.parametrize(
    "environ", [{}, {"werkzeug.request": None}, {"werkzeug.request": object()}]
)
def test_an_environment_without_flask_has_no_rule(environ: dict[str, Any]) -> None:
    assert route.flask_match(environ) is None


def test_what_only_looks_like_a_flask_request_harms_nobody(profiles: Profiles) -> None:
    class Trap:
        @property
        def url_rule(self) -> Any:
            raise ZeroDivisionError

    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ["werkzeug.request"] = Trap()
        start_response("200 OK", [])
        return [b"ok"]

    middleware = reqprof.ProfilerMiddleware(app, out_dir=profiles.folder)
    body = middleware({"PATH_INFO": "/x/7"}, lambda *_: None)
    assert list(body) == [b"ok"]
    body.close()
    assert facts(profiles, middleware) == ("/x/{id}", True)


def test_frames_of_no_framework_have_no_match() -> None:
    assert route.open_match(None) is None
    assert route.open_match(sys._getframe()) is None


def test_what_matched_nothing_has_no_route() -> None:
    assert route.from_match(None) is None
    assert route.from_match(object(), "/mount") is None
