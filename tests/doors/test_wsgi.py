"""The WSGI door: what the app and the server see, and what the profile covers."""

from __future__ import annotations

import gc
import io
import threading
import wsgiref.util
import wsgiref.validate
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.wsgi import ProfilerMiddleware
from tests.conftest import Profiles, callers, calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("no_collection", "each_engine")]


class Server:
    """The least that PEP 3333 asks of a server."""

    def __init__(self) -> None:
        self.started: list[tuple[str, list[tuple[str, str]], Any]] = []
        self.written: list[bytes] = []

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        if exc_info and self.written:
            raise exc_info[1]
        self.started.append((status, headers, exc_info))
        return self.written.append


def environ(path: str = "/", file_wrapper: Any = None, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": path, **more}
    if file_wrapper is not None:
        made["wsgi.file_wrapper"] = file_wrapper
    wsgiref.util.setup_testing_defaults(made)
    return made


def leaf() -> int:
    return 1


def work(times: int) -> None:
    for _ in range(times):
        leaf()


def test_a_profile_covers_the_call_the_iteration_and_close(profiles: Profiles) -> None:
    closed = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            work(10)
            yield b"a"
            work(100)
            yield b"b"

        def close(self) -> None:
            work(1000)
            closed.append(True)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        work(1)
        start_response("200 OK", [])
        return Body()

    middleware = ProfilerMiddleware(app, profiles.folder)
    body = middleware(environ(), Server().start_response)
    assert b"".join(body) == b"ab"
    work(7)  # the server's own
    body.close()  # type: ignore[attr-defined]
    body.close()  # type: ignore[attr-defined]
    assert closed == [True]
    assert middleware.flush()
    assert calls(profiles.one())["leaf"] == 1111
    assert calls(profiles.one())["work"] == 4


def test_chunks_pass_one_by_one_as_they_are_made(profiles: Profiles) -> None:
    made = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        for chunk in (b"a", b"b", b"c"):
            made.append(chunk)
            yield chunk

    seen = []
    for chunk in ProfilerMiddleware(app, profiles.folder)(environ(), Server().start_response):
        seen.append(chunk)
        assert made == seen


def test_write_and_exc_info_behave(profiles: Profiles) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [("A", "b")])
        try:
            raise KeyError("early")
        except KeyError as error:
            write = start_response("500 Oops", [], (KeyError, error, None))
        write(b"one")
        with pytest.raises(KeyError, match="late"):
            start_response("500 Late", [], (KeyError, KeyError("late"), None))
        return [b"two"]

    server = Server()
    middleware = ProfilerMiddleware(app, profiles.folder)
    body = middleware(environ(), server.start_response)
    assert (server.written, list(body)) == ([b"one"], [b"two"])
    assert [started[0] for started in server.started] == ["200 OK", "500 Oops"]
    body.close()  # type: ignore[attr-defined]
    middleware.flush()
    assert profiles.one().request.status == 500  # type: ignore[union-attr]


def test_the_servers_start_response_is_called_by_the_app_and_not_by_us(profiles: Profiles) -> None:
    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        leaf()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return []

    middleware = ProfilerMiddleware(app, profiles.folder)
    body = middleware(environ(), start_response)
    list(body)
    body.close()  # type: ignore[attr-defined]
    middleware.flush()
    profile = profiles.one()
    assert callers(profile, "start_response") == {"app": 1}
    assert callers(profile, "leaf") == {"start_response": 1}
    assert set(calls(profile)) == {"app", "start_response", "leaf"}


