"""Greenlets: gevent serves each request in one, SQLAlchemy starts some inside a request."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.asgi import ProfilerMiddleware
from tests.conftest import Profiles, callers, calls, need_module

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reqprof.model import Profile

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("no_collection", "each_engine")]

SWITCH = "<method 'switch' of 'greenlet.greenlet' objects>"


@pytest.fixture
def greenlet_spawn() -> Callable[..., Any]:
    need_module("sqlalchemy")
    need_module("greenlet")
    import greenlet  # noqa: F401  SQLAlchemy imports it when first used
    from sqlalchemy.util import greenlet_spawn

    return greenlet_spawn


def leaf() -> None: ...


def busy(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def execute() -> int:
    """What SQLAlchemy does for a statement: synchronous code that waits for a driver."""
    from sqlalchemy.util import await_only

    leaf()
    busy(0.002)
    await_only(asyncio.sleep(0.2))
    fetch()
    return 3


def fetch() -> None:
    from sqlalchemy.util import await_only

    await_only(asyncio.sleep(0.1))
    leaf()


async def send(message: Any) -> None:
    await asyncio.sleep(0)


def serve(app: Any, profiles: Profiles, requests: int = 1, **options: Any) -> list[Profile]:
    middleware = ProfilerMiddleware(app, profiles.folder, **options)

    async def all_at_once() -> None:
        scopes = ({"type": "http", "path": f"/{n}", "headers": []} for n in range(requests))
        await asyncio.gather(*(middleware(scope, None, send) for scope in scopes))  # type: ignore[arg-type]

    asyncio.run(all_at_once())
    assert middleware.flush()
    return profiles.read()


@pytest.mark.parametrize("builtins", [True, False])
def test_what_runs_in_a_greenlet_of_the_request_hangs_below_what_switched_to_it(
    greenlet_spawn: Callable[..., Any], builtins: bool, profiles: Profiles
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(3):
            assert await greenlet_spawn(execute) == 3

    (profile,) = serve(app, profiles, builtins=builtins)
    assert profile.request is not None
    assert not profile.request.interrupted
    counted = calls(profile)
    assert (counted["execute"], counted["fetch"], counted["leaf"]) == (3, 3, 6)
    assert callers(profile, "leaf") == {"execute": 3, "fetch": 3}
    assert callers(profile, "fetch") == {"execute": 3}
    assert callers(profile, "execute") == {SWITCH if builtins else "greenlet_spawn": 3}


def test_the_time_that_a_greenlet_waits_is_waited_and_not_ran(
    greenlet_spawn: Callable[..., Any], profiles: Profiles
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await greenlet_spawn(execute)

    (profile,) = serve(app, profiles)
    request = profile.request
    assert request is not None
    assert request.waited is not None
    assert request.waited >= 0.25
    rows = {function[2]: row for function, row in profile.stats.items()}
    assert sum(row[2] for row in rows.values()) <= request.ran
    # Nothing in the table has the seconds of the sleep, and execute has its own busy time whole.
    assert 0.002 <= rows["execute"][3] < 0.15
    assert rows[SWITCH][2] < 0.1
    assert rows["fetch"][3] < 0.1


def test_interleaved_requests_keep_their_greenlets_apart(
    greenlet_spawn: Callable[..., Any], profiles: Profiles
) -> None:
    def only(number: int) -> Callable[[], int]:
        code: dict[str, Any] = {}
        exec(f"def only_{number}(): return {number}", code)
        return code[f"only_{number}"]  # type: ignore[no-any-return]

    marks = [only(number) for number in range(20)]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        mark = marks[int(scope["path"][1:])]

        def work() -> None:
            from sqlalchemy.util import await_only

            for _ in range(4):
                mark()
                await_only(asyncio.sleep(0.001))

        await asyncio.gather(greenlet_spawn(work), greenlet_spawn(work))

    found = serve(app, profiles, requests=20)
    assert len(found) == 20
    for profile in found:
        assert profile.request is not None
        number = int(str(profile.request.path)[1:])
        marked = {name: n for name, n in calls(profile).items() if name.startswith("only_")}
        assert marked == {f"only_{number}": 8}


def test_afterwards_greenlets_own_trace_function_is_as_before(
    greenlet_spawn: Callable[..., Any], profiles: Profiles
) -> None:
    import greenlet

    seen: list[str] = []

    def trace(event: str, pair: Any) -> None:
        seen.append(event)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await greenlet_spawn(execute)

    previous = greenlet.settrace(trace)
    try:
        serve(app, profiles)
        assert greenlet.gettrace() is trace
    finally:
        greenlet.settrace(previous)
    assert len(seen) >= 6  # it was told of every switch meanwhile


def in_a_process_of_its_own(program: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


GEVENT = """
    import sys
    {before}
    from gevent import monkey
    monkey.patch_all()
    import time
    from concurrent.futures import ThreadPoolExecutor
    import gevent, greenlet
    from reqprof.wsgi import ProfilerMiddleware

    pool = ThreadPoolExecutor(2)

    def leaf(): pass

    def deep(mark):
        time.sleep(.001)
        mark()

    def only(number):
        code = {{}}
        exec(f"def only_{{number}}(): pass", code)
        return code[f"only_{{number}}"]

    def app(environ, start_response):
        mark = only(environ["PATH_INFO"][1:])
        for _ in range(5):
            leaf()
            deep(mark)
        pool.submit(deep, mark).result()
        start_response("200 OK", [])
        return chunks(mark)

    def chunks(mark):
        for _ in range(3):
            time.sleep(.001)
            mark()
            yield b"x"

    middleware = ProfilerMiddleware(app, sys.argv[1])

    def request(number):
        body = middleware({{"REQUEST_METHOD": "GET", "PATH_INFO": f"/{{number}}"}}, lambda *_: None)
        assert list(body) == [b"x"] * 3
        body.close()

    gevent.joinall([gevent.spawn(request, number) for number in range(30)], raise_error=True)
    assert middleware.flush()
    assert greenlet.gettrace() is None
    print(middleware.counters)
"""
LATE = "import reqprof.wsgi; reqprof.wsgi.ProfilerMiddleware(lambda e, s: [], sys.argv[1])"


@pytest.mark.parametrize("before", ["", LATE], ids=["patched first", "reqprof first"])
def test_under_gevent_each_request_has_its_own_calls_and_callers(
    before: str, profiles: Profiles
) -> None:
    need_module("gevent")
    in_a_process_of_its_own(GEVENT.format(before=before), profiles.folder)
    found = profiles.read()
    assert len(found) == 30
    for profile in found:
        request = profile.request
        assert request is not None
        assert not request.interrupted
        counted = calls(profile)
        number = str(request.path)[1:]
        assert {n: c for n, c in counted.items() if n.startswith("only_")} == {f"only_{number}": 9}
        assert callers(profile, f"only_{number}") == {"deep": 6, "chunks": 3}
        assert callers(profile, "leaf") == {"app": 5}
        assert request.jobs == 1
        # Others used the processor while this one was switched out.
        assert request.cpu is not None
        assert request.cpu < request.total
