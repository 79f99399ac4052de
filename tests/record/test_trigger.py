"""A request that asks for its profile: who gets one, and that nothing secret is left anywhere."""

from __future__ import annotations

import asyncio
import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqprof import asgi, launch, tokens
from reqprof.record.choice import dice
from reqprof.record.choice.trigger import Trigger
from reqprof.record.options import Settings
from tests.record.test_recorder import Service, counts, facts, service, work

if TYPE_CHECKING:
    from tests.conftest import Profiles

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("each_engine")]

_ = service  # the fixture of both doors
SECRET = "correct horse battery staple"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def token(seconds: float = 600, route: str | None = None, **other: Any) -> str:
    return tokens.make(SECRET, seconds, route, **other)


def get(served: Any, path: str, name: str, value: str) -> bytes:
    """A request with one header, whose name each door has in its own spelling."""
    wsgi = type(served).__name__ == "WsgiService"
    key = name.upper().replace("-", "_") if wsgi else name.lower()
    return bytes(served.get(path, "GET", **{key: value}))


def carried(good: str) -> list[tuple[str, str]]:
    """The ways to bring a token along."""
    return [
        ("X-Reqprof", good),
        ("Cookie", f"reqprof={good}"),
        ("Cookie", f"session=abc; reqprof={good}; theme=dark"),
        ("Cookie", f"xreqprof=no;reqprof={good}"),
        ("Cookie", f'a=b; reqprof="{good}"'),
    ]


class TestGood:
    @pytest.mark.parametrize("way", range(5))
    @pytest.mark.parametrize(
        "options",
        [
            {"sample": 0},
            {"sample": 1e-12},
            {"sample": lambda request: False},
            {"sample": 1, "exclude": "*"},
            {"sample": 1, "include": "/other"},
            {"sample": 0, "slower_than": "1h"},
            {"sample": 0, "keep": lambda request: False, "baseline": 1.0},
        ],
        ids=str,
    )
    def test_one_is_profiled_and_kept_whatever_the_other_options_say(
        self, service: Service, profiles: Profiles, options: Any, way: int
    ) -> None:
        served = service(work, profiles.folder, trigger=SECRET, **options)
        assert get(served, "/orders/17", *carried(token())[way]) == b"ok"
        assert counts(served) == {"profiled": 1, "stored": 1}
        found = facts(profiles)
        assert (found.chosen, found.kept, found.weight) == ("trigger", "trigger", 1.0)
        assert found.path == "/orders/17"

    def test_the_others_are_chosen_as_ever(self, service: Service, profiles: Profiles) -> None:
        served = service(work, profiles.folder, trigger=SECRET.encode(), exclude="/health")
        assert served.get("/health") == b"ok"
        assert served.get("/orders/17") == b"ok"
        assert counts(served) == {"profiled": 1, "stored": 1, "skipped_rules": 1}
        found = facts(profiles)
        assert (found.chosen, found.kept, found.weight) == ("sample", "all", 1.0)

    def test_one_for_a_route_opens_its_paths(self, service: Service, profiles: Profiles) -> None:
        served = service(work, profiles.folder, trigger=SECRET, sample=0)
        for path in ("/orders/17", "/orders/17/lines", "/users/17"):
            assert get(served, path, "X-Reqprof", token(route="/orders/{id}")) == b"ok"
        assert counts(served) == {"profiled": 1, "stored": 1, "trigger_refused": 2}
        assert facts(profiles).path == "/orders/17"

    def test_a_slow_one_is_ranked_and_never_deleted(
        self, service: Service, profiles: Profiles
    ) -> None:
        served = service(work, profiles.folder, trigger=SECRET, worst_per_route=1)
        for _ in range(3):
            assert get(served, "/a", "X-Reqprof", token()) == b"ok"
        assert counts(served) == {"profiled": 3, "stored": 3}
        assert len(profiles.paths()) == 3


GOOD = token(86400)
BAD = {
    "empty": "",
    "forged": tokens.make("another secret of some length", 600),
    "expired": token(600, now=1_700_000_000.0),
    "for another route": token(route="/users/*"),
    "truncated": GOOD[:-5],
    "longer": f"{GOOD}x",
    "non-ASCII": "é" * 40,
    "binary": "\x00\xff\x7f",
    "two of them": f"{GOOD}, {GOOD}",
    "1 MB": "A" * (1 << 20),
    "1 MB that begins well": GOOD + "A" * (1 << 20),
}


