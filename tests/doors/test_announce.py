"""``announce=True``: the response tells the id of its profile, and is the app's otherwise."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from reqprof import asgi, tokens, wsgi
from tests.conftest import Profiles, calls, need_module
from tests.doors.test_asgi import respond, run, scope
from tests.doors.test_wsgi import Server, environ
from tests.servers import served
from tests.servers.client import Response, traffic, unwrapped

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("no_collection", "each_engine")]

TIMING = r'reqprof;desc="([0-9a-f]{12})";dur=(\d+\.\d)'

Headers = list[tuple[str, str]]


def ask(app: Any, folder: Any, **options: Any) -> Server:
    """One request to a WSGI app."""
    server = Server()
    middleware = wsgi.ProfilerMiddleware(app, folder, **{"announce": True, **options})
    body = middleware(environ(), server.start_response)
    list(body)
    getattr(body, "close", lambda: None)()
    assert middleware.flush()
    return server


def check(added: Headers, profiles: Profiles) -> None:
    """The lines that were added tell the id of the one profile."""
    request = profiles.one().request
    assert request is not None
    (first, mine), (second, timing) = added
    assert (first.lower(), second.lower()) == ("x-reqprof-id", "server-timing")
    found = re.fullmatch(TIMING, timing)
    assert found is not None
    assert mine == found[1] == request.id
    assert 0 <= float(found[2]) <= request.total * 1000 + 0.1


def text(pairs: Any) -> Headers:
    return [(name.decode("ascii"), value.decode("ascii")) for name, value in pairs]


class TestWsgi:
    def test_two_lines_follow_those_of_the_app(self, profiles: Profiles) -> None:
        mine = [("Content-Type", "text/plain"), ("Server-Timing", "db;dur=5")]

        def app(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", mine)
            return [b"ok"]

        ((status, headers, _),) = ask(app, profiles.folder).started
        assert status == "200 OK"
        assert headers[:2] == mine
        assert len(mine) == 2
        check(headers[2:], profiles)
        assert all(type(part) is str for pair in headers for part in pair)

    def test_a_valid_trigger_asks_for_them(self, profiles: Profiles) -> None:
        def app(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            return [b"ok"]

        secret = "so that nobody guesses it"
        served = wsgi.ProfilerMiddleware(app, profiles.folder, sample=0, trigger=secret)
        for token in (tokens.make(secret, 60), "forged"):
            server = Server()
            asked = {**environ(), "HTTP_X_REQPROF": token}
            served(asked, server.start_response).close()  # type: ignore[attr-defined]
            assert served.flush()
            ((_, headers, _),) = server.started
            assert len(headers) == (0 if token == "forged" else 2)
            if headers:
                check(headers, profiles)

    def test_nothing_of_it_is_in_the_profile(self, profiles: Profiles) -> None:
        def app(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            return [b"ok"]

        def server_start(status: str, headers: Any, exc_info: Any = None) -> None: ...

        middleware = wsgi.ProfilerMiddleware(app, profiles.folder, announce=True)
        body = middleware(environ(), server_start)  # type: ignore[arg-type]
        list(body)
        body.close()  # type: ignore[attr-defined]
        assert middleware.flush()
        assert calls(profiles.one()) == {"app": 1, "server_start": 1}

    def test_a_response_that_is_begun_again_tells_it_again(self, profiles: Profiles) -> None:
        def app(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", [("A", "b")])
            error = KeyError("early")
            start_response("500 Oops", [("C", "d")], (KeyError, error, None))
            return [b"oops"]

        first, second = ask(app, profiles.folder).started
        assert first[1][0] == ("A", "b")
        assert second[1][0] == ("C", "d")
        assert second[2][0] is KeyError
        check(second[1][1:], profiles)

    def test_a_tuple_stays_one(self, profiles: Profiles) -> None:
        def app(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", (("A", "b"),))
            return [b""]

        headers: Any
        ((_, headers, _),) = ask(app, profiles.folder).started
        assert type(headers) is tuple
        check(list(headers[1:]), profiles)

    @pytest.mark.parametrize("make", [iter, dict, lambda _: None, type("Own", (list,), {})])
    def test_what_is_neither_is_the_servers_to_judge(
        self, make: Callable[[Any], Any], profiles: Profiles
    ) -> None:
        given = make([("A", "b")])

        def app(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", given)
            return [b""]

        ((_, headers, _),) = ask(app, profiles.folder).started
        assert headers is given

    def test_missing_headers_are_the_servers_to_complain_about(self, profiles: Profiles) -> None:
        def app(environ: Any, start_response: Any) -> list[bytes]:
            with pytest.raises(TypeError, match="headers"):
                start_response("200 OK")
            start_response("200 OK", headers=[])
            return [b""]

        ((_, headers, _),) = ask(app, profiles.folder).started
        assert headers == []

    @pytest.mark.parametrize("options", [{"announce": False}, {"sample": 0.0}])
    def test_other_responses_are_left_alone(self, options: Any, profiles: Profiles) -> None:
        mine = [("A", "b")]

        def app(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", mine)
            return [b""]

        ((_, headers, _),) = ask(app, profiles.folder, **options).started
        assert headers is mine
        assert mine == [("A", "b")]


class TestAsgi:
    @pytest.mark.parametrize("kind", [list, tuple])
    def test_two_lines_follow_those_of_the_app(self, kind: Any, profiles: Profiles) -> None:
        mine = kind([(b"content-type", b"text/plain"), (b"server-timing", b"db;dur=5")])
        message = {"type": "http.response.start", "status": 200, "headers": mine, "extra": 7}

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(message)
            await send({"type": "http.response.body", "body": b"ok"})

        (server,) = run(asgi.ProfilerMiddleware(app, profiles.folder, announce=True), scope())
        assert {**server.sent[0], "headers": mine} == message
        headers = server.sent[0]["headers"]
        assert type(headers) is kind
        assert headers[:2] == mine == message["headers"]
        check(text(headers[2:]), profiles)
        assert server.sent[1] == {"type": "http.response.body", "body": b"ok"}

    def test_nothing_of_it_is_in_the_profile(self, profiles: Profiles) -> None:
        found = []
        for announce in (False, True):
            folder = Profiles(profiles.folder / str(announce))

            async def app(scope: Any, receive: Any, send: Any) -> None:
                await respond(send, b"ok")

            run(asgi.ProfilerMiddleware(app, folder.folder, announce=announce), scope())
            found.append(calls(folder.one()))
        assert found[0] == found[1]

    @pytest.mark.parametrize("kind", ["websocket.accept", "websocket.http.response.start"])
    def test_a_websocket_is_told_as_it_is_answered(self, kind: str, profiles: Profiles) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": kind, "status": 101})
            await send({"type": "websocket.close"})

        middleware = asgi.ProfilerMiddleware(app, profiles.folder, announce=True)
        (server,) = run(middleware, scope("websocket"))
        check(text(server.sent[0]["headers"]), profiles)
        assert server.sent[1] == {"type": "websocket.close"}

    def test_what_may_not_be_read_twice_is_passed_on(self, profiles: Profiles) -> None:
        class Message(dict[str, Any]): ...

        odd: list[Any] = [
            {"type": "http.response.start", "status": 200, "headers": iter([(b"a", b"b")])},
            {"type": "http.response.start", "status": 200, "headers": None},
            Message(type="http.response.start", status=200, headers=[]),
            {"type": ["unhashable"]},
            {"no type": 7},
            None,
        ]

        async def app(scope: Any, receive: Any, send: Any) -> None:
            for message in odd:
                await send(message)

        (server,) = run(asgi.ProfilerMiddleware(app, profiles.folder, announce=True), scope())
        for sent, message in zip(server.sent, odd, strict=True):
            assert sent == message
        assert server.sent[0]["headers"] is odd[0]["headers"]


@pytest.mark.parametrize(
    ("server", "interface"),
    [
        ("waitress", "wsgi"),
        ("gunicorn", "wsgi"),
        ("gunicorn-gevent", "wsgi"),
        ("uvicorn", "asgi"),
        ("hypercorn", "asgi"),
    ],
)
def test_a_client_gets_the_apps_response_and_the_id_of_a_profile(
    server: str, interface: str, profiles: Profiles, each_engine: str
) -> None:
    app, paths = f"tests.servers.apps:plain_{interface}", ["/alpha", "/beta", "/nowhere"]
    expected = unwrapped(server, app, paths)
    environ = {
        "REQPROF_APP": app,
        "REQPROF_OUT_DIR": str(profiles.folder),
        "REQPROF_ENGINE": each_engine,
        "REQPROF_ANNOUNCE": "1",
    }
    with served(server, f"reqprof.launch:{interface}", environ=environ) as address:
        answered = traffic(address, 60, paths)
    ids = set()
    for path, response in answered:
        plain, mine = without_ours(response)
        assert plain == expected[path]
        ids.add(mine)
    assert len(ids) == 60
    assert ids <= {profile.request.id for profile in profiles.read() if profile.request}


def without_ours(response: Response) -> tuple[Response, str]:
    """The response as it is without reqprof, and the id that was told."""
    status, headers, content = response
    ours = {name.lower(): value for name, value in headers if is_ours(name)}
    found = re.fullmatch(TIMING, ours["server-timing"])
    assert found is not None
    assert ours["x-reqprof-id"] == found[1]
    return (status, [pair for pair in headers if not is_ours(pair[0])], content), found[1]


def is_ours(name: str) -> bool:
    return name.lower() in ("x-reqprof-id", "server-timing")


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
def test_a_websocket_client_gets_it_too(server: str, profiles: Profiles) -> None:
    need_module("websockets")
    from websockets.sync.client import connect

    environ = {
        "REQPROF_APP": "tests.servers.async_apps:plain",
        "REQPROF_OUT_DIR": str(profiles.folder),
        "REQPROF_ANNOUNCE": "1",
    }
    with (
        served(server, "reqprof.launch:asgi", environ=environ) as (host, port),
        connect(f"ws://{host}:{port}/talk", proxy=None) as session,
    ):
        assert session.response is not None
        mine = session.response.headers["X-Reqprof-Id"]
    assert mine in {profile.request.id for profile in profiles.read() if profile.request}
