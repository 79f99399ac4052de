"""What went wrong once: apps that do unusual things, and stay what they are."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.asgi import ProfilerMiddleware
from reqprof.wsgi import ProfilerMiddleware as Wsgi
from tests.conftest import Profiles, calls

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("no_collection", "each_engine")]

SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": []}
ENVIRON = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}


async def nobody(*_: Any) -> Any:
    await asyncio.sleep(0)


def serve(middleware: ProfilerMiddleware, *paths: str) -> None:
    async def all_at_once() -> None:
        scopes = [{**SCOPE, "path": path} for path in paths or ["/"]]
        await asyncio.gather(*(middleware(scope, nobody, nobody) for scope in scopes))

    asyncio.run(all_at_once())
    assert middleware.flush()


def get(middleware: Wsgi) -> bytes:
    body = middleware(dict(ENVIRON), lambda *_: lambda data: None)
    content = b"".join(body)
    getattr(body, "close", lambda: None)()
    return content


class Proxy:
    """An object whose every attribute is the app's code, and fails where nothing is bound."""

    def __call__(self) -> int:
        return 42

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("object is not bound")


@pytest.mark.parametrize("start", ["to_thread", "run_in_executor"])
def test_a_callable_whose_attributes_fail_is_called_like_any_other(
    start: str, profiles: Profiles
) -> None:
    seen: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if start == "to_thread":
            seen.append(await asyncio.to_thread(Proxy()))
        else:
            seen.append(await asyncio.get_running_loop().run_in_executor(None, Proxy()))

    serve(ProfilerMiddleware(app, profiles.folder))
    assert seen == [42]
    assert profiles.one().request.jobs == 1  # type: ignore[union-attr]


