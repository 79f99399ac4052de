"""Every request is timed, profiled or not, and the app does not notice."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import math
import os
import random
import subprocess
import sys
import threading
import time
import weakref
from collections import Counter
from typing import TYPE_CHECKING, Any
from wsgiref.util import FileWrapper

import pytest

from reqprof import asgi, wsgi
from reqprof.record import pulse, route, times
from reqprof.store import index, traffic_files
from reqprof.store.traffic import SLOWEST, WINDOW, Series, Tally
from tests.conftest import Profiles, calls, need_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.recording


def tallies(profiles: Profiles) -> dict[Series, Tally]:
    found: dict[Series, Tally] = {}
    for window in traffic_files.read(profiles.folder):
        for series, tally in window.tallies.items():
            found.setdefault(series, Tally()).merge(tally)
    return found


def only(profiles: Profiles) -> tuple[Series, Tally]:
    (found,) = tallies(profiles).items()
    return found


def begin(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
    return lambda data: None


class Wsgi:
    """A server that calls one WSGI app, wrapped so that it is timed alone."""

    def __init__(self, app: Any, profiles: Profiles, **options: Any) -> None:
        given = {"sample": 0.0, **options}
        self.middleware = wsgi.ProfilerMiddleware(app, profiles.folder, **given)

    def call(self, path: str = "/", environ: dict[str, Any] | None = None) -> Any:
        given = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path, **(environ or {})}
        return self.middleware(given, begin)

    def get(self, path: str = "/", environ: dict[str, Any] | None = None) -> list[bytes]:
        body = self.call(path, environ)
        chunks = list(body)
        body.close()
        return chunks

    def flush(self) -> None:
        assert self.middleware.flush()


def answer(status: str, body: Any = (b"x",)) -> Callable[..., Any]:
    def app(environ: Any, start_response: Any) -> Any:
        start_response(status, [])
        return body

    return app


def test_a_request_is_counted_by_its_route_and_how_it_ended(profiles: Profiles) -> None:
    served = Wsgi(answer("404 Not Found"), profiles)
    served.get("/users/17")
    served.get("/users/18")
    served.flush()
    series, tally = only(profiles)
    assert series == Series("http", "GET", "/users/{id}", guessed=True, outcome="4xx")
    assert (tally.count, tally.traced) == (2, 0)
    (_, _, request), _ = sorted(tally.slowest)
    assert request.path in ("/users/17", "/users/18")
    assert (request.status, request.engine, request.pid) == (404, "", os.getpid())
    assert abs(request.start - time.time()) < 60
    assert 0 < request.duration <= request.total
    assert profiles.paths() == []


def test_its_time_is_the_apps_and_the_servers_up_to_the_last_byte(
    profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            now[0] += 2
            yield b"a"
            now[0] += 4
            yield b"b"

        def close(self) -> None:
            now[0] += 32

    def app(environ: Any, start_response: Any) -> Any:
        now[0] += 1
        start_response("200 OK", [])
        return Body()

    served = Wsgi(app, profiles)
    body = served.call()
    for _ in body:
        now[0] += 8  # on its way to the client
    body.close()
    served.flush()
    _, tally = only(profiles)
    ((_, _, request),) = tally.slowest
    assert (request.duration, request.total) == (23, 55)
    assert (tally.total, tally.longest) == (23, 23)


def test_an_app_that_raises_is_counted_so(profiles: Profiles) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        raise KeyError("no user")

    served = Wsgi(app, profiles)
    with pytest.raises(KeyError, match="no user"):
        served.get()
    served.flush()
    series, tally = only(profiles)
    assert series.outcome == "raised"
    assert tally.slowest[0][2].exception == "KeyError"


def test_a_body_that_fails_to_close_is_counted_so(profiles: Profiles) -> None:
    class Body(list[bytes]):
        def close(self) -> None:
            raise OSError("gone")

    served = Wsgi(answer("200 OK", Body([b"x"])), profiles)
    with pytest.raises(OSError, match="gone"):
        served.get()
    served.flush()
    assert only(profiles)[0].outcome == "raised"


@pytest.mark.parametrize("body", [[b"x"], (b"x", b"y"), [], io.BytesIO(b"x\ny")])
def test_a_body_stays_what_it_is_to_the_server(profiles: Profiles, body: Any) -> None:
    served = Wsgi(answer("200 OK", body), profiles)
    given = served.call()
    assert hasattr(given, "__len__") == hasattr(body, "__len__")
    if hasattr(body, "__len__"):
        assert len(given) == len(body)
        assert list(given) == list(body)
    given.close()
    served.flush()
    assert only(profiles)[1].count == 1


def test_a_file_of_the_servers_own_goes_through_as_it_is(profiles: Profiles) -> None:
    body = FileWrapper(io.BytesIO(b"x" * 100))
    served = Wsgi(answer("200 OK", body), profiles)
    given = served.call("/", {"wsgi.file_wrapper": FileWrapper})
    assert given is body
    served.flush()
    assert tallies(profiles) == {}
    given.close()
    served.flush()
    assert only(profiles)[1].count == 1


def test_a_body_that_is_dropped_unclosed_is_counted(profiles: Profiles) -> None:
    served = Wsgi(answer("200 OK"), profiles)
    served.call()
    gc.collect()
    served.flush()
    assert only(profiles)[1].count == 1


def test_a_body_that_is_closed_twice_is_counted_once(profiles: Profiles) -> None:
    served = Wsgi(answer("200 OK"), profiles)
    body = served.call()
    body.close()
    body.close()
    del body
    served.flush()
    assert only(profiles)[1].count == 1


def test_start_response_returns_the_servers_write_and_takes_what_it_takes(
    profiles: Profiles,
) -> None:
    written: list[bytes] = []
    told: list[Any] = []

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [], exc_info=None)(b"early")
        return [b"late"]

    def start_response(status: str, headers: Any, exc_info: Any = "none given") -> Any:
        told.append((status, headers, exc_info))
        return written.append

    middleware = wsgi.ProfilerMiddleware(app, profiles.folder, sample=0.0)
    list(middleware({"PATH_INFO": "/"}, start_response))
    assert written == [b"early"]
    assert told == [("200 OK", [], None)]


def test_nothing_of_a_request_is_kept_alive(profiles: Profiles) -> None:
    class Environ(dict[str, Any]):
        pass

    served = Wsgi(answer("200 OK"), profiles)
    environ = Environ(REQUEST_METHOD="GET", PATH_INFO="/", SCRIPT_NAME="")
    gone = weakref.ref(environ)
    gc.disable()
    try:
        body = served.middleware(environ, begin)
        list(body)
        body.close()  # type: ignore[attr-defined]
        del body, environ
        assert gone() is None
    finally:
        gc.enable()


def test_many_requests_leave_behind_what_few_do(profiles: Profiles) -> None:
    served = Wsgi(answer("200 OK"), profiles)
    for _ in range(300):
        served.get("/x")
    served.flush()
    kinds = Counter(type(each).__name__ for each in gc.get_objects())
    assert kinds["_Timed"] == kinds["_TimedBody"] == kinds["_TimedSizedBody"] == 0
    assert served.middleware._recorder is not None
    waiting = served.middleware._recorder.upkeep.waiting()
    assert not waiting
    assert len(only(profiles)[1].slowest) == SLOWEST


def test_flasks_rule_is_the_route(profiles: Profiles) -> None:
    need_module("flask")
    from flask import Flask

    app = Flask(__name__)
    app.add_url_rule("/u/<int:number>", "user", lambda number: str(number))
    served = Wsgi(app.wsgi_app, profiles)
    served.get("/u/7", {"wsgi.url_scheme": "http", "SERVER_NAME": "x", "SERVER_PORT": "80"})
    served.flush()
    assert only(profiles)[0] == Series("http", "GET", "/u/<int:number>", False, "2xx")


class Asgi:
    """A server that calls one ASGI app, wrapped so that it is timed alone."""

    def __init__(self, app: Any, profiles: Profiles, **options: Any) -> None:
        given = {"sample": 0.0, **options}
        self.middleware = asgi.ProfilerMiddleware(app, profiles.folder, **given)

    def get(self, path: str = "/", **scope: Any) -> list[Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        given = {"type": "http", "method": "GET", "path": path, "headers": [], **scope}
        asyncio.run(self.middleware(given, receive, send))
        return sent

    def flush(self) -> None:
        assert self.middleware.flush()


START = {"type": "http.response.start", "status": 201, "headers": []}
END = {"type": "http.response.body", "body": b"x"}


def test_an_asgi_request_is_timed_to_its_last_byte(
    profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        monkeypatch.setattr(time, "perf_counter", lambda: now[0])
        now[0] = began[0] + 1
        await send(START)
        await send({**END, "more_body": True})
        now[0] += 2
        await send(END)
        now[0] += 4  # work after the response

    began: list[float] = []
    real = time.perf_counter

    def first() -> float:
        began.append(real())
        return began[0]

    served = Asgi(app, profiles)
    monkeypatch.setattr(time, "perf_counter", first)
    assert served.get() == [START, {**END, "more_body": True}, END]
    monkeypatch.undo()
    served.flush()
    series, tally = only(profiles)
    assert series.outcome == "2xx"
    ((_, _, request),) = tally.slowest
    assert request.duration == pytest.approx(3)
    assert request.total == pytest.approx(7)


@pytest.mark.parametrize(
    ("messages", "outcome"),
    [
        ([{"type": "websocket.accept"}, {"type": "websocket.close"}], "1xx"),
        ([{"type": "websocket.close"}], "4xx"),
        ([{"type": "nonsense"}], ""),
        ([{}], ""),
    ],
)
def test_a_websocket_is_timed(profiles: Profiles, messages: list[Any], outcome: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    served = Asgi(app, profiles)
    assert served.get("/ws", type="websocket") == messages
    served.flush()
    series, _ = only(profiles)
    assert series == Series("websocket", "GET", "/ws", guessed=True, outcome=outcome)


def test_a_cancelled_request_is_counted(profiles: Profiles) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise asyncio.CancelledError

    served = Asgi(app, profiles)
    with pytest.raises(asyncio.CancelledError):
        served.get()
    served.flush()
    assert only(profiles)[0].outcome == "raised"


def test_starlettes_path_format_is_the_route(profiles: Profiles) -> None:
    need_module("starlette")
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    def user(request: Any) -> PlainTextResponse:
        return PlainTextResponse("x")

    users = [Route("/{number:int}", user)]
    app = Starlette(routes=[Mount("/users", routes=users), Mount("/old/users", routes=users)])
    served = Asgi(app, profiles)
    for number in range(3):
        served.get(f"/users/{number}")
        served.get(f"/old/users/{number}")
    served.flush()
    assert {series.route: tally.count for series, tally in tallies(profiles).items()} == {
        "/users/{number}": 3,
        "/old/users/{number}": 3,
    }


def test_templates_are_remembered_and_those_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "_MOST_TEMPLATES", 10)
    monkeypatch.setattr(route, "_templates", {})

    class Matched:
        path_format = "/x"

    for number in range(100):
        part = route.part_of({"route": Matched(), "path": f"/x/y{number}"})
        assert route.from_part(part) in (None, "/x")
        assert len(route._templates) <= 10


def leaf() -> None: ...


def working(environ: Any, start_response: Any) -> list[bytes]:
    for _ in range(50):
        leaf()
    start_response("200 OK", [])
    return [b"x"]


@pytest.mark.usefixtures("each_engine")
def test_profiled_and_unprofiled_requests_are_counted_together(profiles: Profiles) -> None:
    chosen = iter([True, False, True, False, False])
    served = Wsgi(working, profiles, sample=lambda request: next(chosen))
    for _ in range(5):
        served.get("/work")
    served.flush()
    _, tally = only(profiles)
    assert (tally.count, tally.traced) == (5, 2)
    assert len(tally.slowest) == 3  # the facts of the others are in their profiles
    estimates = sum(profile.request.untraced for profile in profiles.read() if profile.request)
    assert tally.total == pytest.approx(
        estimates + sum(request.duration for *_, request in tally.slowest)
    )


@pytest.mark.usefixtures("each_engine")
def test_a_middleware_within_a_profiled_request_shows_nothing(profiles: Profiles) -> None:
    inner = wsgi.ProfilerMiddleware(working, profiles.folder / "inner", sample=0.0)
    served = Wsgi(inner, profiles, sample=1.0)
    served.get()
    served.flush()
    assert calls(profiles.one())["leaf"] == 50
    assert not any("timed" in function[0] for function in profiles.one().stats)


@pytest.mark.usefixtures("each_engine")
def test_a_request_that_outlives_its_profile_is_timed_to_its_end(profiles: Profiles) -> None:
    go_on = threading.Event()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        leaf()
        assert go_on.wait(30)
        start_response("200 OK", [])
        return [b"x"]

    served = Wsgi(app, profiles, sample=1.0, max_duration=0.05)
    serving = threading.Thread(target=served.get)
    serving.start()
    until = time.monotonic() + 30
    while not profiles.paths() and time.monotonic() < until:
        time.sleep(0.01)
    stored = profiles.one().request
    assert stored is not None
    assert stored.partial
    assert tallies(profiles) == {}
    go_on.set()
    serving.join()
    served.flush()
    series, tally = only(profiles)
    assert (series.outcome, tally.count) == ("2xx", 1)
    assert tally.longest > stored.duration


def test_a_new_window_begins_when_the_last_is_over(
    profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [WINDOW * 10 + 1.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    served = Wsgi(answer("200 OK"), profiles)
    for step in (0.0, WINDOW, 5.0, -3 * WINDOW):  # the last one as a clock that is set back
        now[0] += step
        served.get()
        served.flush()
    windows = traffic_files.read(profiles.folder)
    starts = sorted(window.start / WINDOW for window in windows)
    assert starts == [8, 10, 11]
    assert sum(tally.count for window in windows for tally in window.tallies.values()) == 4


def test_the_number_of_routes_is_bounded(
    profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(times, "MOST_SERIES", 5)
    served = Wsgi(answer("200 OK"), profiles)
    for name in "abcde":
        served.get(f"/{name}")
    for name in "fgh":
        served.get(f"/{name}", {"REQUEST_METHOD": f"FIND{name}"})
    served.flush()
    found = {series.route: tally.count for series, tally in tallies(profiles).items()}
    assert found == {**{f"/{name}": 1 for name in "abcde"}, times.OTHER: 3}
    assert len(tallies(profiles)) == 6


def test_a_fault_in_one_costs_the_others_nothing(profiles: Profiles) -> None:
    served = Wsgi(answer("200 OK"), profiles)
    served.get("/before")
    assert served.middleware._recorder is not None
    waiting = served.middleware._recorder.upkeep.waiting()
    assert waiting is not None
    waiting.append("nonsense")
    served.get("/after")
    served.flush()
    assert {series.route for series in tallies(profiles)} == {"/before", "/after"}
    assert served.middleware.counters == {"failed_times": 1}


def test_paths_and_methods_are_cut(profiles: Profiles) -> None:
    served = Wsgi(answer("200 OK"), profiles)
    served.get("/" + "x" * 10_000, {"REQUEST_METHOD": "y" * 10_000})
    served.flush()
    series, tally = only(profiles)
    assert series.method == "y" * 64
    assert len(tally.slowest[0][2].path or "") == 2048


def test_paths_are_not_kept_where_they_are_not_wanted(profiles: Profiles) -> None:
    served = Wsgi(answer("200 OK"), profiles, store_path=False)
    served.get("/secret")
    served.flush()
    series, tally = only(profiles)
    assert series.route is None
    assert tally.slowest[0][2].path is None
    folder = profiles.folder / index.FOLDER
    assert not any(b"secret" in path.read_bytes() for path in folder.iterdir())


def test_an_object_that_only_looks_like_a_route_costs_the_route_alone(profiles: Profiles) -> None:
    class Liar:
        @property
        def url_rule(self) -> Any:
            return self

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    served = Wsgi(answer("200 OK"), profiles)
    served.get("/x", {"werkzeug.request": Liar()})
    served.flush()
    assert only(profiles)[0].route == "/x"


def test_switched_off_nothing_is_written(profiles: Profiles) -> None:
    served = Wsgi(answer("200 OK"), profiles, timing=False)
    body = served.call()
    assert body == (b"x",)
    served.flush()
    assert not profiles.folder.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_forked_within_a_request_counts_nothing_of_its_parents(profiles: Profiles) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        if environ["PATH_INFO"] != "/parent":
            return [b"x"]
        child = os.fork()
        if not child:
            served.get("/child")
            return [b"child"]
        assert os.waitpid(child, 0)[1] == 0
        return [b"x"]

    served = Wsgi(app, profiles)
    served.get("/before")  # not yet in a file when the child begins
    if served.get("/parent") == [b"child"]:
        served.flush()
        os._exit(0)
    served.flush()
    counts = {series.route: tally.count for series, tally in tallies(profiles).items()}
    assert counts == {"/before": 1, "/parent": 1, "/child": 1}


KILLED = """
import os, sys, time
from reqprof.wsgi import ProfilerMiddleware
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]
served = ProfilerMiddleware(app, sys.argv[1], sample=0.0)
def get():
    body = served({"REQUEST_METHOD": "GET", "PATH_INFO": "/x"}, lambda *_: None)
    body.close()
