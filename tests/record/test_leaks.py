"""However requests end: no session, no thread and no memory stays behind."""

from __future__ import annotations

import asyncio
import gc
import io
import sys
import threading
import types
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.asgi import ProfilerMiddleware as Asgi
from reqprof.record import recorder
from reqprof.wsgi import ProfilerMiddleware as Wsgi
from tests.conftest import Profiles, still_on

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("each_engine")]

TIMES, ROUNDS = 100, 10  # at most
FEW = 5  # that may be there at one moment and not at another
EARLIER: set[threading.Thread] = set()  # other tests have made writers of their own
HTTP = {"type": "http", "path": "/", "headers": []}
ENVIRON = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}


class Gone(Exception):
    """The client's connection is closed, as servers say it."""


@pytest.fixture(autouse=True, scope="module")
def _little_to_collect() -> Iterator[None]:
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def held() -> tuple[Counter[str], int]:
    """Objects of reqprof's by their kind, and the number of all that are collected."""
    gc.collect()
    objects = gc.get_objects()
    ours = Counter(
        type(each).__qualname__
        for each in objects
        if getattr(type(each), "__module__", "").startswith("reqprof")
    )
    return ours, len(objects)


def check(middleware: Asgi | Wsgi, several: Callable[[int], None]) -> None:
    """``several(n)`` serves n requests: many leave behind what few do."""

    def serve() -> tuple[Counter[str], int, int]:
        several(TIMES)
        assert middleware.flush(30)
        return *held(), sys.getallocatedblocks()

    ours, objects, blocks = serve()
    threads = others()
    for served in range(2, ROUNDS + 1):
        ours_now, objects_now, blocks_now = serve()
        assert ours_now["Recording"] == 0
        # Middlewares that other tests keep alive plan a job each, or two, anew each second, and
        # those with a budget remember what they used in each second of a minute.
        others_too = len(recorder._recorders)
        most = {"_Planned": FEW + 2 * others_too, "Used": FEW + 60 * others_too}
        grown = {kind: ours_now[kind] - ours[kind] for kind in ours_now}
        assert {kind: more for kind, more in grown.items() if more >= most.get(kind, FEW)} == {}
        assert others() <= threads
        assert still_on() == []
        check_counters(middleware, TIMES * served)
        # The interpreter's own stores fill up at first, ever more slowly; what leaks grows by one
        # for each request in every round.
        if objects_now - objects < TIMES / 2 and blocks_now - blocks < 0.8 * TIMES:
            return
        objects, blocks = objects_now, blocks_now
    raise AssertionError(f"{blocks_now} blocks and {objects_now} objects, and it grows on")


def others() -> set[threading.Thread]:
    """The threads that are not ours: a writer, and for each engine one that looks after events."""
    threads = set(threading.enumerate())
    ours = {thread for thread in threads if thread.name.startswith("reqprof-")}
    new = Counter(thread.name for thread in ours - EARLIER)
    assert new <= Counter({"reqprof-events": 2, "reqprof-writer": 1})
    return threads - ours


@pytest.fixture(autouse=True, scope="module")
def _threads_of_other_tests() -> None:
    EARLIER.update(threading.enumerate())


def check_counters(middleware: Asgi | Wsgi, times: int) -> None:
    counters = middleware.counters
    assert counters["profiled"] == times
    assert counters.get("stored", 0) + counters.get("empty", 0) == times
    assert set(counters) <= {"profiled", "stored", "pruned", "empty"}
    assert vars(middleware)["_recorder"].in_flight == 0


def leaf() -> None: ...


async def child(seconds: float = 0) -> None:
    leaf()
    await asyncio.sleep(seconds)
    leaf()


@types.coroutine
def forever() -> Generator[None, None, None]:
    yield


async def receive() -> Any:
    leaf()
    return {"type": "http.disconnect"}


async def send(message: Any) -> None: ...


async def refuse(message: Any) -> None:
    raise Gone


async def respond(send: Any, *chunks: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def plainly(send: Any) -> None:
    leaf()
    await respond(send)


async def with_tasks(send: Any) -> None:
    await asyncio.gather(child(), child())
    async with asyncio.TaskGroup() as group:
        group.create_task(child())
    await respond(send)


async def with_threads(send: Any) -> None:
    await asyncio.to_thread(leaf)
    await respond(send)


async def raising(send: Any) -> None:
    leaf()
    raise Gone


async def raising_in_a_task(send: Any) -> None:
    await asyncio.create_task(raising(send))


async def raising_in_a_thread(send: Any) -> None:
    await asyncio.to_thread(int, "no number")


async def waiting_long(send: Any) -> None:
    leaf()
    await asyncio.sleep(600)


async def waiting_for_a_task(send: Any) -> None:
    await asyncio.gather(child(600), child(600))


async def leaving_a_task(send: Any) -> None:
    task = asyncio.create_task(child(0.001))
    task.add_done_callback(lambda done: done.result())
    await respond(send)


async def leaving_a_task_for_ever(send: Any) -> None:
    task = asyncio.create_task(child(600))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.001, task.cancel)
    await respond(send)


async def leaving_a_generator(send: Any) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0)

    async for _ in endless():
        break
    await respond(send)


async def streaming(send: Any) -> None:
    leaf()
    await respond(send, b"a", b"b")


async def speaking(send: Any) -> None:
    await send({"type": "websocket.accept"})
    leaf()
    await send({"type": "websocket.close", "code": 1000})


async def await_it(request: Awaitable[None]) -> None:
    with suppress(Gone, ValueError):
        await request


