"""The ASGI door: what the app and the server see, and what the profile covers."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import types
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.asgi import ProfilerMiddleware
from tests.conftest import Profiles, callers, calls

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from pathlib import Path

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("no_collection", "each_engine")]


def scope(kind: str = "http", path: str = "/", **more: Any) -> dict[str, Any]:
    return {"type": kind, "method": "GET", "path": path, "headers": [], **more}


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


class Server:
    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        await asyncio.sleep(0)


def leaf() -> int:
    return 1


async def work(times: int) -> None:
    for _ in range(times):
        leaf()


async def respond(send: Any, *chunks: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for chunk in chunks[:-1]:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": chunks[-1]})


def run(middleware: ProfilerMiddleware, *scopes: dict[str, Any]) -> list[Server]:
    servers = [Server() for _ in scopes]

    async def serve() -> None:
        await asyncio.gather(
            *(
                middleware(scope, receive, server.send)
                for scope, server in zip(scopes, servers, strict=True)
            )
        )

    asyncio.run(serve())
    assert middleware.flush()
    return servers


def test_the_profile_covers_the_call_to_the_return(profiles: Profiles) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await work(1)
        await respond(send, b"a", b"b")
        await work(10)

    (server,) = run(ProfilerMiddleware(app, profiles.folder), scope())
    assert [message["type"] for message in server.sent] == [
        "http.response.start",
        "http.response.body",
        "http.response.body",
    ]
    assert calls(profiles.one())["leaf"] == 11


def test_interleaved_requests_each_hold_their_own_work_and_nothing_else(
    profiles: Profiles,
) -> None:
    def only_even() -> None:
        leaf()

    def only_odd() -> None:
        leaf()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        number = int(scope["path"][1:])
        for _ in range(number):
            (only_odd if number % 2 else only_even)()
            await asyncio.sleep(0.0001)
        await respond(send, b"x")

    run(ProfilerMiddleware(app, profiles.folder), *(scope(path=f"/{n}") for n in range(30)))
    found = profiles.read()
    assert len(found) == 30
    for profile in found:
        assert profile.request is not None
        assert profile.request.path is not None
        number = int(profile.request.path[1:])
        mine, others = ("only_odd", "only_even") if number % 2 else ("only_even", "only_odd")
        counted = calls(profile)
        assert counted.get(mine, 0) == counted.get("leaf", 0) == number
        assert others not in counted
        assert not {"_run_once", "select", "run_forever", "_run"} & set(counted)
        assert not any("send" in name and "coroutine" in name for name in counted)


def test_the_servers_send_is_called_by_the_app_and_not_by_us(profiles: Profiles) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, b"a", b"b")

    run(ProfilerMiddleware(app, profiles.folder), scope())
    profile = profiles.one()
    assert callers(profile, "send") == {"respond": 6}  # each send is resumed once
    assert "_drive" not in calls(profile)


def test_lifespan_and_unknown_scopes_pass_through_untouched(profiles: Profiles) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send))
        await work(1)

    middleware = ProfilerMiddleware(app, profiles.folder)
    for kind in ("lifespan", "mqtt"):
        given = scope(kind)
        (server,) = run(middleware, given)
        assert seen[-1] == (given, receive, server.send)
        assert seen[-1][0] is given
    assert profiles.paths() == []
    assert middleware.counters == {}


def test_a_websocket_session_is_profiled(profiles: Profiles) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await work(3)
        await send({"type": "websocket.send", "text": "hello"})
        await send({"type": "websocket.close", "code": 1000})

    run(ProfilerMiddleware(app, profiles.folder), scope("websocket", "/feed/7"))
    profile = profiles.one()
    assert profile.request is not None
    assert (profile.request.kind, profile.request.status) == ("websocket", 101)
    assert calls(profile)["leaf"] == 3


def test_an_exception_passes_and_is_a_fact(profiles: Profiles) -> None:
    raised = LookupError("boom")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        raise raised

    with pytest.raises(LookupError) as caught:
        run(middleware := ProfilerMiddleware(app, profiles.folder), scope())
    assert caught.value is raised
    assert caught.traceback[-1].name == "app"
    middleware.flush()
    assert profiles.one().request.exception == "LookupError"  # type: ignore[union-attr]


def test_cancellation_reaches_the_app_and_its_cleanup_is_recorded(profiles: Profiles) -> None:
    began = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            began.set()
            await asyncio.sleep(60)
        finally:
            await work(4)

    middleware = ProfilerMiddleware(app, profiles.folder)

    async def serve() -> None:
        task = asyncio.ensure_future(middleware(scope(), receive, Server().send))
        await began.wait()
        await asyncio.sleep(0.01)
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.args == ("enough",)

    asyncio.run(serve())
    middleware.flush()
    profile = profiles.one()
    assert profile.request is not None
    assert profile.request.exception == "CancelledError"
    assert profile.request.waited is not None
    assert profile.request.waited > 0.005
    assert calls(profile)["leaf"] == 4


def test_an_app_may_survive_what_is_thrown_into_it(profiles: Profiles) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.wait_for(asyncio.sleep(60), 0.01)
        except TimeoutError:
            await work(2)
        await respond(send, b"late")

    (server,) = run(ProfilerMiddleware(app, profiles.folder), scope())
    assert server.sent[-1]["body"] == b"late"
    assert calls(profiles.one())["leaf"] == 2


def test_a_request_dropped_while_suspended_ends_its_profile(profiles: Profiles) -> None:
    closed = []

    @types.coroutine
    def forever() -> Generator[None, None, None]:
        yield

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await work(2)
        try:
            await forever()
        finally:
            closed.append(True)

    middleware = ProfilerMiddleware(app, profiles.folder)
    request = middleware(scope(), receive, Server().send)
    request.send(None)
    del request
    gc.collect()
    assert closed == [True]
    middleware.flush()
    assert profiles.one().request.exception == "GeneratorExit"  # type: ignore[union-attr]


def test_context_variables_set_in_the_app_are_seen_outside(profiles: Profiles) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        variable.set("set inside")
        await respond(send, b"")

    middleware = ProfilerMiddleware(app, profiles.folder)

    async def serve() -> None:
        task = asyncio.current_task()
        await middleware(scope(), receive, Server().send)
        assert variable.get() == "set inside"
        assert asyncio.current_task() is task

    asyncio.run(serve())


@pytest.mark.parametrize("make", ["function", "future"])
def test_an_app_that_returns_another_awaitable(profiles: Profiles, make: str) -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await work(6)
        await respond(send, b"x")

    def app(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        made = inner(scope, receive, send)
        return asyncio.ensure_future(made) if make == "future" else made

    (server,) = run(ProfilerMiddleware(app, profiles.folder), scope())
    assert server.sent[-1]["body"] == b"x"
    if make == "function":
        assert calls(profiles.one())["leaf"] == 6


def test_messages_are_the_apps_own_and_the_malformed_ones_are_the_servers_to_judge(
    profiles: Profiles,
) -> None:
    messages: list[Any] = [
        {"type": "http.response.start", "headers": []},
        {"no": "type"},
        {"type": "http.response.body", "body": b""},
    ]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    (server,) = run(ProfilerMiddleware(app, profiles.folder), scope())
    assert all(sent is given for sent, given in zip(server.sent, messages, strict=True))


def test_three_moments_and_the_wait_between_them(profiles: Profiles) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.02)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await asyncio.sleep(0.02)
        await send({"type": "http.response.body", "body": b"b"})
        await asyncio.sleep(0.02)

    run(ProfilerMiddleware(app, profiles.folder), scope())
    request = profiles.one().request
    assert request is not None
    assert request.first_byte is not None
    assert request.waited is not None
    assert 0.02 <= request.first_byte <= request.duration - 0.02
    assert request.duration <= request.total - 0.02
    assert 0.05 <= request.waited <= request.total


def test_background_work_does_not_lengthen_the_duration(profiles: Profiles) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, b"x")
        await asyncio.sleep(0.05)

    run(ProfilerMiddleware(app, profiles.folder), scope())
    request = profiles.one().request
    assert request is not None
    assert request.duration < 0.05 <= request.total


def test_wrapping_twice_profiles_once(profiles: Profiles, tmp_path: Path) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await work(4)
        await respond(send, b"x")

    inner = ProfilerMiddleware(app, tmp_path / "inner")
    run(ProfilerMiddleware(inner, profiles.folder), scope())
    assert calls(profiles.one())["leaf"] == 4
    assert not (tmp_path / "inner").exists()


def test_neither_timed_nor_sampled_requests_get_the_servers_own_send(profiles: Profiles) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(send)

    (server,) = run(ProfilerMiddleware(app, profiles.folder, sample=0.0, timing=False), scope())
    assert seen == [server.send]


def test_switched_off_it_is_one_attribute_test(
    profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQPROF_ENABLED", "0")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, b"x")

    middleware = ProfilerMiddleware(app, profiles.folder)
    (server,) = run(middleware, scope())
    assert server.sent[-1]["body"] == b"x"
    assert not profiles.folder.exists()
    assert vars(middleware)["_recorder"] is None


def test_the_trace_id_comes_from_traceparent(profiles: Profiles) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, b"x")

    trace = "0af7651916cd43dd8448eb211c80319c"
    header = (b"traceparent", f"00-{trace}-b7ad6b7169203331-01".encode())
    run(ProfilerMiddleware(app, profiles.folder), scope(headers=[header]))
    assert profiles.one().request.trace_id == trace  # type: ignore[union-attr]


def test_no_coroutine_is_left_unawaited_or_unclosed(profiles: Profiles) -> None:
    """A request cancelled before its first step never began: warnings are errors here."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, b"x")

    middleware = ProfilerMiddleware(app, profiles.folder)

    async def serve() -> None:
        task = asyncio.ensure_future(middleware(scope(), receive, Server().send))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(serve())
    gc.collect()


def test_nothing_stays_on_afterwards(profiles: Profiles, no_more: Callable[[], None]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        await respond(send, b"x")

    run(ProfilerMiddleware(app, profiles.folder), *(scope() for _ in range(5)))
    no_more()