def test_a_body_with_a_length_keeps_it_and_one_without_does_not_get_one(profiles: Profiles) -> None:
    def sized(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"one"]

    def unsized(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        return iter([b"one"])

    server = Server()
    assert len(ProfilerMiddleware(sized, profiles.folder)(environ(), server.start_response)) == 1  # type: ignore[arg-type]
    body = ProfilerMiddleware(unsized, profiles.folder)(environ(), server.start_response)
    assert not hasattr(body, "__len__")


def test_an_exception_of_the_app_passes_and_leaves_a_profile(profiles: Profiles) -> None:
    raised = RuntimeError("boom")

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        work(3)
        raise raised

    middleware = ProfilerMiddleware(app, profiles.folder)
    with pytest.raises(RuntimeError) as caught:
        middleware(environ("/x/7"), Server().start_response)
    assert caught.value is raised
    assert caught.traceback[-1].name == "app"
    middleware.flush()
    profile = profiles.one()
    assert profile.request is not None
    assert profile.request.exception == "RuntimeError"
    assert profile.request.route == "/x/{id}"
    assert profile.request.guessed
    assert calls(profile)["leaf"] == 3


def test_an_exception_while_iterating_passes_and_is_a_fact(profiles: Profiles) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"a"
        raise OSError("gone")

    middleware = ProfilerMiddleware(app, profiles.folder)
    body = middleware(environ(), Server().start_response)
    with pytest.raises(OSError, match="gone"):
        list(body)
    body.close()  # type: ignore[attr-defined]
    middleware.flush()
    request = profiles.one().request
    assert request is not None
    assert (request.status, request.exception) == (200, "OSError")


@pytest.mark.parametrize("begun", [False, True])
def test_a_body_abandoned_half_way_still_ends_the_profile(profiles: Profiles, begun: bool) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        work(5)
        yield b"a"
        yield b"b"

    middleware = ProfilerMiddleware(app, profiles.folder)
    body = middleware(environ(), Server().start_response)
    if begun:
        next(iter(body))
    del body
    gc.collect()
    middleware.flush()
    middleware.flush()  # the first one's end was itself queued
    assert sum(middleware.counters.get(name, 0) for name in ("stored", "empty")) == 1
    assert calls(profiles.one())["leaf"] == 5 if begun else profiles.read() == []


def test_a_body_may_be_iterated_and_closed_by_other_threads(profiles: Profiles) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        work(10)
        yield b"a"
        work(20)

    middleware = ProfilerMiddleware(app, profiles.folder)
    body = middleware(environ(), Server().start_response)
    for step in (lambda: next(iter(body)), lambda: list(body), body.close):  # type: ignore[attr-defined]
        thread = threading.Thread(target=step)
        thread.start()
        thread.join()
    middleware.flush()
    assert calls(profiles.one())["leaf"] == 30


def test_a_file_wrapper_goes_back_as_it_is_and_its_close_ends_the_profile(
    profiles: Profiles,
) -> None:
    file = io.BytesIO(b"x" * 100)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](file)  # type: ignore[no-any-return]

    middleware = ProfilerMiddleware(app, profiles.folder)
    given = environ(file_wrapper=wsgiref.util.FileWrapper)
    body = middleware(given, Server().start_response)
    assert type(body) is wsgiref.util.FileWrapper
    middleware.flush()
    assert profiles.paths() == []
    body.close()
    assert file.closed
    middleware.flush()
    assert profiles.one().request.status == 200  # type: ignore[union-attr]


def test_a_file_that_lets_nobody_hook_its_close_ends_the_profile_at_the_return(
    profiles: Profiles,
) -> None:
    class File:
        __slots__ = ()

        def read(self) -> bytes:
            return b"abc"

        def close(self) -> None: ...

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](File())  # type: ignore[no-any-return]

    def file_wrapper(file: Any, size: int = 1) -> Any:
        return file  # as uWSGI's does, which compares by identity later

    middleware = ProfilerMiddleware(app, profiles.folder)
    body = middleware(environ(file_wrapper=file_wrapper), Server().start_response)
    assert isinstance(body, File)
    middleware.flush()
    assert len(profiles.paths()) == 1


def test_it_stands_between_a_strict_server_and_a_strict_app(profiles: Profiles) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]

    inner = wsgiref.validate.validator(app)
    middleware = ProfilerMiddleware(inner, profiles.folder)
    outer = wsgiref.validate.validator(middleware)
    started: list[str] = []
    given = environ(QUERY_STRING="", SCRIPT_NAME="")

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        started.append(status)
        return lambda chunk: None

    body = outer(given, start_response)
    assert b"".join(body) == b"ok"
    body.close()  # type: ignore[attr-defined]
    assert started == ["200 OK"]


def test_three_moments_in_order(profiles: Profiles) -> None:
    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b""
            yield b"a"
            work(2000)
            yield b"b"

        def close(self) -> None:
            work(2000)

    def app(environ: dict[str, Any], start_response: Any) -> Body:
        start_response("200 OK", [])
        return Body()

    middleware = ProfilerMiddleware(app, profiles.folder)
    body = middleware(environ(), Server().start_response)
    list(body)
    body.close()  # type: ignore[attr-defined]
    middleware.flush()
    request = profiles.one().request
    assert request is not None
    assert request.first_byte is not None
    assert 0 < request.first_byte < request.duration < request.total
    assert request.waited is None


