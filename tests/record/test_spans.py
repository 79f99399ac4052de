"""OpenTelemetry's span of a profiled request tells the id of the profile."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from reqprof import asgi, wsgi
from tests import client
from tests.conftest import Profiles, calls, need_module
from tests.doors.test_asgi import respond, run, scope
from tests.doors.test_wsgi import Server, environ
from tests.record.test_recorder import Service, counts, facts, service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["service"]

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("no_collection", "each_engine")]


class Tracing:
    """The SDK, with an exporter that keeps the spans."""

    def __init__(self) -> None:
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.span = self.provider.get_tracer("tests").start_as_current_span

    def ids(self) -> dict[str, object]:
        """What the spans that ended say, by their names."""
        return {
            span.name: (span.attributes or {}).get("reqprof.id")
            for span in self._exporter.get_finished_spans()
        }


@pytest.fixture
def tracing() -> Tracing:
    need_module("opentelemetry")
    need_module("opentelemetry.sdk")
    return Tracing()


def test_a_span_that_is_there_already_is_told_at_the_beginning(
    tracing: Tracing, service: Service, profiles: Profiles
) -> None:
    def task() -> None:
        with tracing.span("inner"):
            assert "outer" not in tracing.ids()

    with tracing.span("outer"):
        served = service(task, profiles.folder)
        served.get()
    counts(served)
    assert tracing.ids() == {"inner": None, "outer": facts(profiles).id}


def test_a_span_of_the_apps_is_told_where_the_response_begins(
    tracing: Tracing, profiles: Profiles
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        with tracing.span("before"):
            pass
        with tracing.span("request"):
            start_response("200 OK", [])
            start_response("200 OK", [])
        return [b"ok"]

    ask(app, profiles.folder)
    assert tracing.ids() == {"before": None, "request": facts(profiles).id}


@pytest.mark.parametrize("kind", ["http.response.start", "websocket.accept"])
def test_under_asgi_too(tracing: Tracing, profiles: Profiles, kind: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with tracing.span("request"):
            await send({"type": kind, "status": 200})

    run(asgi.ProfilerMiddleware(app, profiles.folder), scope(kind.partition(".")[0]))
    assert tracing.ids() == {"request": facts(profiles).id}


def test_requests_at_once_each_tell_their_own(tracing: Tracing, profiles: Profiles) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with tracing.span(scope["path"]):
            await respond(send, b"a", b"b")

    paths = ["/a", "/b", "/c"]
    middleware = asgi.ProfilerMiddleware(app, profiles.folder)
    run(middleware, *(scope(path=path) for path in paths))
    found = [profile.request for profile in profiles.read() if profile.request]
    assert tracing.ids() == {request.path: request.id for request in found}


@pytest.mark.parametrize("sample", [0.0, 1.0])
def test_without_a_span_that_records_nothing_is_told(
    tracing: Tracing, service: Service, profiles: Profiles, sample: float
) -> None:
    from opentelemetry import trace

    span = trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)
    served = service(lambda: None, profiles.folder, sample=sample)
    with trace.use_span(span):
        served.get()
    with tracing.span("unprofiled"):
        service(lambda: None, profiles.folder, sample=0.0).get()
    counts(served)
    assert tracing.ids() == {"unprofiled": None}


def stand_in(where: str, profiles: Profiles, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The calls of a request whose app has a stand-in for OpenTelemetry."""

    def leaf() -> None: ...

    def set_attribute(name: str, value: object) -> None:
        leaf()
        sorted("ba")
        if where == "raises":
            raise ValueError("no")

    def span() -> Any:
        leaf()
        return SimpleNamespace(is_recording=lambda: began, set_attribute=set_attribute)

    api = SimpleNamespace(get_current_span=span)
    if where == "nowhere":
        monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    else:
        monkeypatch.setitem(sys.modules, "opentelemetry.trace", api)
    began = False

    def before() -> None:
        leaf()

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        nonlocal began
        before()
        began = True
        start_response("200 OK", [])
        began = False
        leaf()
        yield b"ok"

    ask(lambda environ, start: list(app(environ, start)), profiles.folder)
    return calls(profiles.one())