"""


def run(code: str, folder: Path) -> int:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED + code, str(folder)]
    return subprocess.run(command, env=environ, check=False, timeout=60).returncode


def test_a_process_that_ends_leaves_what_it_has_counted(profiles: Profiles) -> None:
    assert run("for _ in range(3): get()", profiles.folder) == 0
    assert only(profiles)[1].count == 3


def test_a_process_that_is_killed_has_left_what_is_a_few_seconds_old(profiles: Profiles) -> None:
    code = """
for _ in range(3): get()
until = time.monotonic() + 50
while not (os.path.isdir(sys.argv[1]) and os.listdir(sys.argv[1] + "/.reqprof")):
    assert time.monotonic() < until
    time.sleep(0.1)
    get()
os.kill(os.getpid(), 9)
"""
    assert run(code, profiles.folder) == -9
    assert only(profiles)[1].count >= 3


CLIENT = """
import json, random, sys, threading, time
from reqprof.wsgi import ProfilerMiddleware
number, folder, requests = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
chance = random.Random(number)
# Longer than the switch of a thread, so that what is measured is not that.
waits = [min(0.2, 0.004 * chance.lognormvariate(0, 0.7)) for _ in range(requests)]

def app(environ, start_response):
    time.sleep(environ["wait"])
    start_response("200 OK", [])
    return [b"x"]

