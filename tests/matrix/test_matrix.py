"""A profile holds its own request's work, all of it, and nothing else, on every event loop."""

from __future__ import annotations

import cProfile
import gc
import pstats
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.asgi import ProfilerMiddleware
from reqprof.model import Profile, Request
from reqprof.record.engines import choose
from tests.matrix.kinds import KINDS
from tests.matrix.loops import LOOPS, impossible, need_loop, visit_all
from tests.matrix.verdict import kept, problems
from tests.matrix.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.mark import ParameterSet

    from tests.conftest import Profiles
    from tests.matrix.kind import Kind
    from tests.matrix.visit import App

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("no_collection", "each_engine")]

MANY = 50


async def site(scope: Any, receive: Any, send: Any) -> None:
    await KINDS[scope["kind"]].app(scope, receive, send)


def outcomes(loop: str, app: App, visits: list[Visit]) -> list[dict[str, Any]]:
    crowd = visit_all(loop, app, visits)
    assert crowd.most > len(visits) // 2, "the requests did not overlap"
    return [visit.outcome() for visit in visits]


def check(loop: str, app: App, kinds: list[Kind], profiles: Profiles) -> None:
    """Serve a request of each of ``kinds`` at once, without a profiler and with one."""
    bare, visits = ([Visit(number, kind) for number, kind in enumerate(kinds)] for _ in range(2))
    middleware = ProfilerMiddleware(app, profiles.folder)
    expected = outcomes(loop, app, bare)
    assert outcomes(loop, middleware, visits) == expected
    assert middleware.flush(60)
    counted = {name: number for name, number in middleware.counters.items() if number}
    assert counted == {"profiled": len(kinds), "stored": len(kinds)}
    found = profiles.read()
    by_path = {profile.request.path: profile for profile in found if profile.request}
    assert len(by_path) == len(found) == len(kinds)
    assert {profile.request.engine for profile in found if profile.request} == {*choose.AUTO}
    wrong = {
        f"{visit.kind.name} {visit.own.number}": wrongs
        for visit in visits
        if (wrongs := problems(by_path[f"/{visit.own.number}"], visit))
    }
    assert wrong == {}
    gc.collect()  # what was never awaited or closed speaks up here


def loops() -> Iterator[ParameterSet]:
    for loop in LOOPS:
        reason = impossible(loop)
        marks = [pytest.mark.skip(reason=reason)] if reason else []
        yield pytest.param(loop, marks=marks)


def cells() -> Iterator[ParameterSet]:
    for name, kind in KINDS.items():
        for loop in LOOPS:
            reason = impossible(loop)
            if loop not in kind.loops:
                reason = f"a kind for {kind.loops[0]} alone"
            skip = [pytest.mark.skip(reason=reason)] if reason else []
            yield pytest.param(name, loop, 1, id=f"{name}-{loop}-one", marks=skip)
            if loop == "uvloop-eager":
                continue  # for time's sake; all kinds at once, below, interleave on it too
            slow = [*skip, pytest.mark.matrix]
            yield pytest.param(name, loop, MANY, id=f"{name}-{loop}-interleaved", marks=slow)


@pytest.mark.parametrize(("name", "loop", "number"), list(cells()))
def test_own_work_all_of_it_and_nothing_else(
    name: str, loop: str, number: int, profiles: Profiles, caplog: pytest.LogCaptureFixture
) -> None:
    need_loop(loop)
    kind = KINDS[name]
    check(loop, kind.app, [kind] * number, profiles)
    assert caplog.records == []


@pytest.mark.parametrize("loop", list(loops()))
def test_requests_of_every_kind_at_once(
    loop: str, profiles: Profiles, caplog: pytest.LogCaptureFixture
) -> None:
    need_loop(loop)
    kinds = [kind for kind in KINDS.values() if loop in kind.loops]
    check(loop, site, kinds, profiles)
    assert caplog.records == []


@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
@pytest.mark.parametrize("name", ["group", "to_a_thread", "submit_and_block", "starlette_sync"])
def test_without_follow_only_its_own_steps(name: str, loop: str, profiles: Profiles) -> None:
    need_loop(loop)
    middleware = ProfilerMiddleware(KINDS[name].app, profiles.folder, follow=False)
    visits = [Visit(number, KINDS[name]) for number in range(10)]
    visit_all(loop, middleware, visits)
    assert middleware.flush(60)
    found = profiles.read()
    assert len(found) == len(visits)
    for profile in found:
        assert profile.request is not None
        assert profile.request.path is not None
        own = visits[int(profile.request.path[1:])].own
        steps = {name: calls for name, calls in own.counts().items() if name.startswith("step")}
        assert kept(profile.stats, own.number) == steps
        assert profile.request.tasks == profile.request.jobs == profile.request.left_running == 0


@pytest.mark.parametrize("loop", list(loops()))
def test_the_verdict_knows_what_a_profiler_of_the_whole_thread_does_wrong(loop: str) -> None:
    need_loop(loop)
    visits = [Visit(number, KINDS["group"]) for number in range(3)]
    with cProfile.Profile() as profiler:
        visit_all(loop, site, visits)
    stats: Any = pstats.Stats(profiler)
    wrong = " ".join(problems(Profile(stats.stats, Request(id="0" * 12)), visits[0]))
    assert "foreign: child_inner of <request 1>" in wrong
    assert "machinery: " in wrong
    assert "facts: 0 tasks, 3 were begun" in wrong
    assert ("_run_once" in wrong or "unrolled_run" in wrong) is ("uvloop" not in loop)