def test_an_app_that_returns_a_future_is_awaited(profiles: Profiles) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        leaf()

    def shielded(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        return asyncio.shield(app(scope, receive, send))

    def leaf() -> None: ...

    serve(ProfilerMiddleware(shielded, profiles.folder))
    assert calls(profiles.one())["leaf"] == 1


@pytest.mark.parametrize("step", ["send", "close"])
def test_a_task_that_steps_itself_is_refused_and_stays_within_bounds(
    step: str, profiles: Profiles
) -> None:
    async def itself() -> None:
        coroutine: Any = asyncio.current_task().get_coro()  # type: ignore[union-attr]
        with suppress(ValueError, RuntimeError):
            coroutine.send(None) if step == "send" else coroutine.close()
        await asyncio.sleep(0.001)
        leaf()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/itself":
            await asyncio.create_task(itself())
        else:
            for _ in range(9):
                neighbour()
                await asyncio.sleep(0)

    def leaf() -> None: ...

    def neighbour() -> None: ...

    serve(ProfilerMiddleware(app, profiles.folder), "/itself", "/other")
    found = {p.request.path: calls(p) for p in profiles.read() if p.request}
    assert found["/itself"].get("leaf") == 1
    assert "neighbour" not in found["/itself"]
    assert found["/other"]["neighbour"] == 9


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_that_returns_through_the_app_writes_nothing(profiles: Profiles) -> None:
    children: list[int] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        children.append(os.fork())
        return [b"x"]

    middleware = Wsgi(app, profiles.folder)
    assert get(middleware) == b"x"
    if not children[0]:
        middleware.flush()
        os._exit(0)
    os.waitpid(children[0], 0)
    assert middleware.flush()
    assert len(profiles.read()) == 1


def test_a_thread_whose_request_has_ended_serves_the_next(profiles: Profiles) -> None:
    """A request leaves a loop in a pool thread, and that loop serves further requests."""
    wanted, served = threading.Event(), threading.Event()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        leaf()
        return [b"x"]

    def first(environ: Any, start_response: Any) -> list[bytes]:
        began = threading.Event()

        def lingering() -> None:
            began.set()
            wanted.wait(10)
            get(inner)
            served.set()

        pool.submit(lingering)
        assert began.wait(10)
        return [b"x"]

    def leaf() -> None: ...

    inner = Wsgi(app, profiles.folder)
    with ThreadPoolExecutor(1) as pool:
        get(Wsgi(first, profiles.folder / "first"))
        wanted.set()
        assert served.wait(10)
        assert pool.submit(sys.getprofile).result() is None
    assert inner.flush()
    assert inner.counters == {"profiled": 1, "stored": 1, "pruned": 0}
    assert calls(profiles.one())["leaf"] == 1


def test_a_file_body_is_no_reference_cycle(profiles: Profiles) -> None:
    class File:
        def __iter__(self) -> Any:
            return iter([b"x"])

        def close(self) -> None:
            closed.append(1)

    closed: list[int] = []
    bodies: list[weakref.ref[Any]] = []

    def app(environ: Any, start_response: Any) -> Any:
        body = environ["wsgi.file_wrapper"]()
        bodies.append(weakref.ref(body))
        return body

    middleware = Wsgi(app, profiles.folder)

    def request(*, close: bool) -> None:
        body: Any = middleware({**ENVIRON, "wsgi.file_wrapper": File}, lambda *_: lambda _: None)
        assert list(body) == [b"x"]
        if close:
            body.close()
            body.close()

    gc.collect()
    request(close=True)
    request(close=False)
    assert [body() for body in bodies] == [None, None]
    assert middleware.flush()
    assert len(closed) == 2  # as often as the server did it
    assert middleware.counters["stored"] == 2


def test_a_factory_that_calls_ours_and_is_wrapped_again_counts_a_task_once(
    profiles: Profiles,
) -> None:
    async def child() -> None: ...

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.create_task(child())

    middleware = ProfilerMiddleware(app, profiles.folder)

    async def requests() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(3):
            ours: Any = loop.get_task_factory() or asyncio.Task
            if ours is not asyncio.Task:
                loop.set_task_factory(lambda *args, ours=ours, **more: ours(*args, **more))
            await middleware(dict(SCOPE), nobody, nobody)

    asyncio.run(requests())
    assert middleware.flush()
    assert [p.request.tasks for p in profiles.read() if p.request] == [1, 1, 1]


def test_follow_false_sets_no_context_variable(profiles: Profiles) -> None:
    seen: list[list[str]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append([variable.name for variable in contextvars.copy_context()])

    middleware = ProfilerMiddleware(app, profiles.folder, follow=False)
    contextvars.Context().run(serve, middleware)  # not the one in which other tests left theirs
    assert "reqprof_request" not in seen[0]


def test_what_a_pool_thread_has_the_loop_do_counts(profiles: Profiles) -> None:
    async def child() -> None:
        leaf()

    def leaf() -> None: ...

    async def app(scope: Any, receive: Any, send: Any) -> None:
        loop = asyncio.get_running_loop()

        def job() -> None:
            asyncio.run_coroutine_threadsafe(child(), loop).result(10)

        await loop.run_in_executor(None, job)

    serve(ProfilerMiddleware(app, profiles.folder))
    assert calls(profiles.one())["leaf"] == 1


@pytest.mark.parametrize(
    "name",
    [
        "notes.Notes.wait",
        "notes.Notes.facts",
        "notes.Notes.call",
        "company.Company.step",
        "company.Company.leave",
        "steps.frames",
    ],
)
def test_a_fault_in_what_is_noted_costs_the_profile_and_nothing_else(
    name: str, profiles: Profiles, monkeypatch: pytest.MonkeyPatch, no_more: Callable[[], None]
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("on purpose")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        assert await asyncio.to_thread(int, "7") == 7

    monkeypatch.setattr(f"reqprof.record.{name}", fail)
    middleware = ProfilerMiddleware(app, profiles.folder)
    serve(middleware)
    no_more()
    assert middleware.counters["failed_stats"] == 1
    assert profiles.paths() == []