served = ProfilerMiddleware(app, folder, sample=0.01)
took = []
left = list(waits)

def serve():
    while True:
        try:
            wait = left.pop()
        except IndexError:
            return
        began = time.perf_counter()
        body = served({"REQUEST_METHOD": "GET", "PATH_INFO": "/x", "wait": wait}, lambda *_: None)
        list(body)
        body.close()
        took.append(time.perf_counter() - began)

threads = [threading.Thread(target=serve) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert served.flush(30)
print(json.dumps(took))
"""
REQUESTS, PROCESSES = 100_000, 4


def test_percentiles_of_four_processes_are_those_that_their_clients_measured(
    profiles: Profiles,
) -> None:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    each = str(REQUESTS // PROCESSES)
    clients = [
        subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(number), str(profiles.folder), each],
            stdout=subprocess.PIPE,
            env=environ,
        )
        for number in range(PROCESSES)
    ]
    took = sorted(took for client in clients for took in json.loads(client.communicate()[0]))
    assert [client.returncode for client in clients] == [0] * PROCESSES
    assert len(took) == REQUESTS

    command = [sys.executable, "-m", "reqprof", "slowest", "--by=route", "--json"]
    out = subprocess.run(
        [*command, str(profiles.folder)], env=environ, capture_output=True, check=True
    )
    (row,) = json.loads(out.stdout)
    assert row["count"] == REQUESTS
    assert 0 < row["traced"] < REQUESTS / 20
    for percent in (50, 95, 99):
        exact = took[math.ceil(percent * REQUESTS / 100) - 1]
        assert row[f"p{percent}"] == pytest.approx(exact, rel=0.02), percent


def test_what_ends_faster_than_it_can_be_counted_is_told(
    profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(times, "MOST_WAITING", 3)
    monkeypatch.setattr(pulse, "SECONDS", 60.0)
    served = Wsgi(answer("200 OK"), profiles)
    for _ in range(10):
        served.get()
    served.flush()
    assert only(profiles)[1].count == 3
    assert served.middleware.counters == {"untimed": 1}


def test_random_traffic_is_counted_to_the_last_request_under_threads(profiles: Profiles) -> None:
    served = Wsgi(answer("200 OK"), profiles)
    chance = random.Random(1)
    paths = [f"/{chance.choice('abc')}" for _ in range(4000)]

    def serve(mine: list[str]) -> None:
        for path in mine:
            served.get(path)

    threads = [threading.Thread(target=serve, args=(paths[n::8],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    served.flush()
    found = {series.route: tally.count for series, tally in tallies(profiles).items()}
    assert found == {f"/{name}": paths.count(f"/{name}") for name in "abc"}
