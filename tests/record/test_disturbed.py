"""What disturbs a recording: the app is served all the same, and the profile says what it lacks."""

from __future__ import annotations

import asyncio
import gc
import importlib
import multiprocessing
import sys
import types
from typing import TYPE_CHECKING, Any

import pytest

import reqprof
from reqprof.asgi import ProfilerMiddleware as Asgi
from reqprof.wsgi import ProfilerMiddleware as Wsgi
from tests.conftest import Profiles, calls, need_module

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("each_engine")]

ENVIRON = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}


def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
    return lambda chunk: None


def get(middleware: Any) -> bytes:
    body = middleware(dict(ENVIRON), start_response)
    content = b"".join(body)
    getattr(body, "close", lambda: None)()
    assert middleware.flush()
    return content


def test_a_body_that_cannot_be_looked_at_goes_back_as_it_is(profiles: Profiles) -> None:
    class Shy:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

        def __iter__(self) -> Iterator[bytes]:
            return iter([b"ok"])

    shy = Shy()
    middleware = Wsgi(lambda environ, start_response: shy, profiles.folder, max_concurrent=1)
    for _ in range(2):
        assert middleware(dict(ENVIRON), start_response) is shy
    assert middleware.counters["profiled"] == 2


def test_a_file_that_is_dropped_unclosed_ends_its_profile(profiles: Profiles) -> None:
    class File:
        def read(self) -> bytes:
            return b""

        def close(self) -> None: ...

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](File())

    middleware = Wsgi(app, profiles.folder, max_concurrent=1)
    for _ in range(3):
        middleware({**ENVIRON, "wsgi.file_wrapper": lambda file: file}, start_response)
        gc.collect()
        assert middleware.flush()
    assert middleware.counters["stored"] == 3


def test_write_makes_the_first_byte(profiles: Profiles) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])(b"x")
        return []

    get(Wsgi(app, profiles.folder))
    assert profiles.one().request.first_byte is not None  # type: ignore[union-attr]


def test_sample_is_given_the_facts_that_are_stored(profiles: Profiles) -> None:
    seen = []

    def sample(request: Any) -> bool:
        seen.append((request.id, request.start))
        return True

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return []

    get(Wsgi(app, profiles.folder, sample=sample))
    request = profiles.one().request
    assert request is not None
    assert seen == [(request.id, request.start)]


def run(middleware: Any, **scope: Any) -> None:
    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None: ...

    asyncio.run(middleware({"type": "http", "path": "/", "headers": [], **scope}, receive, send))


def test_headers_that_can_be_read_only_once_are_the_apps(profiles: Profiles) -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])

    run(Asgi(app, profiles.folder), headers=iter([(b"host", b"x")]))
    assert seen == [(b"host", b"x")]


def test_an_ambiguous_app_inside_a_serving_one_is_served_unprofiled() -> None:
    """Starlette builds its middleware inside its first call."""

    class Plain:
        def __call__(self, *arguments: Any) -> str:
            return "served"

    def serve(scope: Any, receive: Any, send: Any) -> Any:
        return reqprof.ProfilerMiddleware(Plain(), "profiles", "surplus")()

    assert serve(None, None, None) == "served"
    with pytest.raises(TypeError, match="neither a WSGI app"):
        reqprof.ProfilerMiddleware(Plain())


def test_a_step_of_another_request_inside_this_ones_marks_both(profiles: Profiles) -> None:
    """As nest_asyncio and its like do."""

    @types.coroutine
    def pause() -> Generator[None, None, None]:
        yield

    def only_b() -> None: ...

    async def b(scope: Any, receive: Any, send: Any) -> None:
        await pause()
        only_b()

    async def a(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(StopIteration):
            other.send(None)

    def app(scope: Any, receive: Any, send: Any) -> Any:
        return (a if scope["path"] == "/a" else b)(scope, receive, send)

    middleware = Asgi(app, profiles.folder)
    scope = {"type": "http", "headers": []}
    other: Any = middleware({**scope, "path": "/b"}, None, None)  # type: ignore[arg-type]
    other.send(None)
    with pytest.raises(StopIteration):
        middleware({**scope, "path": "/a"}, None, None).send(None)  # type: ignore[arg-type]
    assert middleware.flush()
    found = {p.request.path: p.request.interrupted for p in profiles.read() if p.request}
    assert found == {"/a": True, "/b": True}


def test_greenlets_that_come_in_the_middle_of_a_stretch_cut_it_short(
    profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_module("greenlet")
    monkeypatch.delitem(sys.modules, "greenlet", raising=False)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        importlib.import_module("greenlet")
        await asyncio.sleep(0)

    middleware = Asgi(app, profiles.folder)
    run(middleware)
    assert middleware.flush()
    assert profiles.one().request.interrupted  # type: ignore[union-attr]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there the hook is nobody's of ours")
def test_a_saved_and_restored_profile_hook_does_not_break_the_app(profiles: Profiles) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        hook = sys.getprofile()
        sys.setprofile(None)
        sys.setprofile(hook)
        start_response("200 OK", [])
        return [b"x"]

    middleware = Wsgi(app, profiles.folder)
    assert get(middleware) == b"x"
    assert sys.getprofile() is None
    assert middleware.counters["interrupted"] == 1


def _hook_in_child(queue: Any) -> None:
    queue.put(sys.getprofile() is None)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_forked_in_a_request_is_not_recorded(profiles: Profiles) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()
        child = context.Process(target=_hook_in_child, args=(queue,))
        child.start()
        quiet = queue.get()
        child.join()
        start_response("200 OK", [])
        return [str(quiet).encode()]

    assert get(Wsgi(app, profiles.folder)) == b"True"
    assert calls(profiles.one())["app"] == 1


@pytest.mark.parametrize("header", ["00-" + "0" * 32 + "-b7ad6b7169203331-01", "ff-x", "nonsense"])
def test_a_traceparent_that_is_none_is_no_fact(profiles: Profiles, header: str) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return []

    middleware = Wsgi(app, profiles.folder)
    body = middleware({**ENVIRON, "HTTP_TRACEPARENT": header}, start_response)
    list(body)
    body.close()  # type: ignore[attr-defined]
    assert middleware.flush()
    assert profiles.one().request.trace_id is None  # type: ignore[union-attr]