class TestBad:
    @pytest.mark.parametrize("name", BAD)
    @pytest.mark.parametrize("cookie", [False, True])
    def test_one_changes_nothing_and_is_counted(
        self, service: Service, profiles: Profiles, name: str, cookie: bool
    ) -> None:
        served = service(work, profiles.folder, trigger=SECRET, sample=0)
        header = ("Cookie", f"reqprof={BAD[name]}") if cookie else ("X-Reqprof", BAD[name])
        assert get(served, "/orders/17", *header) == b"ok"
        assert counts(served) == {"trigger_refused": 1}
        assert profiles.paths() == []

    def test_the_request_is_chosen_by_the_rate_as_if_it_had_none(
        self, service: Service, profiles: Profiles
    ) -> None:
        served = service(work, profiles.folder, trigger=SECRET, sample=1)
        assert get(served, "/orders/17", "X-Reqprof", GOOD[:-5]) == b"ok"
        assert counts(served) == {"trigger_refused": 1, "profiled": 1, "stored": 1}
        assert facts(profiles).chosen == "sample"

    @pytest.mark.parametrize("cookie", ["", "a=b", "xreqprof=1", "reqprofx=1", "a=reqprof", ";;="])
    def test_cookies_of_others_are_no_tokens(
        self, service: Service, profiles: Profiles, cookie: str
    ) -> None:
        served = service(work, profiles.folder, trigger=SECRET, sample=0)
        assert get(served, "/", "Cookie", cookie) == b"ok"
        assert counts(served) == {}

    def test_without_a_secret_a_token_means_nothing(
        self, service: Service, profiles: Profiles
    ) -> None:
        served = service(work, profiles.folder, sample=0)
        assert get(served, "/", "X-Reqprof", GOOD) == b"ok"
        assert counts(served) == {}

    @given(st.text(), st.text(), st.text())
    def test_no_text_raises(self, header: str, cookie: str, path: str) -> None:
        values = {"x-reqprof": header, "cookie": f"{cookie}; reqprof={header}"}
        asked = Trigger(SECRET)
        assert asked.asks(values.get, lambda: path) is False
        del values["x-reqprof"]
        assert asked.asks(values.get, lambda: path) is False
        values["cookie"] = cookie
        assert asked.asks(values.get, lambda: path) is not True


def test_a_websocket_may_ask_too_and_cookies_may_come_one_by_one(profiles: Profiles) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        work()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})

    async def send(message: Any) -> None: ...

    served = asgi.ProfilerMiddleware(app, profiles.folder, trigger=SECRET, sample=0)
    headers = [(b"cookie", b"a=b"), (b"cookie", b"reqprof=" + GOOD.encode())]
    for path in ("/live", "/quiet"):
        scope = {"type": "websocket", "path": path, "headers": headers if path == "/live" else []}
        asyncio.run(served(scope, None, send))  # type: ignore[arg-type]
    assert served.flush()
    assert served.counters == {"profiled": 1, "stored": 1, "pruned": 0}
    found = facts(profiles)
    assert (found.kind, found.path, found.chosen) == ("websocket", "/live", "trigger")


def test_headers_sent_twice_are_valid_nowhere(profiles: Profiles) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        work()

    served = asgi.ProfilerMiddleware(app, profiles.folder, trigger=SECRET, sample=0)
    scope = {"type": "http", "path": "/", "headers": [(b"x-reqprof", GOOD.encode())] * 2}
    asyncio.run(served(scope, None, None))  # type: ignore[arg-type]
    assert served.counters == {"trigger_refused": 1}