async def cancel_it(request: Awaitable[None], turns: int) -> None:
    task = asyncio.ensure_future(request)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def cancel_it_at_once(request: Awaitable[None]) -> None:
    await cancel_it(request, 0)


async def cancel_it_soon(request: Awaitable[None]) -> None:
    await cancel_it(request, 1)


async def cancel_it_later(request: Awaitable[None]) -> None:
    await cancel_it(request, 3)


@pytest.mark.parametrize(
    ("app", "end", "sending"),
    [
        (plainly, await_it, send),
        (with_tasks, await_it, send),
        (with_threads, await_it, send),
        (raising, await_it, send),
        (raising_in_a_task, await_it, send),
        (raising_in_a_thread, await_it, send),
        (streaming, await_it, send),
        (streaming, await_it, refuse),
        (speaking, await_it, send),
        (speaking, await_it, refuse),
        (leaving_a_task, await_it, send),
        (leaving_a_task_for_ever, await_it, send),
        (leaving_a_generator, await_it, send),
        (waiting_long, cancel_it_soon, send),
        (waiting_for_a_task, cancel_it_soon, send),
        (waiting_for_a_task, cancel_it_later, send),
    ],
)
def test_asgi_requests(profiles: Profiles, app: Any, end: Any, sending: Any) -> None:
    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await app(send)

    middleware = Asgi(asgi, profiles.folder, max_files=10)
    scope = {**HTTP, "type": "websocket"} if app is speaking else HTTP

    async def several(times: int) -> None:
        asyncio.get_running_loop().set_default_executor(pool)
        for _ in range(times):
            await end(middleware(scope, receive, sending))
        await asyncio.sleep(0.001)  # for what is to become a task
        while len(asyncio.all_tasks()) > 1:  # what was left running
            await asyncio.sleep(0.001)

    pool = ThreadPoolExecutor(1)  # which the runner shuts down
    pool.submit(leaf).result()
    with asyncio.Runner() as runner:
        check(middleware, lambda times: runner.run(several(times)))


def test_asgi_requests_in_loops_of_their_own(profiles: Profiles) -> None:
    """What is kept for a loop goes with it."""

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await with_tasks(send)

    middleware = Asgi(asgi, profiles.folder, max_files=10)

    def several(times: int) -> None:
        for _ in range(times):
            asyncio.run(middleware(HTTP, receive, send))

    check(middleware, several)


def test_asgi_requests_that_never_begin(profiles: Profiles) -> None:
    async def asgi(scope: Any, receive: Any, send: Any) -> None: ...

    middleware = Asgi(asgi, profiles.folder, max_files=10)

    async def several() -> None:
        for _ in range(TIMES):
            await cancel_it_at_once(middleware(HTTP, receive, send))

    asyncio.run(several())
    assert middleware.counters == {}


def test_asgi_requests_that_are_dropped_while_suspended(profiles: Profiles) -> None:
    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        leaf()
        try:
            await forever()
        finally:
            leaf()

    middleware = Asgi(asgi, profiles.folder, max_files=10)

    def several(times: int) -> None:
        for _ in range(times):
            middleware(HTTP, receive, send).send(None)
        gc.collect()

    check(middleware, several)


def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
    return lambda chunk: None


def a_list(environ: Any, start_response: Any) -> Any:
    leaf()
    start_response("200 OK", [])
    return [b"a", b"b"]


def a_generator(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [])
    for chunk in (b"a", b"b"):
        leaf()
        yield chunk


def a_generator_that_raises(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [])
    yield b"a"
    leaf()
    raise Gone


def an_error(environ: Any, start_response: Any) -> Any:
    leaf()
    raise Gone


def a_file(environ: Any, start_response: Any) -> Any:
    leaf()
    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](io.BytesIO(b"a"))


def with_a_pool(environ: Any, start_response: Any) -> Any:
    assert POOL.submit(sum, [1, 2]).result() == 3
    start_response("200 OK", [])
    return [b"a"]


POOL = ThreadPoolExecutor(1)
SERVER = ThreadPoolExecutor(1)


class FileWrapper:
    def __init__(self, file: Any) -> None:
        self._chunks: Iterator[bytes] = iter(file)
        self.close = file.close

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks


def wholly(body: Any) -> None:
    with suppress(Gone):
        list(body)
    body.close()


def half(body: Any) -> None:
    next(iter(body))
    body.close()


def half_and_dropped(body: Any) -> None:
    next(iter(body))


def dropped(body: Any) -> None: ...


def closed_at_once(body: Any) -> None:
    body.close()


def by_another_thread(body: Any) -> None:
    SERVER.submit(wholly, body).result()


def iterated_here_and_closed_there(body: Any) -> None:
    list(body)
    SERVER.submit(body.close).result()


@pytest.mark.parametrize(
    ("app", "end"),
    [
        (a_list, wholly),
        (a_list, dropped),
        (a_generator, wholly),
        (a_generator, half),
        (a_generator, half_and_dropped),
        (a_generator, dropped),
        (a_generator, closed_at_once),
        (a_generator, by_another_thread),
        (a_generator, iterated_here_and_closed_there),
        (a_generator_that_raises, wholly),
        (an_error, wholly),
        (a_file, wholly),
        (a_file, dropped),
        (with_a_pool, wholly),
    ],
)
def test_wsgi_requests(profiles: Profiles, app: Any, end: Any) -> None:
    middleware = Wsgi(app, profiles.folder, max_files=10)

    def several(times: int) -> None:
        for _ in range(times):
            with suppress(Gone):
                end(middleware({**ENVIRON, "wsgi.file_wrapper": FileWrapper}, start_response))
        gc.collect()

    POOL.submit(leaf).result()
    SERVER.submit(leaf).result()
    check(middleware, several)
