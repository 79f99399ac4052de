"""Requests that run long are sampled from outside; fast ones are left alone."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
import sqlite3
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from reqprof import asgi, wsgi
from reqprof.record.watch import sight, task_sight, watch
from reqprof.record.watch.samples import Samples
from reqprof.record.watch.watch import WATCHER, Watcher
from reqprof.record.watch.watched import Watched
from reqprof.store import reader
from reqprof.tree.profile import tree_of
from tests.conftest import Profiles, need_module
from tests.record.test_times import END, START, Asgi, Wsgi, answer, only, tallies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reqprof.model import Profile, Request

pytestmark = pytest.mark.recording

SOON = {"watch_after": 0.02, "watch_rate": 100}
WITHIN = 30.0  # seconds, for a busy machine


class Seen:
    """How many samples were taken in this test; what a request works for until there are enough."""

    def __init__(self) -> None:
        self.count = 0
        self.until = time.monotonic() + WITHIN

    def enough(self, number: int = 8) -> bool:
        assert time.monotonic() < self.until, "nobody looks"
        return self.count >= number


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    found = Seen()
    add = Samples.add

    def counted(self: Samples, *frames: Any, **named: Any) -> None:
        add(self, *frames, **named)
        found.count += 1

    monkeypatch.setattr(Samples, "add", counted)
    return found


def widest(profile: Profile) -> str:
    """The function that is innermost for more than half of the time."""
    tree = tree_of(profile)
    shares: dict[str, float] = {}
    path: list[str] = []
    for depth, node in tree.walk():
        if not node.is_wait:
            path[depth:] = [node.function[2]]
        name = path[depth - 1] if node.is_wait else node.function[2]
        shares[name] = shares.get(name, 0.0) + node.self_time / tree.total
    name = max(shares, key=lambda name: shares[name])
    assert shares[name] > 0.5, shares
    return name


def stack_of(profile: Profile) -> list[str]:
    """The names on the way to the frame with most time, outermost first."""
    found: list[str] = []
    node = tree_of(profile)
    while node.children:
        node = max(node.children.values(), key=lambda child: child.total)
        found.append(node.function[2])
    return found


def facts(profiles: Profiles) -> Request:
    request = profiles.one().request
    assert request is not None
    return request


# What a thread may be at.


def sleeping(seen: Seen) -> None:
    while not seen.enough():
        time.sleep(0.02)


SLOW = re.compile(r"(a|b|ab)*c")


def matching(seen: Seen) -> None:
    """Holds the interpreter, so that nobody can look meanwhile."""
    while not seen.enough(3):
        SLOW.match("ab" * 12 + "d")


def querying(seen: Seen) -> None:
    count = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 100000)"
    with sqlite3.connect(":memory:") as connection:
        while not seen.enough():
            connection.execute(count + " SELECT sum(i) FROM n").fetchall()
    connection.close()


def computing(seen: Seen) -> None:
    while seen.count < 8 and time.monotonic() < seen.until:
        pass


BLOCKING = [sleeping, matching, querying, computing]


@pytest.mark.parametrize("culprit", BLOCKING)
def test_what_a_thread_is_at_is_widest(profiles: Profiles, seen: Seen, culprit: Any) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        culprit(seen)
        start_response("200 OK", [])
        return [b"x"]

    served = Wsgi(app, profiles, **SOON)
    assert served.get() == [b"x"]
    served.flush()
    assert widest(profiles.one()) == culprit.__name__
    assert stack_of(profiles.one())[:2] == ["app", culprit.__name__]


# What a task may be at.


async def blocking(seen: Seen) -> None:
    computing(seen)


async def locked(seen: Seen) -> None:
    lock = asyncio.Lock()
    await lock.acquire()

    async def release() -> None:
        while not seen.enough():
            await asyncio.sleep(0.01)
        lock.release()

    releasing = asyncio.create_task(release())  # not what the request waits for
    await lock.acquire()
    await releasing


async def napping(seen: Seen) -> None:
    while not seen.enough():
        await asyncio.sleep(0.01)


async def in_a_thread(seen: Seen) -> None:
    await asyncio.to_thread(computing, seen)


async def in_a_pool(seen: Seen) -> None:
    await asyncio.get_running_loop().run_in_executor(None, sleeping, seen)


async def in_a_task(seen: Seen) -> None:
    await asyncio.create_task(napping(seen))


async def in_a_group(seen: Seen) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(napping(seen))
        group.create_task(asyncio.sleep(0.001))


async def gathering(seen: Seen) -> None:
    await asyncio.gather(napping(seen), asyncio.sleep(0.001))


async def gathering_threads(seen: Seen) -> None:
    loop = asyncio.get_running_loop()
    await asyncio.gather(loop.run_in_executor(None, sleeping, seen), asyncio.sleep(0.001))


async def waiting(seen: Seen) -> None:
    await asyncio.wait([asyncio.create_task(napping(seen))])


async def within_a_timeout(seen: Seen) -> None:
    await asyncio.wait_for(napping(seen), WITHIN)


async def shielding(seen: Seen) -> None:
    await asyncio.shield(napping(seen))


async def one_after_the_other(seen: Seen) -> None:
    for done in asyncio.as_completed([napping(seen)]):
        await done


async def handed_over(seen: Seen) -> None:
    queue: asyncio.Queue[None] = asyncio.Queue()

    async def fill() -> None:
        await in_a_thread(seen)
        queue.put_nowait(None)

    filling = asyncio.create_task(fill())
    await queue.get()
    await filling


async def deep_in_groups(seen: Seen) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(in_a_group(seen))


async def with_a_task_that_is_left(seen: Seen) -> None:
    left = asyncio.create_task(asyncio.sleep(600))
    await napping(seen)
    left.cancel()


async def with_a_thread_that_is_left(seen: Seen) -> None:
    left = asyncio.get_running_loop().run_in_executor(None, sleeping, seen)
    await napping(seen)
    await left


AWAITED = [
    (blocking, ["blocking", "computing"]),
    (locked, ["locked", "acquire", "waiting"]),
    (napping, ["napping", "sleep", "waiting"]),
    (in_a_thread, ["in_a_thread", "to_thread", "computing"]),
    (in_a_pool, ["in_a_pool", "sleeping"]),
    (in_a_task, ["in_a_task", "napping", "sleep", "waiting"]),
    (in_a_group, ["in_a_group", "__aexit__", "napping", "sleep", "waiting"]),
    (gathering, ["gathering", "napping", "sleep", "waiting"]),
    (gathering_threads, ["gathering_threads", "sleeping"]),
    (waiting, ["waiting", "wait", "_wait", "napping", "sleep", "waiting"]),
    (within_a_timeout, ["within_a_timeout", "wait_for", "napping", "sleep", "waiting"]),
    (shielding, ["shielding", "napping", "sleep", "waiting"]),
    (handed_over, ["handed_over", "get", "fill", "in_a_thread", "to_thread", "computing"]),
    (with_a_task_that_is_left, ["with_a_task_that_is_left", "napping", "sleep", "waiting"]),
    (with_a_thread_that_is_left, ["with_a_thread_that_is_left", "napping", "sleep", "waiting"]),
]


@pytest.mark.parametrize(("culprit", "stack"), AWAITED)
def test_what_a_task_is_at_is_widest(
    profiles: Profiles, seen: Seen, culprit: Any, stack: list[str]
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await culprit(seen)
        await send(START)
        await send(END)

    served = Asgi(app, profiles, **SOON)
    assert served.get() == [START, END]
    served.flush()
    found = stack_of(profiles.one())
    assert [name for name in found if name != "_aexit"] == ["app", *stack]  # from 3.13 on
    assert widest(profiles.one()) == [name for name in stack if name != "waiting"][-1] or (
        culprit is waiting
    )


@pytest.mark.parametrize("culprit", [one_after_the_other, deep_in_groups])
def test_tasks_in_tasks_are_looked_into(profiles: Profiles, seen: Seen, culprit: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await culprit(seen)

    served = Asgi(app, profiles, **SOON)
    served.get()
    served.flush()
    found = stack_of(profiles.one())
    assert found[:2] == ["app", culprit.__name__]
    assert found[-3:] == ["napping", "sleep", "waiting"]
    assert widest(profiles.one()) == "sleep"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_of_an_eager_factory_too(profiles: Profiles, seen: Seen) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        eager: Any = vars(asyncio)["eager_task_factory"]
        asyncio.get_running_loop().set_task_factory(eager)
        await served.middleware({**scope, "path": "/inner"}, receive, send)

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/inner":
            await in_a_group(seen)
        else:
            await app(scope, receive, send)

    served = Asgi(inner, profiles, **SOON)
    served.get()
    served.flush()
    found = {profile.request.path: profile for profile in profiles.read() if profile.request}
    assert stack_of(found["/inner"])[-3:] == ["napping", "sleep", "waiting"]
    assert stack_of(found["/inner"])[0] == "inner"


@pytest.mark.parametrize("in_thread", [False, True])
def test_what_listens_for_the_client_is_not_where_the_request_is(
    profiles: Profiles, seen: Seen, in_thread: bool
) -> None:
    """Django's handler runs its view so, beside a task that waits for the client to leave."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def listen() -> None:
            await receive()

        async def view() -> None:
            await (in_a_thread(seen) if in_thread else napping(seen))

        tasks = [asyncio.create_task(listen()), asyncio.create_task(view())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        tasks[0].cancel()

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None: ...

    served = Asgi(app, profiles, **SOON)
    asyncio.run(served.middleware({"type": "http", "path": "/"}, receive, send))
    served.flush()
    assert widest(profiles.one()) == ("computing" if in_thread else "sleep")
    assert "view" in stack_of(profiles.one())


def starlette(seen: Seen) -> Any:
    """An app with a middleware that runs the rest in a task, and endpoints of both kinds."""
    need_module("starlette")
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def slow(request: Any) -> PlainTextResponse:
        await napping(seen)
        return PlainTextResponse("slow")

    def plain(request: Any) -> PlainTextResponse:
        sleeping(seen)
        return PlainTextResponse("plain")

    class Tagging(BaseHTTPMiddleware):
        async def dispatch(self, request: Any, call_next: Any) -> Any:
            return await call_next(request)

    return Starlette(
        routes=[Route("/slow", slow), Route("/plain", plain)], middleware=[Middleware(Tagging)]
    )


@pytest.mark.parametrize(("path", "culprit"), [("/slow", "sleep"), ("/plain", "sleeping")])
def test_starlettes_endpoints_are_seen_behind_its_middleware(
    profiles: Profiles, seen: Seen, path: str, culprit: str
) -> None:
    served = Asgi(starlette(seen), profiles, **SOON)
    body = b"".join(message.get("body", b"") for message in served.get(path))
    assert body == path[1:].encode()
    served.flush()
    assert widest(profiles.one()) == culprit
    assert facts(profiles).route == path
    assert {"dispatch", path[1:]} <= set(stack_of(profiles.one()))


def test_what_sqlalchemys_greenlets_run_is_seen(profiles: Profiles, seen: Seen) -> None:
    need_module("sqlalchemy")
    need_module("greenlet")
    import greenlet  # noqa: F401  SQLAlchemy imports it when first used
    from sqlalchemy.util import await_only, greenlet_spawn

    def loading() -> None:
        await_only(asyncio.sleep(0))
        computing(seen)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await greenlet_spawn(loading)

    served = Asgi(app, profiles, **SOON)
    served.get()
    served.flush()
    assert widest(profiles.one()) == "computing"
    assert stack_of(profiles.one()) == ["app", "loading", "computing"]


# Whom the watch leaves alone, and what it leaves behind.


@pytest.fixture(params=["wsgi", "asgi"])
def serve(request: pytest.FixtureRequest, profiles: Profiles) -> Callable[..., Any]:
    """Makes a service of what is to be done before the response."""

    def service(work: Callable[[], object], **options: Any) -> Wsgi | Asgi:
        def on_a_thread(environ: Any, start_response: Any) -> list[bytes]:
            work()
            start_response("200 OK", [])
            return [b"x"]

        async def in_a_task(scope: Any, receive: Any, send: Any) -> None:
            work()
            await send(START)
            await send(END)

        given = {**SOON, **options}
        if request.param == "wsgi":
            return Wsgi(on_a_thread, profiles, **given)
        return Asgi(in_a_task, profiles, **given)

    return service


def test_it_is_told_as_watched_and_counted_once(
    serve: Callable[..., Any], profiles: Profiles, seen: Seen
) -> None:
    served = serve(lambda: sleeping(seen))
    began = time.time()
    served.get("/orders/17")
    served.flush()
    request = facts(profiles)
    assert (request.engine, request.chosen, request.kept) == ("watch", "watch", "watch")
    assert (request.method, request.path, request.route) == ("GET", "/orders/17", "/orders/{id}")
    assert request.status in (200, 201)
    assert abs(request.start - began) < request.total
    assert request.calls == seen.count
    assert (request.cost, request.weight, request.partial) == (0.0, 1.0, False)
    assert 0 < request.duration <= request.total
    series, tally = only(profiles)
    assert (series.route, tally.count, tally.traced) == ("/orders/{id}", 1, 0)
    assert tally.slowest == []  # its profile has the facts
    assert tally.total == pytest.approx(request.duration)
    assert served.middleware.counters == {"watched": 1, "stored": 1, "pruned": 0}
    whole = tree_of(profiles.one()).total
    assert whole < request.duration


def test_those_that_are_fast_are_not_watched(
    serve: Callable[..., Any], profiles: Profiles, seen: Seen
) -> None:
    served = serve(lambda: None, watch_after=5)
    for _ in range(100):
        served.get()
    served.flush()
    assert only(profiles)[1].count == 100
    assert profiles.paths() == []
    assert served.middleware.counters == {}
    assert seen.count == 0


def looked(served: Wsgi | Asgi, times: int = 3) -> None:
    """Wait until the watch has looked so often."""
    real = watch.Watch.look
    done: list[None] = []
    recorder = served.middleware._recorder
    assert recorder is not None
    assert recorder.watch is not None
    until = time.monotonic() + WITHIN

    def look(self: watch.Watch) -> float:
        try:
            return real(self)
        finally:
            if self is recorder.watch:
                done.append(None)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(watch.Watch, "look", look)
        WATCHER.start()  # the request may be none of its own
        while len(done) < times:
            assert time.monotonic() < until, "nobody looks"
            time.sleep(0.005)


def test_a_response_that_has_begun_in_time_is_a_stream(profiles: Profiles) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])

        def chunks() -> Iterator[bytes]:
            looked(served, 10)
            yield b"x"

        return chunks()

    served = Wsgi(app, profiles, **SOON)
    served.get()

    async def streaming(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await asyncio.to_thread(looked, again, 10)
        await send(END)

    again = Asgi(streaming, profiles, **SOON)
    again.get()
    again.flush()
    assert profiles.paths() == []
    assert served.middleware.counters == again.middleware.counters == {}


def test_websockets_are_not_watched(profiles: Profiles) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.to_thread(looked, served, 10)
        await send({"type": "websocket.accept"})

    served = Asgi(app, profiles, **SOON)
    served.get(type="websocket")
    served.flush()
    assert profiles.paths() == []
    assert only(profiles)[1].count == 1


def test_those_that_are_profiled_are_not_watched(
    serve: Callable[..., Any], profiles: Profiles
) -> None:
    served: Any = serve(lambda: looked(served, 10), sample=1.0)
    served.get()
    served.flush()
    assert facts(profiles).engine in ("exact", "cprofile")
    assert "watched" not in served.middleware.counters


def test_an_iterator_that_works_before_it_responds_is_watched(
    profiles: Profiles, seen: Seen
) -> None:
    """Its frames are the server's callees, and those of what passes its chunks on."""

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        sleeping(seen)
        start_response("200 OK", [])
        yield b"x"
        yield b"y"

    served = Wsgi(app, profiles, **SOON)
    assert served.get() == [b"x", b"y"]
    served.flush()
    assert served.middleware.counters["watched"] == 1
    assert stack_of(profiles.one())[-2:] == ["app", "sleeping"]
    assert only(profiles)[1].count == 1


def test_what_closes_an_iterator_of_the_apps_is_the_server_alone(profiles: Profiles) -> None:
    closed: list[int] = []

    class Chunks:
        def __iter__(self) -> Iterator[bytes]:
            return self

        def __next__(self) -> bytes:
            return b"x"

        def close(self) -> None:
            closed.append(1)

    body = Wsgi(answer("200 OK", Chunks()), profiles, **SOON).call()
    chunks = iter(body)
    assert next(chunks) == b"x"
    body.close()
    del chunks, body
    gc.collect()
    assert closed == [1]


OURS = {
    sight.ThreadSight,
    task_sight.TaskSight,
    task_sight._Called,
    Watched,
    Samples,
    wsgi._Timed,
    asgi._Timed,
}


def test_nothing_of_a_watched_request_is_left(
    serve: Callable[..., Any], profiles: Profiles, seen: Seen
) -> None:
    class Work:
        def __call__(self) -> None:
            sleeping(seen)

    def left() -> int:
        gc.collect()
        return sum(type(each) in OURS for each in gc.get_objects())

    before = left()  # other tests' tracebacks hold some
    served = serve(Work())
    for number in range(5):
        seen.count = 0
        served.get(f"/{number}")
    served.flush()
    until = time.monotonic() + WITHIN
    while left() > before and time.monotonic() < until:  # the watch may hold one while it looks
        time.sleep(0.01)
    assert left() <= before
    assert served.middleware._recorder.watch.sights == {}
    assert len(profiles.paths()) == 5


def test_the_thread_ends_with_the_last_middleware(profiles: Profiles, seen: Seen) -> None:
    served = Wsgi(answer("200 OK"), profiles, **SOON)
    served.get()
    gone = weakref.ref(served.middleware._recorder.watch)  # type: ignore[union-attr]
    assert WATCHER.runs
    assert [thread for thread in threading.enumerate() if thread.name == "reqprof-watch"]
    del served
    until = time.monotonic() + WITHIN
    while gone() is not None and time.monotonic() < until:
        gc.collect()
        time.sleep(0.01)
    assert gone() is None
    others = [each for each in WATCHER._watches if each() is not None]
    while not others and WATCHER.runs and time.monotonic() < until:
        time.sleep(0.01)
    assert WATCHER.runs == bool(others)


def test_two_middlewares_are_looked_at_each_in_its_time(profiles: Profiles, seen: Seen) -> None:
    """The second is made while the thread pauses for the first, whose requests may take hours."""
    patient = Wsgi(answer("200 OK"), profiles, max_duration=3600)
    patient.get()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        sleeping(seen)
        return [b"x"]

    hasty = Wsgi(app, profiles, **SOON)
    hasty.get()
    hasty.flush()
    assert hasty.middleware.counters["watched"] == 1
    assert patient.middleware.counters == {}
    assert facts(profiles).engine == "watch"


def test_a_middleware_within_another_watches_too(profiles: Profiles, seen: Seen) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        while not seen.enough(16):  # of both
            time.sleep(0.01)
        return [b"x"]

    inner = wsgi.ProfilerMiddleware(app, profiles.folder / "inner", sample=0.0, **SOON)  # type: ignore[arg-type]
    served = Wsgi(inner, profiles, **SOON)
    served.get()
    served.flush()
    assert widest(profiles.one()) == "app"
    within = Profiles(profiles.folder / "inner").one()
    assert stack_of(within) == ["app"]


# What is kept.


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"slower_than": 0.001}, ["slow"]),
        ({"slower_than": 3600}, []),
        ({"worst_per_route": 1}, ["worst"]),
        ({"keep": lambda request: request.engine == "watch"}, ["keep"]),
        ({"keep": lambda request: False}, []),
        ({"baseline": 1.0}, ["watch"]),  # which is of what is profiled by chance
        ({"keep_errors": True}, ["watch"]),  # no rule of its own
    ],
)
def test_the_rules_after_the_request_hold(
    serve: Callable[..., Any],
    profiles: Profiles,
    seen: Seen,
    options: dict[str, Any],
    kept: list[str],
) -> None:
    served = serve(lambda: sleeping(seen), **options)
    served.get()
    served.flush()
    assert [profile.request.kept for profile in profiles.read() if profile.request] == kept
    _, tally = only(profiles)
    assert (tally.count, tally.traced) == (1, 0)
    if not kept:
        ((_, _, request),) = tally.slowest
        assert request.engine == "watch"
        assert served.middleware.counters["not_kept"] == 1