@pytest.mark.parametrize("where", ["there", "raises"])
def test_nothing_of_it_is_in_the_profile(
    where: str, profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Profiles(profiles.folder / "elsewhere")
    found = stand_in(where, profiles, monkeypatch)
    assert found == stand_in("nowhere", elsewhere, monkeypatch)
    assert found["leaf"] == 2
    assert "set_attribute" not in found
    assert not facts(profiles).interrupted


def test_what_a_signal_handler_raises_there_passes_and_the_recording_goes_on(
    profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        if began:
            raise KeyboardInterrupt

    api = SimpleNamespace(get_current_span=interrupted)
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", api)
    began = False

    def before() -> None: ...

    def after() -> None: ...

    def app(environ: Any, start_response: Any) -> list[bytes]:
        nonlocal began
        before()
        began = True
        with pytest.raises(KeyboardInterrupt):
            start_response("200 OK", [])
        began = False
        start_response("200 OK", [])
        after()
        return [b"ok"]

    ask(app, profiles.folder)
    found = calls(profiles.one())
    assert (found["app"], found["before"], found["after"]) == (1, 1, 1)
    assert "interrupted" not in found
    assert not facts(profiles).interrupted


def test_a_module_that_is_half_imported_is_none_of_ours(
    service: Service, profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", SimpleNamespace())
    served = service(lambda: None, profiles.folder, strict=True)
    assert served.get() == b"ok"
    assert counts(served) == {"profiled": 1, "stored": 1}


def test_a_span_that_switches_greenlets_is_not_followed_there(
    profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under gevent its lock may have to be waited for, and the loop goes on meanwhile."""
    need_module("greenlet")
    import greenlet

    def others_work() -> None: ...

    def set_attribute(name: str, value: object) -> None:
        greenlet.greenlet(others_work).switch()

    began = False
    span = SimpleNamespace(is_recording=lambda: began, set_attribute=set_attribute)
    api = SimpleNamespace(get_current_span=lambda: span)
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", api)

    def mine() -> None: ...

    def app(environ: Any, start_response: Any) -> list[bytes]:
        nonlocal began
        began = True
        start_response("200 OK", [])
        greenlet.greenlet(mine).switch()
        return [b"ok"]

    ask(app, profiles.folder)
    found = calls(profiles.one())
    assert found["mine"] == 1
    assert "others_work" not in found
    assert not facts(profiles).interrupted


def ask(app: Callable[..., Any], folder: Any, path: str = "/") -> None:
    """One request to a WSGI app."""
    middleware = wsgi.ProfilerMiddleware(app, folder)
    body: Any = middleware(environ(path), Server().start_response)
    list(body)
    body.close()
    assert middleware.flush()
    assert set(middleware.counters) <= {"profiled", "stored", "pruned"}


def test_flask_and_its_instrumentation(tracing: Tracing, profiles: Profiles) -> None:
    """Its span lives inside of the wrapped app alone."""
    for module in ("flask", "opentelemetry.instrumentation.flask"):
        need_module(module.partition(".")[0])
        need_module(module)
    import flask
    from opentelemetry.instrumentation.flask import FlaskInstrumentor

    app = flask.Flask("shop")
    app.add_url_rule("/books", view_func=lambda: "books", endpoint="books")
    instrumentor: Any = FlaskInstrumentor()
    instrumentor.instrument_app(app, tracer_provider=tracing.provider)
    ask(app.wsgi_app, profiles.folder, "/books")
    assert tracing.ids()["GET /books"] == facts(profiles).id


@pytest.mark.parametrize("ours", ["outside", "inside"])
def test_starlette_and_asgi_instrumentation(
    tracing: Tracing, profiles: Profiles, ours: str
) -> None:
    for module in ("starlette", "opentelemetry.instrumentation.asgi"):
        need_module(module.partition(".")[0])
        need_module(module)
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def books(request: Any) -> PlainTextResponse:
        return PlainTextResponse("books")

    plain: Any = Starlette(routes=[Route("/books", books)])
    if ours == "inside":
        middleware = asgi.ProfilerMiddleware(plain, profiles.folder)
        app: Any = OpenTelemetryMiddleware(middleware, tracer_provider=tracing.provider)
    else:
        plain = OpenTelemetryMiddleware(plain, tracer_provider=tracing.provider)
        app = middleware = asgi.ProfilerMiddleware(plain, profiles.folder)
    asyncio.run(client.ask(app, "/books", []))
    assert middleware.flush()
    mine = facts(profiles).id
    assert [name for name, told in tracing.ids().items() if told == mine] == ["GET /books"]


def test_it_is_never_imported_by_us() -> None:
    program = (
        "import sys, reqprof.wsgi as door\n"
        "app = door.ProfilerMiddleware(lambda e, s: [s('200 OK', [])] and [], '/dev/null/p')\n"
        "app({'PATH_INFO': '/'}, lambda *_: None)\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"[]\n"