class TestTraceId:
    """Requests of one trace share their fate."""

    def test_the_rate_follows_the_trace_where_there_is_one(
        self, service: Service, profiles: Profiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        served = service(work, profiles.folder, sample=0.5)
        monkeypatch.setattr(dice, "throw", lambda: 0.9)
        for trace in (TRACE, TRACE[:18] + "f" * 14, "not a trace", "0" * 32):
            value = f"00-{trace}-b7ad6b7169203331-01"
            assert get(served, "/", "traceparent", value) == b"ok"
        assert served.get() == b"ok"
        assert counts(served) == {"profiled": 1, "stored": 1}
        found = facts(profiles)
        assert (found.trace_id, found.weight) == (TRACE[:18] + "f" * 14, 2.0)


class TestIncludeExclude:
    def test_what_is_left_out_runs_unprofiled_and_is_counted(
        self, service: Service, profiles: Profiles
    ) -> None:
        served = service(
            work, profiles.folder, include=["GET /orders/*", "/users/{id}"], exclude="*/private"
        )
        for path in ("/orders/1", "/orders/1/private", "/users/2", "/users/2/x", "/health"):
            assert served.get(path) == b"ok"
        assert served.get("/orders/1", "POST") == b"ok"
        assert counts(served) == {"profiled": 2, "stored": 2, "skipped_rules": 4}

    def test_the_sample_callable_is_not_asked_of_those(
        self, service: Service, profiles: Profiles
    ) -> None:
        asked: list[str | None] = []

        def sample(request: Any) -> bool:
            asked.append(request.path)
            return True

        served = service(work, profiles.folder, sample=sample, exclude="/health")
        assert [served.get(path) for path in ("/health", "/a")] == [b"ok"] * 2
        assert asked == ["/a"]
        assert counts(served) == {"profiled": 1, "stored": 1, "skipped_rules": 1}

    def test_a_callable_that_raises_is_a_fault(
        self, service: Service, profiles: Profiles, caplog: pytest.LogCaptureFixture
    ) -> None:
        served = service(work, profiles.folder, include=lambda request: 1 / 0)
        assert [served.get() for _ in range(2)] == [b"ok"] * 2
        assert counts(served) == {"failed_begin": 2}
        assert len(caplog.records) == 1


class TestSecrecy:
    @pytest.mark.parametrize("bad", ["hunter2", b"hunter2", "hunter2\n"])
    def test_a_short_secret_is_refused_unseen(
        self, service: Service, profiles: Profiles, bad: Any
    ) -> None:
        with pytest.raises(ValueError, match="trigger: a secret has at least 16 bytes") as caught:
            service(work, profiles.folder, trigger=bad)
        assert "hunter2" not in repr(caught.value)
        assert caught.value.__suppress_context__

    @pytest.mark.parametrize("bad", [7, True, ["correct horse battery"], math.pi])
    def test_so_is_what_is_none(self, service: Service, profiles: Profiles, bad: Any) -> None:
        with pytest.raises(TypeError, match="trigger: a secret is str or bytes") as caught:
            service(work, profiles.folder, trigger=bad)
        assert str(bad) not in str(caught.value)

    def test_the_environment_gives_it_and_an_error_does_not_show_it(self) -> None:
        assert launch.options({"REQPROF_TRIGGER": SECRET}) == {"trigger": SECRET}
        with pytest.raises(ValueError, match="REQPROF_TRIGGER cannot be used") as caught:
            launch.options({"REQPROF_TRIGGER": "hunter2"})
        assert "hunter2" not in repr(caught.value)

    def test_the_settings_do_not_show_it(self) -> None:
        shown = repr(Settings(out_dir=Path(), trigger=SECRET))
        assert SECRET not in shown
        assert "trigger" not in shown

    def test_neither_secret_nor_token_is_in_a_file_or_a_log(
        self, service: Service, profiles: Profiles, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        served = service(work, profiles.folder, trigger=SECRET, keep=lambda request: 1 / 0)
        good = token()
        for value in (good, good[:-1], "é"):
            for name, text in carried(value)[:2]:
                assert get(served, "/", name, text) == b"ok"
        found = counts(served)
        assert (found["stored"], found["trigger_refused"]) == (2, 4)
        files = [path for path in profiles.folder.rglob("*") if path.is_file()]
        assert len(files) == 5  # two profiles, an index, a tally and a status
        mac = good.rpartition(".")[2]
        for path in files:
            data = path.read_bytes()
            assert SECRET.encode() not in data
            assert mac[:-1].encode() not in data
        assert SECRET not in caplog.text
        assert mac[:-1] not in caplog.text