def test_what_raises_is_kept(serve: Callable[..., Any], profiles: Profiles, seen: Seen) -> None:
    def work() -> None:
        sleeping(seen)
        raise KeyError("no user")

    served = serve(work, slower_than=3600)
    with pytest.raises(KeyError, match="no user"):
        served.get()
    served.flush()
    assert (facts(profiles).kept, facts(profiles).exception) == ("error", "KeyError")
    assert only(profiles)[0].outcome == "raised"


def test_paths_are_not_stored_where_they_are_not_to_be(
    serve: Callable[..., Any], profiles: Profiles, seen: Seen
) -> None:
    served = serve(lambda: sleeping(seen), store_path=False)
    served.get("/secret/17")
    served.flush()
    assert (facts(profiles).path, facts(profiles).route) == (None, None)
    for path in profiles.folder.rglob("*"):
        assert not path.is_file() or b"secret" not in path.read_bytes()
        assert "secret" not in path.name


# A black box.


@pytest.mark.parametrize("options", [{}, SOON])
def test_a_request_that_runs_on_leaves_where_it_is(
    serve: Callable[..., Any], profiles: Profiles, options: dict[str, Any]
) -> None:
    until = time.monotonic() + WITHIN

    def stuck() -> None:
        while not profiles.paths() and time.monotonic() < until:
            time.sleep(0.01)
        found.append(profiles.one())
        found.append(tallies(profiles))

    found: list[Any] = []
    given = {"watch_after": None, "max_duration": 0.05, **options}
    served = serve(stuck, **given)
    served.get()
    served.flush()
    profile, early = found
    assert profile.request.partial
    assert (profile.request.status, profile.request.engine) == (None, "watch")
    assert profile.request.duration > 0.05
    assert "stuck" in [name for _, _, name, _ in reader.timeline(profile).stopped_at]
    assert "stuck" in stack_of(profile)
    assert early == {}
    series, tally = only(profiles)
    assert (series.outcome, tally.count, tally.traced) == ("2xx", 1, 0)
    assert tally.longest > profile.request.duration
    assert len(profiles.paths()) == 1
    counters = served.middleware.counters
    assert (counters["watched"], counters["stored"]) == (1, 1)


