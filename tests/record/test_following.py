"""What a request starts elsewhere counts for it while it lasts; what it waited for is told."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import sys
import threading
import time
import weakref
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.asgi import ProfilerMiddleware
from reqprof.store import reader
from reqprof.wsgi import ProfilerMiddleware as Wsgi
from tests.conftest import Profiles, calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqprof.model import Request, Timeline

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("no_collection", "each_engine")]

SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": []}


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def leaf() -> None: ...


async def nobody(*_: Any) -> Any:
    await asyncio.sleep(0)


async def respond(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x"})


def serve(middleware: ProfilerMiddleware, *, after: float = 0.0, send: Any = nobody) -> None:
    async def once() -> None:
        await middleware(dict(SCOPE), nobody, send)
        await asyncio.sleep(after)

    asyncio.run(once())
    assert middleware.flush()


def request_of(profiles: Profiles) -> Request:
    request = profiles.one().request
    assert request is not None
    return request


def timeline_of(profiles: Profiles) -> Timeline:
    (path,) = profiles.paths()
    timeline = reader.timeline(reader.read(path))
    assert timeline is not None
    return timeline


class TestWhatOutlivesItsRequest:
    def test_a_child_task_counts_until_the_app_returns(self, profiles: Profiles) -> None:
        kept: list[Any] = []

        async def child() -> None:
            for _ in range(20):
                leaf()
                await asyncio.sleep(0.01)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            kept.append(asyncio.create_task(child()))
            await respond(send)
            await asyncio.sleep(0.035)
            kept.append(calls_so_far())

        count = 0

        def leaf() -> None:
            nonlocal count
            count += 1

        def calls_so_far() -> int:
            return count

        serve(ProfilerMiddleware(app, profiles.folder), after=0.25)
        assert count == 20
        assert calls(profiles.one())["leaf"] == kept[1] < 20
        request = request_of(profiles)
        assert (request.tasks, request.left_running) == (1, 1)

    def test_a_call_in_a_pool_thread_counts_until_then_and_its_thread_is_let_go(
        self, profiles: Profiles, pool: ThreadPoolExecutor
    ) -> None:
        began, go_on = threading.Event(), threading.Event()

        def call() -> None:
            for _ in range(7):
                leaf()
            began.set()
            go_on.wait(10)
            for _ in range(1000):
                leaf()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            pool.submit(call)
            await asyncio.get_running_loop().run_in_executor(None, began.wait, 10)
            await respond(send)

        serve(ProfilerMiddleware(app, profiles.folder))
        counted = calls(profiles.one())
        request = request_of(profiles)
        go_on.set()
        assert pool.submit(sys.getprofile).result() is None
        assert counted["leaf"] == 7
        assert (request.jobs, request.left_running) == (2, 1)  # the other one has waited for it

    def test_neither_keeps_the_profile_in_memory(self, profiles: Profiles) -> None:
        seen: list[weakref.ref[Any]] = []
        tasks: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            tasks.append(asyncio.create_task(asyncio.sleep(0.2)))
            await asyncio.sleep(0)
            await respond(send)

        middleware = ProfilerMiddleware(app, profiles.folder)
        recorder = middleware._recorder
        assert recorder is not None
        start = recorder._start

        def remember(request: Any) -> Any:
            recording = start(request)
            assert recording is not None
            seen.append(weakref.ref(recording.session))
            return recording

        recorder._start = remember  # type: ignore[method-assign]

        async def once() -> None:
            await middleware(dict(SCOPE), nobody, nobody)
            assert middleware.flush()
            gc.collect()
            session = seen[0]()
            assert session is None or session.lanes() == []
            await tasks[0]

        asyncio.run(once())


def test_the_next_request_that_a_server_begins_inside_send_is_nobodys_child(
    profiles: Profiles,
) -> None:
    """As uvicorn does with requests that a client has sent before it had the last response."""
    later: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        (leaf if scope["path"] == "/first" else other)()
        await respond(send)
        await asyncio.sleep(0.02)

    def other() -> None: ...

    middleware = ProfilerMiddleware(app, profiles.folder)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body" and not later:
            following = middleware({**SCOPE, "path": "/second"}, nobody, nobody)
            later.append(asyncio.create_task(following))

    async def connection() -> None:
        await middleware({**SCOPE, "path": "/first"}, nobody, send)
        await later[0]

    asyncio.run(connection())
    assert middleware.flush()
    found = {p.request.path: (p, p.request) for p in profiles.read() if p.request}
    assert {path: request.tasks for path, (_, request) in found.items()} == {
        "/first": 0,
        "/second": 0,
    }
    assert "other" not in calls(found["/first"][0])
    assert calls(found["/second"][0])["other"] == 1


class TestSwitchedOff:
    def test_follow_false_counts_the_own_task_alone(
        self, profiles: Profiles, pool: ThreadPoolExecutor
    ) -> None:
        async def child() -> None:
            leaf()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await asyncio.create_task(child())
            await asyncio.to_thread(leaf)
            pool.submit(leaf).result()
            leaf()
            await respond(send)

        serve(ProfilerMiddleware(app, profiles.folder, follow=False))
        assert calls(profiles.one())["leaf"] == 1
        request = request_of(profiles)
        assert (request.tasks, request.jobs, request.left_running) == (0, 0, 0)

    def test_where_nothing_can_be_sampled_nothing_is_wrapped(self, profiles: Profiles) -> None:
        factories: list[object] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            factories.append(asyncio.get_running_loop().get_task_factory())
            await respond(send)

        serve(ProfilerMiddleware(app, profiles.folder, sample=0))
        assert factories == [None]

    def test_pools_that_pickle_their_work_are_left_alone(self, profiles: Profiles) -> None:
        def app(environ: Any, start_response: Any) -> Any:
            with ProcessPoolExecutor(1) as processes:
                assert processes.submit(math.sqrt, 4).result() == 2
            for interpreters in interpreter_pools():
                with interpreters(1) as executor:
                    assert executor.submit(math.sqrt, 4).result() == 2
            start_response("200 OK", [])
            return [b"x"]

        with warnings_of_fork_allowed():
            assert list(Wsgi(app, profiles.folder)({"PATH_INFO": "/"}, lambda *_: None)) == [b"x"]  # type: ignore[arg-type]


def interpreter_pools() -> list[Any]:
    import concurrent.futures

    pool = getattr(concurrent.futures, "InterpreterPoolExecutor", None)
    return [] if pool is None else [pool]


@contextlib.contextmanager
def warnings_of_fork_allowed() -> Iterator[None]:
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        yield


class TestATaskFactoryOfTheApp:
    def test_is_kept_and_its_tasks_count(self, profiles: Profiles) -> None:
        made: list[str] = []

        def factory(loop: Any, coroutine: Any, **options: Any) -> Any:
            if "BaseEventLoop" not in coroutine.__qualname__:  # what asyncio.run() itself starts
                made.append(coroutine.__qualname__.rpartition(".")[2])
            return asyncio.Task(coroutine, loop=loop, **options)

        async def child() -> None:
            leaf()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await asyncio.create_task(child())
            await respond(send)

        middleware = ProfilerMiddleware(app, profiles.folder)

        async def before() -> None:
            asyncio.get_running_loop().set_task_factory(factory)
            await middleware(dict(SCOPE), nobody, nobody)

        asyncio.run(before())
        assert middleware.flush()
        assert made == ["child"]
        assert calls(profiles.one())["leaf"] == 1

    def test_that_comes_later_is_kept_too(self, profiles: Profiles) -> None:
        made: list[object] = []

        async def child() -> None:
            leaf()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await asyncio.create_task(child())
            await respond(send)

        middleware = ProfilerMiddleware(app, profiles.folder)

        async def requests() -> None:
            loop = asyncio.get_running_loop()
            await middleware(dict(SCOPE), nobody, nobody)
            ours: Any = loop.get_task_factory()

            def factory(loop: Any, coroutine: Any, **options: Any) -> Any:
                made.append(coroutine)
                return ours(loop, coroutine, **options)

            loop.set_task_factory(factory)
            for _ in range(3):
                await middleware(dict(SCOPE), nobody, nobody)
            assert len(made) == 3

        asyncio.run(requests())
        assert middleware.flush()
        assert [calls(profile)["leaf"] for profile in profiles.read()] == [1] * 4


class TestWaits:
    def test_ran_and_waited_add_up_to_the_wall_time_and_each_place_is_told(
        self, profiles: Profiles
    ) -> None:
        async def query() -> None:
            await asyncio.sleep(0.02)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            for _ in range(3):
                await query()
            await asyncio.sleep(0.01)
            await respond(send)

        serve(ProfilerMiddleware(app, profiles.folder))
        request, timeline = request_of(profiles), timeline_of(profiles)
        assert request.waited is not None
        assert request.ran + request.waited == pytest.approx(request.total)
        assert 0.06 <= request.waited < request.total
        by_place = {tuple(place[2] for place in wait.stack): wait for wait in timeline.waits}
        queried = by_place["app", "query", "sleep"]
        assert queried.count == 3
        assert queried.seconds >= 0.05
        assert queried.longest >= 0.015
        assert not queried.child
        assert by_place["app", "sleep"].count == 1
        lines = [place[3] - place[1] for place in queried.stack[:2]]
        assert lines == [2, 1]  # where each awaits, below its first line
        assert sum(wait.seconds for wait in timeline.waits) == pytest.approx(request.waited)

    def test_those_of_async_generators_go_down_to_what_they_await(self, profiles: Profiles) -> None:
        async def rows() -> Any:
            for n in range(2):
                await asyncio.sleep(0.01)
                yield n

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert [row async for row in rows()] == [0, 1]
            await respond(send)

        serve(ProfilerMiddleware(app, profiles.folder))
        stacks = [tuple(place[2] for place in w.stack) for w in timeline_of(profiles).waits]
        assert [stack for stack in stacks if stack[-2:] == ("rows", "sleep")]

    def test_child_tasks_have_sums_of_their_own(self, profiles: Profiles) -> None:
        async def child() -> None:
            await asyncio.sleep(0.03)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await asyncio.gather(child(), child())
            await respond(send)

        serve(ProfilerMiddleware(app, profiles.folder))
        request, timeline = request_of(profiles), timeline_of(profiles)
        assert request.tasks == 2
        assert request.tasks_waited >= 0.05
        assert request.waited is not None
        assert request.waited < request.tasks_waited
        assert sum(w.seconds for w in timeline.waits if w.child) == pytest.approx(
            request.tasks_waited
        )

    def test_pool_calls_tell_cpu_from_wall_time(self, profiles: Profiles) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await asyncio.to_thread(time.sleep, 0.03)
            await respond(send)

        serve(ProfilerMiddleware(app, profiles.folder))
        request, timeline = request_of(profiles), timeline_of(profiles)
        (job,) = timeline.jobs
        assert job.function[2] == "sleep"
        assert (job.count, request.jobs) == (1, 1)
        assert job.wall >= 0.03 > job.cpu
        assert (request.jobs_ran, request.jobs_cpu) == (job.wall, job.cpu)

    def test_what_others_held_the_loop_for_is_bounded_and_names_them(
        self, profiles: Profiles
    ) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/waits":
                await asyncio.sleep(0.05)
            else:
                await asyncio.sleep(0.01)
                time.sleep(0.08)  # what it should not do
            await respond(send)

        middleware = ProfilerMiddleware(app, profiles.folder)

        async def both() -> None:
            paths = ("/waits", "/blocks")
            await asyncio.gather(
                *(middleware({**SCOPE, "path": path}, nobody, nobody) for path in paths)
            )

        asyncio.run(both())
        assert middleware.flush()
        found = {p.request.path: p for p in profiles.read() if p.request}
        waits, blocks = found["/waits"].request, found["/blocks"].request
        assert waits is not None
        assert blocks is not None
        assert waits.held is not None
        assert waits.waited is not None
        assert 0.08 <= waits.held <= waits.waited
        timeline = reader.timeline(found["/waits"])
        assert timeline is not None
        assert timeline.held_by[blocks.id] >= 0.08


class TestMaxDuration:
    def test_a_request_that_outlives_it_is_stored_as_it_is_once(self, profiles: Profiles) -> None:
        middleware: ProfilerMiddleware

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["route"] = type("Route", (), {"path_format": "/feed/{id}"})()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            leaf()
            await asyncio.sleep(0.5)
            for _ in range(100):
                leaf()
            await send({"type": "http.response.body", "body": b"x"})

        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message["type"])

        middleware = ProfilerMiddleware(app, profiles.folder, max_duration=0.1)
        serve(middleware, send=send)
        assert sent == ["http.response.start", "http.response.body"]
        assert calls(profiles.one())["leaf"] == 1
        request, timeline = request_of(profiles), timeline_of(profiles)
        assert request.partial
        assert not request.interrupted
        assert (request.status, request.route) == (200, "/feed/{id}")
        assert 0.1 <= request.duration < 0.5
        assert [place[2] for place in timeline.stopped_at] == ["app", "sleep"]
        assert request.waited is not None
        assert 0.05 <= request.waited <= request.total
        assert middleware.counters["profiled"] == middleware.counters["stored"] == 1

    def test_a_thread_is_let_go_by_itself_and_its_stack_is_told(self, profiles: Profiles) -> None:
        def app(environ: Any, start_response: Any) -> Any:
            leaf()
            stuck(time.monotonic() + 0.4)
            start_response("200 OK", [])
            return [b"x"]

        def stuck(until: float) -> None:
            while time.monotonic() < until:
                leaf()

        middleware = Wsgi(app, profiles.folder, max_duration=0.1)
        body = middleware({"PATH_INFO": "/"}, lambda *_: None)  # type: ignore[arg-type]
        assert list(body) == [b"x"]
        body.close()  # type: ignore[attr-defined]
        assert sys.getprofile() is None
        assert middleware.flush()
        request, timeline = request_of(profiles), timeline_of(profiles)
        assert request.partial
        assert "stuck" in [place[2] for place in timeline.stopped_at]
        assert calls(profiles.one())["leaf"] > 1

    def test_the_default_is_for_websockets_and_streams(
        self, profiles: Profiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("reqprof.record.in_flight._STREAM_SECONDS", 0.1)
        monkeypatch.setattr("reqprof.record.in_flight._LOOK_SECONDS", 0.02)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/stream":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
            elif scope["type"] == "websocket":
                await send({"type": "websocket.accept"})
            await asyncio.sleep(0.3)

        middleware = ProfilerMiddleware(app, profiles.folder)

        async def all_three() -> None:
            scopes = [
                {**SCOPE, "path": "/plain"},
                {**SCOPE, "path": "/stream"},
                {**SCOPE, "path": "/socket", "type": "websocket"},
            ]
            await asyncio.gather(*(middleware(scope, nobody, nobody) for scope in scopes))

        asyncio.run(all_three())
        assert middleware.flush()
        partial = {p.request.path: p.request.partial for p in profiles.read() if p.request}
        assert partial == {"/plain": False, "/stream": True, "/socket": True}


def test_a_background_task_does_not_lengthen_the_duration_and_a_stream_does(
    profiles: Profiles,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.02)
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await asyncio.sleep(0.02)
        await send({"type": "http.response.body", "body": b"b"})
        await asyncio.sleep(0.05)

    serve(ProfilerMiddleware(app, profiles.folder))
    request = request_of(profiles)
    assert request.first_byte is not None
    assert 0.015 <= request.first_byte < request.duration - 0.01
    assert 0.03 <= request.duration <= request.total - 0.04