def test_wrapping_twice_profiles_once(profiles: Profiles, tmp_path: Path) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        work(4)
        start_response("200 OK", [])
        return [b"x"]

    inner = ProfilerMiddleware(app, tmp_path / "inner")
    outer = ProfilerMiddleware(inner, profiles.folder)
    body = outer(environ(), Server().start_response)
    list(body)
    body.close()  # type: ignore[attr-defined]
    outer.flush()
    assert calls(profiles.one())["leaf"] == 4
    assert not (tmp_path / "inner").exists()
    assert [name for name in inner.counters if name.startswith("skipped_")]


class TestWerkzeugsArguments:
    def app(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        work(2)
        start_response("200 OK", [])
        return [b"x"]

    def get(self, middleware: ProfilerMiddleware, path: str) -> None:
        body = middleware(environ(path), Server().start_response)
        list(body)
        body.close()  # type: ignore[attr-defined]
        assert middleware.flush()

    def test_profile_dir_is_another_name_for_out_dir(self, profiles: Profiles) -> None:
        self.get(ProfilerMiddleware(self.app, profile_dir=profiles.folder), "/")
        assert len(profiles.paths()) == 1
        with pytest.raises(TypeError, match="two names of one folder"):
            ProfilerMiddleware(self.app, "a", profile_dir="b")

    def test_stream_gets_the_report(self, profiles: Profiles) -> None:
        stream = io.StringIO()
        middleware = ProfilerMiddleware(
            self.app, profiles.folder, stream=stream, sort_by=("ncalls",), restrictions=("leaf",)
        )
        self.get(middleware, "/some/path")
        printed = stream.getvalue()
        assert "PATH: '/some/path'" in printed
        assert "Ordered by: call count" in printed
        assert "(leaf)" in printed
        assert "(work)" not in printed
        assert len(profiles.paths()) == 1

    def test_a_stream_that_fails_costs_nothing_but_itself(self, profiles: Profiles) -> None:
        stream = io.StringIO()
        middleware = ProfilerMiddleware(self.app, profiles.folder, stream=stream)
        stream.close()
        self.get(middleware, "/")
        assert middleware.counters["failed_print"] == 1
        assert len(profiles.paths()) == 1

    @pytest.mark.parametrize(
        "template",
        ["{method}.{path}.{elapsed:.0f}ms.{time:.0f}.prof", "{method}.{url}.{ts}.{duration}ms"],
    )
    def test_filename_format_of_werkzeug_and_of_flameprof(
        self, profiles: Profiles, template: str
    ) -> None:
        self.get(ProfilerMiddleware(self.app, profiles.folder, filename_format=template), "/a/b")
        assert profiles.paths()[0].name.startswith("GET.a.b.")
        assert profiles.paths()[0].suffix == ".prof"

    def test_a_taken_name_gets_the_id_appended(self, profiles: Profiles) -> None:
        middleware = ProfilerMiddleware(self.app, profiles.folder, filename_format="{method}.prof")
        for _ in range(3):
            self.get(middleware, "/")
        names = [path.name for path in profiles.paths()]
        ids = {profile.request.id for profile in profiles.read() if profile.request}
        assert len(names) == len(ids) == 3
        assert sum(name == "GET.prof" for name in names) == 1
        assert sum(any(f"GET.{id_}.prof" == name for id_ in ids) for name in names) == 2

    def test_a_callable_gets_the_environment_with_werkzeugs_key(self, profiles: Profiles) -> None:
        seen: list[dict[str, Any]] = []

        def name(environ: Any) -> str:
            seen.append(environ["werkzeug.profiler"])
            return f"../../{environ['PATH_INFO']}/x.prof"

        self.get(ProfilerMiddleware(self.app, profiles.folder, filename_format=name), "/p")
        assert profiles.paths()[0].name == "p-x.prof"
        assert set(seen[0]) == {"elapsed", "time"}

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"filename_format": "{nothing}.prof"}, "it knows {method}"),
            ({"filename_format": "{elapsed:q}"}, "cannot be filled in"),
            ({"stream": 7}, "stream is a text file"),
            ({"stream": io.StringIO(), "sort_by": ["speed"]}, "'speed' is no key of pstats"),
        ],
    )
    def test_bad_ones_raise_when_the_middleware_is_built(
        self, arguments: dict[str, Any], message: str
    ) -> None:
        with pytest.raises((TypeError, ValueError), match=message):
            ProfilerMiddleware(self.app, **arguments)