def test_one_that_goes_on_and_on_is_left_after_a_while(
    profiles: Profiles, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SAMPLED_SECONDS", 0.3)
    until = time.monotonic() + WITHIN

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while not profiles.paths() and time.monotonic() < until:
            await asyncio.sleep(0.01)
        await send(START)
        await send(END)

    served = Asgi(app, profiles, **SOON)
    served.get()
    served.flush()
    assert facts(profiles).partial
    assert facts(profiles).calls >= 2
    _, tally = only(profiles)
    assert tally.count == 1


class TestExit:
    """A server gives a request up: gunicorn's sync workers exit at SIGABRT."""

    @pytest.fixture(autouse=True)
    def _handled(self) -> Iterator[None]:
        def handle_abort(number: int, frame: object) -> None:
            raise SystemExit(1)

        before = signal.signal(signal.SIGABRT, handle_abort)
        yield
        signal.signal(signal.SIGABRT, before)

    def test_a_request_that_is_given_up_leaves_where_it_was(
        self, serve: Callable[..., Any], profiles: Profiles
    ) -> None:
        def stuck() -> None:
            signal.raise_signal(signal.SIGABRT)

        served = serve(stuck, watch_after=3600)
        with pytest.raises(SystemExit):
            served.get()
        served.flush()
        assert widest(profiles.one()) == "stuck"
        assert (facts(profiles).exception, facts(profiles).partial) == ("SystemExit", False)
        assert only(profiles)[1].count == 1

    def test_one_that_is_watched_already_has_its_samples(
        self, serve: Callable[..., Any], profiles: Profiles, seen: Seen
    ) -> None:
        def stuck() -> None:
            sleeping(seen)
            signal.raise_signal(signal.SIGABRT)

        served = serve(stuck)
        with pytest.raises(SystemExit):
            served.get()
        served.flush()
        assert widest(profiles.one()) == "sleeping"
        assert facts(profiles).kept == "watch"


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("options", [{}, {"max_duration": 0.05}])
def test_a_child_that_is_forked_meanwhile_tells_nothing(
    profiles: Profiles, seen: Seen, options: dict[str, Any]
) -> None:
    until = time.monotonic() + WITHIN

    def app(environ: Any, start_response: Any) -> list[bytes]:
        while not (profiles.paths() if options else seen.enough()):
            assert time.monotonic() < until
            time.sleep(0.01)
        child = os.fork()
        if not child:
            return [b"child"]
        assert os.waitpid(child, 0)[1] == 0
        return [b"x"]

    served = Wsgi(app, profiles, **SOON, **options)
    if served.get("/parent") == [b"child"]:
        served.middleware.flush()
        os._exit(0)
    served.flush()
    assert len(profiles.paths()) == 1
    assert only(profiles)[1].count == 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_watches_its_own_requests(profiles: Profiles, seen: Seen) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        sleeping(seen)
        return [b"x"]

    served = Wsgi(app, profiles, **SOON)
    served.get("/parent")
    served.flush()
    child = os.fork()
    if not child:
        seen.count = 0
        served.get("/child")
        served.middleware.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    found = [profile.request for profile in profiles.read() if profile.request]
    assert {request.path: request.pid for request in found} == {
        "/parent": os.getpid(),
        "/child": child,
    }


# What it costs.


class FakeWatch:
    """Looking takes ``cost`` seconds of CPU, and is wanted ``again`` seconds later."""

    share = watch.SHARE

    def __init__(self, clock: list[float], cost: float, again: float) -> None:
        self.clock, self.cost, self.again = clock, cost, again
        self.looks = 0

    def look(self) -> float:
        self.looks += 1
        self.clock[0] += self.cost
        return self.clock[0] + self.again

    def reset(self) -> None: ...


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


def watcher_by(clock: list[float]) -> Watcher:
    """One whose clocks are both this one: while it pauses somebody else moves that on."""
    return Watcher(lambda: clock[0], lambda: clock[0])


def turns(clock: list[float], seconds: float, *watches: FakeWatch) -> None:
    watcher = watcher_by(clock)
    for each in watches:
        watcher.add(each)  # type: ignore[arg-type]
    until = clock[0] + seconds
    while clock[0] < until:
        pause = watcher._turn()
        assert pause is not None
        clock[0] += pause


@pytest.mark.parametrize("cost", [0.001, 0.01, 0.2])
def test_what_costs_too_much_is_done_less_often(clock: list[float], cost: float) -> None:
    dear = FakeWatch(clock, cost, again=0.02)
    turns(clock, 1000, dear)
    assert dear.looks * cost == pytest.approx(1000 * watch.SHARE, rel=0.05, abs=cost)


def test_what_is_cheap_is_done_when_it_is_due(clock: list[float]) -> None:
    cheap = FakeWatch(clock, 0.0001, again=0.02)
    turns(clock, 100, cheap)
    assert cheap.looks == pytest.approx(100 / 0.0201, abs=2)


def test_what_was_saved_may_be_spent_at_once(clock: list[float]) -> None:
    rare = FakeWatch(clock, 0.0, again=1.0)
    watcher = watcher_by(clock)
    watcher.add(rare)  # type: ignore[arg-type]
    for _ in range(100):
        clock[0] += watcher._turn() or 0.0
    rare.cost, rare.again = 0.001, 0.02
    pauses = [watcher._turn() or 0.0 for _ in range(30)]
    assert pauses[:8] == [pytest.approx(0.02)] * 8
    assert pauses[-1] > 0.05


def test_no_pause_is_so_long_that_a_new_middleware_would_wait_for_it(clock: list[float]) -> None:
    watcher, patient = watcher_by(clock), FakeWatch(clock, 0.0, again=3600.0)
    watcher.add(patient)  # type: ignore[arg-type]
    assert watcher._turn() == watch.MOST_SECONDS
    del patient
    gc.collect()
    assert watcher._turn() is None


def test_so_many_are_sampled_at_a_time(profiles: Profiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MOST", 2)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/last":
            await asyncio.to_thread(looked, served, 10)
            done.set()
        else:
            await done.wait()

    served = Asgi(app, profiles, **SOON)
    done = asyncio.Event()

    async def main() -> None:
        async def get(path: str) -> None:
            async def nothing(message: Any = None) -> Any: ...

            await served.middleware({"type": "http", "path": path}, nothing, nothing)

        await asyncio.gather(*(get(path) for path in ("/a", "/b", "/c", "/last")))

    asyncio.run(main())
    served.flush()
    found = [profile.request.path for profile in profiles.read() if profile.request]
    assert sorted(map(str, found)) == ["/a", "/b"]
    assert sum(tally.count for tally in tallies(profiles).values()) == 4


def test_a_fault_costs_the_profile_and_nothing_else(
    serve: Callable[..., Any], profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Any, running: Any) -> Any:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(sight.ThreadSight, "stack", fail)
    monkeypatch.setattr(task_sight.TaskSight, "stack", fail)
    served: Any = serve(lambda: looked(served, 10))
    served.get()
    served.flush()
    assert profiles.paths() == []
    assert served.middleware.counters == {"failed_watch": 1}
    assert only(profiles)[1].count == 1


def test_where_no_thread_is_to_be_had_requests_are_timed(
    serve: Callable[..., Any], profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    served = serve(lambda: None)
    monkeypatch.setattr(WATCHER, "runs", False)
    monkeypatch.setattr(watch, "start_thread", refuse)
    served.get()
    monkeypatch.undo()
    served.flush()
    assert only(profiles)[1].count == 1


def test_a_full_queue_drops_a_watched_request_and_tallies_it(
    serve: Callable[..., Any], profiles: Profiles, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve(lambda: sleeping(seen))
    monkeypatch.setattr("reqprof.record.delivery.MAX_QUEUE", 0)
    served.get()
    monkeypatch.undo()
    served.flush()
    assert profiles.paths() == []
    assert served.middleware.counters["dropped"] == 1
    ((_, _, request),) = only(profiles)[1].slowest
    assert (request.engine, request.is_traced) == ("watch", False)


def test_one_that_ends_while_it_is_left_is_tallied_once(profiles: Profiles) -> None:
    """Whoever takes it out of the watch stores it."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        recorder = served.middleware._recorder
        assert recorder is not None
        assert recorder.watch is not None
        (mine,) = recorder.watch.sights
        timed = mine.timed
        assert timed is not None
        timed.end()
        recorder.watch._leave(mine, timed, [])  # the thread was about to
        return [b"x"]

    served = Wsgi(app, profiles, watch_after=3600)
    served.get()
    served.flush()
    assert profiles.paths() == []
    assert only(profiles)[1].count == 1


def test_what_the_server_does_in_the_last_send_is_not_the_requests(
    profiles: Profiles, seen: Seen
) -> None:
    """It may begin the next request of the connection there."""
    others: list[asyncio.Task[None]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while not seen.enough(3):
            await asyncio.sleep(0.001)
        await send(START)
        await send(END)
        await background()

    async def background() -> None:
        until = seen.count + 5
        done = asyncio.Event()
        checks = asyncio.get_running_loop()

        def check() -> None:
            if seen.enough(until):
                done.set()
            else:
                checks.call_later(0.005, check)

        check()
        await done.wait()

    async def another() -> None:
        await asyncio.sleep(600)

    async def send(message: Any) -> None:
        if message is END:
            others.append(asyncio.create_task(another()))

    async def main() -> None:
        await served.middleware({"type": "http", "path": "/"}, None, send)  # type: ignore[arg-type]
        others[0].cancel()

    served = Asgi(app, profiles, **SOON)
    asyncio.run(main())
    served.flush()
    names = {name for *_, name in profiles.one().stats}
    assert "background" in names
    assert "another" not in names


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"watch_after": "x"}, ValueError, "watch_after"),
        ({"watch_after": 0}, ValueError, "watch_after"),
        ({"watch_after": -1}, ValueError, "watch_after"),
        ({"watch_after": True}, (TypeError, ValueError), "watch_after"),
        ({"watch_rate": 0}, ValueError, "watch_rate"),
        ({"watch_rate": 1000}, ValueError, "watch_rate"),
        ({"watch_rate": True}, ValueError, "watch_rate"),
        ({"watch_rate": "50"}, ValueError, "watch_rate"),
        ({"watch_after": 1, "timing": False}, ValueError, "timing=True"),
    ],
)
def test_options_that_are_none_are_refused(
    profiles: Profiles, options: dict[str, Any], error: Any, told: str
) -> None:
    with pytest.raises(error, match=told):
        Wsgi(answer("200 OK"), profiles, **options)


def test_without_the_option_nothing_is_in_flight(profiles: Profiles) -> None:
    served = Wsgi(answer("200 OK"), profiles)
    assert served.middleware._recorder is not None
    assert served.middleware._recorder.watch is None
