"""What both doors share: who is recorded, what of it is kept, and that the app never notices."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from reqprof import asgi, wsgi
from reqprof.record import delivery, recorder
from reqprof.record.choice import dice
from reqprof.record.engines import NO_ENGINE, Unavailable, choose, lsprof, proof, session
from reqprof.store.background import BACKGROUND
from tests.conftest import Profiles, calls, need_engine, need_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reqprof.model import Request

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("each_engine")]

TRACE = "0af7651916cd43dd8448eb211c80319c"


def leaf() -> int:
    return 1


def work(times: int = 3) -> None:
    for _ in range(times):
        leaf()


class WsgiService:
    """A WSGI app in the middleware, and a server that calls it."""

    def __init__(self, task: Callable[[], None], *arguments: Any, **options: Any) -> None:
        def app(environ: Any, start_response: Any) -> list[bytes]:
            task()
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"ok"]

        self.middleware: Any = wsgi.ProfilerMiddleware(app, *arguments, **options)

    def open(self, path: str = "/", method: str = "GET", **headers: str) -> Callable[[], bytes]:
        """Begin a request; the result reads its body and ends it."""
        environ = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        given = {"REQUEST_METHOD": method, "PATH_INFO": path, **environ}
        body = self.middleware(given, lambda *_: None)

        def end() -> bytes:
            text = b"".join(body)
            getattr(body, "close", lambda: None)()
            return text

        return end

    def get(self, path: str = "/", method: str = "GET", **headers: str) -> bytes:
        return self.open(path, method, **headers)()


class AsgiService:
    """The same with an ASGI app."""

    def __init__(self, task: Callable[[], None], *arguments: Any, **options: Any) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            task()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": b"ok"})

        self.middleware: Any = asgi.ProfilerMiddleware(app, *arguments, **options)

    def open(self, path: str = "/", method: str = "GET", **headers: str) -> Callable[[], bytes]:
        sent: list[bytes] = []

        async def send(message: Any) -> None:
            sent.append(message.get("body", b""))

        given = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": method, "path": path, "headers": given}
        steps = self.middleware(scope, None, send)
        steps.send(None)  # to the sleep

        def end() -> bytes:
            try:
                steps.send(None)
            except StopIteration:
                return b"".join(sent)
            raise AssertionError("it goes on")

        return end

    def get(self, path: str = "/", method: str = "GET", **headers: str) -> bytes:
        return self.open(path, method, **headers)()


Service = type[WsgiService] | type[AsgiService]


@pytest.fixture(params=[WsgiService, AsgiService], ids=["wsgi", "asgi"])
def service(request: pytest.FixtureRequest) -> Service:
    return request.param  # type: ignore[no-any-return]


def counts(served: WsgiService | AsgiService) -> dict[str, int]:
    """What was counted, when all is done; nothing for what never happened."""
    assert served.middleware.flush()
    return {name: count for name, count in served.middleware.counters.items() if count}


def facts(profiles: Profiles) -> Request:
    request = profiles.one().request
    assert request is not None
    return request


@pytest.fixture
def busy() -> Iterator[threading.Event]:
    """The writer thread is busy until the event is set."""
    began, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        began.set()
        go_on.wait(20)

    assert BACKGROUND.drain(5)
    assert BACKGROUND.submit(hold, sys.maxsize)
    assert began.wait(5)
    yield go_on
    go_on.set()
    assert BACKGROUND.drain(5)


class TestMaxConcurrent:
    @pytest.mark.parametrize("most", [1, 2, 4])
    def test_no_more_are_recorded_at_once_and_each_that_is_not_is_counted(
        self, service: Service, profiles: Profiles, most: int
    ) -> None:
        served = service(work, profiles.folder, max_concurrent=most)
        ends = [served.open() for _ in range(6)]
        assert [end() for end in ends] == [b"ok"] * 6
        assert served.get() == b"ok"  # a place is free again
        assert counts(served) == {
            "profiled": most + 1,
            "stored": most + 1,
            "skipped_concurrent": 6 - most,
        }
        assert len(profiles.paths()) == most + 1
        assert sorted(read.request.neighbours for read in profiles.read() if read.request) == [
            0,
            *range(most),
        ]

    def test_threads_that_come_together_do_not_slip_through(
        self, profiles: Profiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        inside, most = 0, 0
        lock = threading.Lock()
        real_start, real_end = recorder.Recorder._start, recorder.Recorder.end

        def start(self: Any, request: Any) -> Any:
            nonlocal inside, most
            recording = real_start(self, request)
            with lock:
                inside += recording is not None
                most = max(most, inside)
            return recording

        def end(self: Any, recording: Any, session: Any) -> None:
            nonlocal inside
            with lock:
                inside -= 1
            real_end(self, recording, session)

        monkeypatch.setattr(recorder.Recorder, "_start", start)
        monkeypatch.setattr(recorder.Recorder, "end", end)
        served = WsgiService(work, profiles.folder, max_concurrent=2)

        def client() -> None:
            for _ in range(60):
                served.get()

        switch = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            threads = [threading.Thread(target=client) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(switch)
        assert most <= 2
        found = counts(served)
        assert found["profiled"] + found.get("skipped_concurrent", 0) == 360
        assert found["profiled"] == found["stored"] == len(profiles.paths())

    @pytest.mark.parametrize(
        ("options", "most"),
        [
            ({"sample": 1.0}, None),
            ({"sample": 1.0 - 1e-12}, 1 if sys.version_info >= (3, 12) else None),
            ({"sample": 1.0 - 1e-12, "max_concurrent": 2}, 2),
            ({"sample": 1.0, "max_concurrent": 2}, 2),
            ({"sample": lambda request: True}, None),
        ],
    )
    def test_a_rate_below_one_means_one_at_a_time_where_all_threads_pay(
        self, service: Service, profiles: Profiles, options: Any, most: int | None
    ) -> None:
        served = service(work, profiles.folder, **options)
        for end in [served.open() for _ in range(4)]:
            end()
        assert counts(served)["profiled"] == (most or 4)

    def test_a_forked_child_has_all_its_places(self, profiles: Profiles) -> None:
        code = f"""
        import os, sys
        from tests.record.test_recorder import *
        served = WsgiService(work, {str(profiles.folder)!r}, max_concurrent=1)
        end = served.open("/parent")
        child = os.fork()
        if not child:
            served.get("/child")
            assert served.middleware.flush()
            os._exit(0 if served.middleware.counters.get("skipped_concurrent", 0) == 0 else 1)
        assert os.waitpid(child, 0)[1] == 0
        end()
        """
        run(code)
        paths = [read.request.path for read in profiles.read() if read.request]
        assert sorted(str(path) for path in paths) == ["/child", "/parent"]


def run(code: str, **variables: str) -> None:
    subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
        check=True,
        timeout=60,
    )


class TestQueue:
    def test_a_full_one_drops_and_counts_and_later_requests_are_not_even_recorded(
        self,
        service: Service,
        profiles: Profiles,
        busy: threading.Event,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(recorder, "MAX_QUEUE", 2)
        monkeypatch.setattr(delivery, "MAX_QUEUE", 2)
        served = service(work, profiles.folder)
        ends = [served.open() for _ in range(5)]
        assert [end() for end in ends] == [b"ok"] * 5
        assert [served.get() for _ in range(3)] == [b"ok"] * 3
        busy.set()
        assert counts(served) == {"profiled": 5, "dropped": 3, "stored": 2, "skipped_backlog": 3}
        assert [record.getMessage().split(":")[0] for record in caplog.records] == [
            "dropped",
            "skipped_backlog",
        ]
        assert served.get() == b"ok"
        assert counts(served)["stored"] == 3

    def test_a_request_does_not_wait_for_a_writer_that_hangs(
        self, service: Service, profiles: Profiles, busy: threading.Event
    ) -> None:
        served = service(work, profiles.folder)
        assert [served.get() for _ in range(20)] == [b"ok"] * 20
        assert profiles.paths() == []
        assert not served.middleware.flush(0.01)
        busy.set()
        assert counts(served) == {"profiled": 20, "stored": 20}


class TestStorePath:
    SECRET = "tok3n-of-alice"

    def everything(self, profiles: Profiles) -> bytes:
        """All names and bytes below the folder."""
        found = sorted(path for path in profiles.folder.rglob("*"))
        assert len(found) >= 3
        return b"".join(
            str(path.relative_to(profiles.folder)).encode()
            + (path.read_bytes() if path.is_file() else b"")
            for path in found
        )

    def test_true_keeps_it(self, service: Service, profiles: Profiles) -> None:
        service(work, profiles.folder).get(f"/reset/{self.SECRET}/7")
        assert BACKGROUND.drain(5)
        assert self.SECRET.encode() in self.everything(profiles)

    @pytest.mark.parametrize(
        "path", [f"/reset/{SECRET}/7", f"/{SECRET}", SECRET, f"/{SECRET * 200}"]
    )
    def test_false_leaves_no_trace_of_it(
        self, service: Service, profiles: Profiles, path: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        served = service(work, profiles.folder, store_path=False)
        assert served.get(path) == b"ok"
        assert counts(served)["stored"] == 1
        assert self.SECRET.encode() not in self.everything(profiles)
        assert self.SECRET not in caplog.text
        request = facts(profiles)
        assert (request.path, request.route) == (None, None)

    @pytest.mark.parametrize("template", ["{path}", "{url}.{method}"])
    def test_nor_under_a_name_of_the_users(self, profiles: Profiles, template: str) -> None:
        served = WsgiService(work, profiles.folder, store_path=False, filename_format=template)
        served.get(f"/{self.SECRET}/7")
        assert counts(served)["stored"] == 1
        assert self.SECRET.encode() not in self.everything(profiles)

    def test_a_frameworks_template_stays(self, profiles: Profiles) -> None:
        need_module("flask")
        import flask
        import werkzeug.test

        app = flask.Flask(__name__)
        app.add_url_rule("/reset/<token>", view_func=lambda token: token)
        middleware = wsgi.ProfilerMiddleware(app, profiles.folder, store_path=False)
        werkzeug.test.Client(middleware).get(f"/reset/{self.SECRET}").close()
        assert middleware.flush()
        assert facts(profiles).route == "/reset/<token>"
        assert not facts(profiles).guessed
        assert self.SECRET.encode() not in self.everything(profiles)

    def test_a_choosing_callable_still_sees_it(self, service: Service, profiles: Profiles) -> None:
        seen: list[str | None] = []

        def choose(request: Request) -> bool:
            seen.append(request.path)
            return True

        served = service(work, profiles.folder, store_path=False, sample=choose)
        served.get("/x/7")
        assert seen == ["/x/7"]
        assert counts(served)["stored"] == 1
        assert facts(profiles).path is None


class TestBadEnvironment:
    def test_a_folder_that_takes_nothing_costs_the_app_nothing_and_comes_back(
        self, service: Service, profiles: Profiles, caplog: pytest.LogCaptureFixture
    ) -> None:
        profiles.folder.write_bytes(b"a file stands here")
        served = service(work, profiles.folder)
        assert [served.get() for _ in range(3)] == [b"ok"] * 3
        assert counts(served) == {"profiled": 3, "unwritten": 3, "unsaved_times": 1}
        assert {record.name for record in caplog.records} == {"reqprof"}
        told = [record.getMessage() for record in caplog.records]
        assert [line.partition(":")[0] for line in told] == ["unwritten", "unsaved_times"]
        assert all(str(profiles.folder) in line for line in told)
        assert profiles.folder.read_bytes() == b"a file stands here"
        profiles.folder.unlink()
        assert served.get() == b"ok"
        assert counts(served) == {"profiled": 4, "unwritten": 3, "unsaved_times": 1, "stored": 1}
        assert len(profiles.paths()) == 1

    def test_strict_raises_when_the_middleware_is_built(
        self, service: Service, profiles: Profiles
    ) -> None:
        profiles.folder.write_bytes(b"a file stands here")
        with pytest.raises(OSError, match="profiles"):
            service(work, profiles.folder, strict=True)

    def test_strict_makes_the_folder_at_once(self, service: Service, profiles: Profiles) -> None:
        service(work, profiles.folder, strict=True)
        assert profiles.folder.is_dir()

    @pytest.mark.parametrize("lacking", [True, False])
    def test_without_the_exact_engine_cprofile_records_and_the_log_says_so_once(
        self,
        service: Service,
        profiles: Profiles,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        lacking: bool,
    ) -> None:
        need_engine("exact")
        monkeypatch.setattr(choose, "AUTO", ("exact", "cprofile"))
        if lacking:
            monkeypatch.setattr(choose, "exact", None)
        else:
            monkeypatch.setattr(choose.exact.Session, "finish", lambda self: {})
            monkeypatch.setattr(choose, "prove", proof.prove.__wrapped__)  # without its cache
        served = service(work, profiles.folder)
        assert [served.get() for _ in range(3)] == [b"ok"] * 3
        assert counts(served) == {"profiled": 3, "stored": 3}
        assert {p.request.engine for p in profiles.read() if p.request} == {"cprofile"}
        (record,) = caplog.records
        why = "the exact engine is not here" if lacking else "the engine's self-test failed"
        assert why in record.getMessage()
        assert 'engine="cprofile"' in record.getMessage()

    def test_where_it_is_asked_for_by_name_nothing_stands_in(
        self,
        service: Service,
        profiles: Profiles,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(choose, "exact", None)
        served = service(work, profiles.folder, engine="exact")
        assert served.get() == b"ok"
        assert counts(served) == {NO_ENGINE: 1}
        (record,) = caplog.records
        assert "requests go unprofiled: the exact engine is not here" in record.getMessage()
        with pytest.raises(Unavailable, match="not here"):
            service(work, profiles.folder, engine="exact", strict=True)

    def test_an_engine_that_is_not_to_be_had_is_asked_again_after_a_while(
        self,
        service: Service,
        profiles: Profiles,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        asked = []

        def engine(*_: Any, **settings: Any) -> Any:
            asked.append(settings)
            raise Unavailable(NO_ENGINE, "its self-test failed")

        with monkeypatch.context() as patched:
            patched.setattr(choose, "engine", engine)
            served = service(work, profiles.folder)
            assert [served.get() for _ in range(3)] == [b"ok"] * 3
            assert len(asked) == 1
            assert len(caplog.records) == 1
            assert "its self-test failed" in caplog.text
        later = time.monotonic() + 60
        monkeypatch.setattr(time, "monotonic", lambda: later)
        assert served.get() == b"ok"
        monkeypatch.undo()
        assert counts(served)["stored"] == 1
        assert counts(served)[NO_ENGINE] >= 3

    def test_strict_tells_of_an_engine_that_is_not_to_be_had(
        self, service: Service, profiles: Profiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def engine(*_: Any, **settings: Any) -> Any:
            raise Unavailable(NO_ENGINE, "its self-test failed")

        monkeypatch.setattr(choose, "engine", engine)
        with pytest.raises(Unavailable):
            service(work, profiles.folder, strict=True)


class TestSample:
    def test_a_callable_sees_the_facts_of_the_start(
        self, service: Service, profiles: Profiles
    ) -> None:
        seen: list[Request] = []

        def choose(request: Request) -> bool:
            seen.append(request)
            return request.path == "/chosen"

        served = service(work, profiles.folder, sample=choose)
        for path in ("/chosen", "/other"):
            served.get(path, "PUT", traceparent=f"00-{TRACE}-b7ad6b7169203331-01")
        assert [(r.kind, r.method, r.path, r.trace_id) for r in seen] == [
            ("http", "PUT", "/chosen", TRACE),
            ("http", "PUT", "/other", TRACE),
        ]
        assert all(request.start > 1.6e9 for request in seen)
        assert counts(served) == {"profiled": 1, "stored": 1}
        assert facts(profiles).path == "/chosen"

    @pytest.mark.parametrize(
        ("choice", "weight"),
        [(True, 1.0), (1, 1.0), (1.0 - 1e-12, 1.0), (False, None), (0, None), (0.0, None)],
    )
    def test_it_may_return_a_bool_or_a_rate(
        self, service: Service, profiles: Profiles, choice: Any, weight: float | None
    ) -> None:
        served = service(work, profiles.folder, sample=lambda request: choice)
        assert served.get() == b"ok"
        assert counts(served).get("stored", 0) == (weight is not None)
        assert [read.request.weight for read in profiles.read() if read.request] == (
            [] if weight is None else [pytest.approx(weight)]
        )

    def test_the_weight_is_one_over_the_rate(
        self, service: Service, profiles: Profiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        served = service(work, profiles.folder, sample=0.25)
        throws = itertools.cycle([0.1, 0.3, 0.9, 0.2])
        monkeypatch.setattr(dice, "throw", lambda: next(throws))
        assert [served.get() for _ in range(8)] == [b"ok"] * 8
        assert counts(served) == {"profiled": 4, "stored": 4}
        assert [read.request.weight for read in profiles.read() if read.request] == [4.0] * 4

    def test_never_means_never_and_costs_no_engine(
        self, service: Service, profiles: Profiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(choose, "engine", lambda *_, **__: pytest.fail("an engine was made"))
        served = service(work, profiles.folder, sample=0.0)
        assert served.get() == b"ok"
        assert counts(served) == {}
        assert profiles.paths() == []

    @pytest.mark.parametrize(
        "choose",
        [
            lambda request: 1 / 0,
            lambda request: None,
            lambda request: "yes",
            lambda request: 7,
            lambda: True,
            lambda request: request.nothing,
        ],
    )
    def test_one_that_raises_or_returns_nonsense_never_reaches_the_app(
        self, service: Service, profiles: Profiles, choose: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        served = service(work, profiles.folder, sample=choose)
        assert [served.get() for _ in range(3)] == [b"ok"] * 3
        assert counts(served) == {"failed_begin": 3}
        assert len(caplog.records) == 1
        assert profiles.paths() == []

    def test_strict_lets_it_through(self, service: Service, profiles: Profiles) -> None:
        served = service(work, profiles.folder, sample=lambda request: 1 / 0, strict=True)
        with pytest.raises(ZeroDivisionError):
            served.get()


class TestFacts:
    @pytest.mark.parametrize(
        ("header", "trace"),
        [
            (f"00-{TRACE}-b7ad6b7169203331-01", TRACE),
            (f"00-{TRACE}-b7ad6b7169203331-00", TRACE),
            (f"cc-{TRACE}-b7ad6b7169203331-01", TRACE),
            ("", None),
            ("nonsense", None),
            (f"00-{TRACE.upper()}-b7ad6b7169203331-01", None),
            (f"00-{TRACE}-b7ad6b7169203331", None),
            (f"00-{TRACE}-b7ad6b7169203331-01\n", None),
            (f" 00-{TRACE}-b7ad6b7169203331-01", None),
            ("00-" + "0" * 10_000, None),
        ],
    )
    def test_the_trace_id_is_that_of_the_traceparent(
        self, service: Service, profiles: Profiles, header: str, trace: str | None
    ) -> None:
        served = service(work, profiles.folder)
        served.get("/", traceparent=header)
        assert counts(served)["stored"] == 1
        assert facts(profiles).trace_id == trace

    def test_endless_ones_are_cut(self, service: Service, profiles: Profiles) -> None:
        served = service(work, profiles.folder)
        served.get("/" + "x" * 100_000, "G" * 100_000)
        assert counts(served)["stored"] == 1
        request = facts(profiles)
        assert request.path == "/" + "x" * 2047
        assert request.method == "G" * 64
        assert profiles.paths()[0].stat().st_size < 10_000

    def test_who_and_where(self, service: Service, profiles: Profiles) -> None:
        served = service(work, profiles.folder, engine="cprofile", clock="cpu", builtins=False)
        thread = threading.Thread(target=served.get, name="worker-7")
        thread.start()
        thread.join()
        assert counts(served)["stored"] == 1
        request = facts(profiles)
        assert re.fullmatch(r"[0-9a-f]{12}", request.id)
        assert (request.thread, request.pid) == ("worker-7", os.getpid())
        assert (request.clock, request.builtins, request.engine) == ("cpu", False, "cprofile")
        assert request.python == ".".join(map(str, sys.version_info[:3]))
        assert request.calls == sum(row[1] for row in profiles.one().stats.values())
        assert request.host
        assert not request.interrupted
        assert (request.cpu or 0.0) >= 0

    def test_ids_differ(self, service: Service, profiles: Profiles) -> None:
        served = service(work, profiles.folder)
        for _ in range(20):
            served.get()
        assert counts(served)["stored"] == 20
        assert len({read.request.id for read in profiles.read() if read.request}) == 20

    def test_a_header_that_is_malformed_costs_the_profile_and_not_the_request(
        self, profiles: Profiles
    ) -> None:
        served = AsgiService(work, profiles.folder)
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/", "headers": [("x",)]}
        asyncio.run(served.middleware(scope, None, send))
        assert sent[-1]["body"] == b"ok"
        assert counts(served) == {"failed_begin": 1}

    def test_bytes_that_are_no_text_are_replaced(self, profiles: Profiles) -> None:
        served = WsgiService(work, profiles.folder)
        served.get("/caf\xc3\xa9/\xff")
        assert counts(served)["stored"] == 1
        assert facts(profiles).path == "/caf\N{LATIN SMALL LETTER E WITH ACUTE}/\ufffd"


def test_a_profile_without_a_call_is_counted_and_not_written(profiles: Profiles) -> None:
    middleware: Any = wsgi.ProfilerMiddleware(itertools.chain, profiles.folder)  # type: ignore[arg-type]
    middleware({"PATH_INFO": "/"}, []).close()
    assert middleware.flush()
    assert middleware.counters == {"profiled": 1, "empty": 1}
    assert profiles.paths() == []


class TestFaultyEngine:
    """A fault in what measures costs the profile, never the response."""

    def check(
        self, service: Service, profiles: Profiles, counter: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        served = service(work, profiles.folder)
        assert [served.get() for _ in range(3)] == [b"ok"] * 3
        assert counts(served)[counter] == 3
        assert "stored" not in counts(served)
        assert profiles.paths() == []
        assert len(caplog.records) == 1
        assert "on purpose" in caplog.text

    def fail(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("on purpose")

    def test_that_cannot_begin(
        self,
        service: Service,
        profiles: Profiles,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(choose.LaneEngine, "session", self.fail)
        self.check(service, profiles, "failed_begin", caplog)

    @pytest.mark.parametrize("step", ["lane", "left"])
    def test_that_stumbles_in_a_stretch(
        self,
        service: Service,
        profiles: Profiles,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        step: str,
        no_more: Callable[[], None],
    ) -> None:
        service(work, profiles.folder)  # the self-test is done
        monkeypatch.setattr(session.LaneSession, step, self.fail)
        self.check(service, profiles, "failed_stats", caplog)
        monkeypatch.undo()
        no_more()

    def test_that_cannot_finish(
        self,
        service: Service,
        profiles: Profiles,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        for kind in (lsprof.CprofileSession, *((choose.exact.Session,) if choose.exact else ())):
            monkeypatch.setattr(kind, "finish", self.fail)
        self.check(service, profiles, "failed_stats", caplog)

    def test_that_cannot_tell_its_cost(
        self,
        service: Service,
        profiles: Profiles,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        for kind in (session.LaneSession, *((choose.exact.Session,) if choose.exact else ())):
            monkeypatch.setattr(kind, "cost", self.fail)
        self.check(service, profiles, "failed_stats", caplog)

    def test_its_fault_frees_the_place_of_the_next_request(
        self, service: Service, profiles: Profiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        served = service(work, profiles.folder, max_concurrent=1)
        with monkeypatch.context() as patched:
            patched.setattr(choose.LaneEngine, "session", self.fail)
            served.get()
        assert served.get() == b"ok"
        assert counts(served) == {"failed_begin": 1, "profiled": 1, "stored": 1}

    def test_a_writer_with_a_fault_is_counted_apart(
        self, service: Service, profiles: Profiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        served = service(work, profiles.folder)
        monkeypatch.setattr(served.middleware._recorder._delivery._writer, "write", self.fail)
        assert served.get() == b"ok"
        assert counts(served) == {"profiled": 1, "failed_write": 1}


class TestCounts:
    def test_what_was_pruned_is_counted(self, service: Service, profiles: Profiles) -> None:
        served = service(work, profiles.folder, max_files=2)
        for _ in range(5):
            served.get()
        assert counts(served) == {"profiled": 5, "stored": 5, "pruned": 3}
        assert len(profiles.paths()) == 2

    def test_every_recorded_request_ends_in_one_of_the_counters(
        self, service: Service, profiles: Profiles
    ) -> None:
        served = service(work, profiles.folder)
        threads = [
            threading.Thread(target=lambda: [served.get() for _ in range(20)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = counts(served)
        assert found["profiled"] == found["stored"] == len(profiles.paths()) == 80
        assert all(calls(read)["leaf"] == 3 for read in profiles.read())

    def test_switched_off_there_are_none(
        self, service: Service, profiles: Profiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQPROF_ENABLED", "0")
        served = service(work, profiles.folder, strict=True)
        assert served.get() == b"ok"
        assert counts(served) == {}
        assert not profiles.folder.exists()


class TestBuiltWhileServing:
    """Starlette builds its middleware inside its first call."""

    def app(self, *arguments: Any, **options: Any) -> Any:
        need_module("starlette")
        from starlette.applications import Starlette
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route

        async def view(request: Any) -> PlainTextResponse:
            work()
            return PlainTextResponse("ok")

        app = Starlette(routes=[Route("/", view)])
        app.add_middleware(asgi.ProfilerMiddleware, *arguments, **options)
        return app

    def get(self, app: Any) -> bytes:
        from tests.doors.test_frameworks import get

        return get(app, "/")[1]

    @pytest.mark.parametrize(
        "bad",
        [
            {"sample": 7},
            {"nonsense": True},
            {"clock": "x"},
            {"out_dir": 7},
            {"out_dir": ""},
            {"out_dir": "~nobody-by-this-name"},
            {"max_files": 0},
        ],
        ids=str,
    )
    def test_a_bad_argument_there_is_logged_and_the_app_runs(
        self, profiles: Profiles, bad: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = self.app(**{"out_dir": profiles.folder, **bad})
        assert self.get(app) == self.get(app) == b"ok"
        (record,) = caplog.records
        assert (record.name, record.levelname) == ("reqprof", "ERROR")
        assert record.getMessage().startswith("nothing is profiled: ")
        assert next(iter(bad)) in record.getMessage()
        with pytest.raises((TypeError, ValueError)):
            asgi.ProfilerMiddleware(app, **{"out_dir": profiles.folder, **bad})

    def test_a_bad_folder_there_is_counted_and_comes_back(self, profiles: Profiles) -> None:
        profiles.folder.write_bytes(b"a file stands here")
        app = self.app(out_dir=profiles.folder)
        assert self.get(app) == b"ok"
        assert BACKGROUND.drain(5)
        profiles.folder.unlink()
        assert self.get(app) == b"ok"
        assert BACKGROUND.drain(5)
        assert len(profiles.paths()) == 1

    def test_strict_raises_even_there(self, profiles: Profiles) -> None:
        with pytest.raises(ValueError, match="sample"):
            self.get(self.app(out_dir=profiles.folder, sample=7, strict=True))

    def test_a_wsgi_middleware_built_in_a_call_keeps_quiet_too(
        self, profiles: Profiles, caplog: pytest.LogCaptureFixture
    ) -> None:
        def app(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [])
            return [b"ok"]

        def lazy(environ: Any, start_response: Any) -> Any:
            bad: Any = {"sample": 7}
            return wsgi.ProfilerMiddleware(app, profiles.folder, **bad)(environ, start_response)

        assert lazy({}, lambda *_: None) == [b"ok"]
        assert len(caplog.records) == 1

    def test_outside_a_call_nothing_is_kept_quiet(self, profiles: Profiles) -> None:
        bad: Any = {"sample": 7}
        with pytest.raises(ValueError, match="sample"):
            wsgi.ProfilerMiddleware(lambda environ, start_response: [], profiles.folder, **bad)
