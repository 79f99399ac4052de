"""What is kept of the profiles: the rules as tables, and what they leave in a folder."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import textwrap
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqprof.model import Request
from reqprof.record import recorder
from reqprof.record.choice import keeping
from reqprof.record.choice.keeping import File, Keeping, Verdict, Worst
from reqprof.store import index
from tests.record.test_recorder import Service, counts, facts, service, work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tests.conftest import Profiles

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("each_engine")]

_ = service  # the fixture of both doors
HOUR = 3600.0
_ids = itertools.count()


def ended(**known: Any) -> Request:
    """A request that has ended."""
    usual = {"route": "/a", "status": 200, "duration": 0.1, "weight": 4.0}
    return Request(id=f"{next(_ids):012x}", **{**usual, **known})


def dice(*throws: float) -> Callable[[], float]:
    return iter(throws).__next__


def yes(request: Request) -> bool:
    return True


def no(request: Request) -> bool:
    return False


FAST, SLOW = ended(), ended(duration=0.5001)
FAILED, RAISED = ended(status=500), ended(status=None, exception="KeyError")
PULLED = ended(chosen="trigger")


@pytest.mark.parametrize(
    ("rules", "request_", "verdict"),
    [
        # no rule: everything, for what its rate says
        ({}, FAST, ("all", 4.0)),
        ({"keep_errors": True}, FAST, ("all", 4.0)),
        ({"keep_errors": False}, FAILED, ("all", 4.0)),
        # one rule
        ({"slower_than": 0.5}, SLOW, ("slow", 1.0)),
        ({"slower_than": "500ms"}, SLOW, ("slow", 1.0)),
        ({"slower_than": 0.5}, FAST, None),
        ({"slower_than": 0.5}, ended(duration=0.5), None),
        ({"keep": yes}, FAST, ("keep", 1.0)),
        ({"keep": lambda request: request.route}, FAST, ("keep", 1.0)),
        ({"keep": no}, FAST, None),
        ({"keep": lambda request: request.status == 200}, FAST, ("keep", 1.0)),
        ({"worst_per_route": 1}, FAST, ("worst", 1.0)),
        # errors, with any of them
        ({"slower_than": 0.5}, FAILED, ("error", 1.0)),
        ({"slower_than": 0.5}, RAISED, ("error", 1.0)),
        ({"slower_than": 0.5}, ended(status=599), ("error", 1.0)),
        ({"slower_than": 0.5}, ended(status=499), None),
        ({"slower_than": 0.5}, ended(status=None), None),
        ({"slower_than": 0.5, "keep_errors": False}, FAILED, None),
        ({"slower_than": 0.5, "keep_errors": False}, RAISED, None),
        ({"keep": no}, FAILED, ("error", 1.0)),
        ({"keep": no, "keep_errors": False}, FAILED, None),
        # any of several will do, and the one that cannot be pushed out is named
        ({"slower_than": 0.5, "keep": yes}, FAST, ("keep", 1.0)),
        ({"slower_than": 0.5, "keep": yes}, SLOW, ("slow", 1.0)),
        ({"slower_than": 0.5, "keep": no}, FAST, None),
        ({"worst_per_route": 1, "slower_than": 0.5}, SLOW, ("slow", 1.0)),
        ({"worst_per_route": 1, "slower_than": 0.5}, FAST, ("worst", 1.0)),
        ({"worst_per_route": 1, "keep": yes}, FAST, ("keep", 1.0)),
        ({"worst_per_route": 1}, FAILED, ("error", 1.0)),
        # what was asked for is kept whatever the rules say
        ({}, PULLED, ("trigger", 1.0)),
        ({"keep": no}, PULLED, ("trigger", 1.0)),
        ({"slower_than": 9}, PULLED, ("trigger", 1.0)),
    ],
)
def test_a_profile_is_kept_if_any_rule_says_yes(
    rules: Any, request_: Request, verdict: tuple[str, float] | None
) -> None:
    found = Keeping(**rules, chance=dice()).verdict(request_)
    assert found == (None if verdict is None else Verdict(*verdict))


@pytest.mark.parametrize(
    ("rules", "throw", "request_", "verdict"),
    [
        ({"baseline": 0.01}, 0.0099, FAST, ("baseline", 400.0)),
        ({"baseline": 0.01}, 0.01, FAST, None),
        ({"baseline": 0.01}, 0.01, FAILED, ("error", 1.0)),
        ({"baseline": 1}, 0.9999, FAST, ("baseline", 4.0)),
        # uniform: the slow and the failing are of it as often as all others
        ({"baseline": 0.5, "slower_than": 0.5}, 0.1, SLOW, ("baseline", 8.0)),
        ({"baseline": 0.5, "slower_than": 0.5}, 0.9, SLOW, ("slow", 1.0)),
        ({"baseline": 0.5, "slower_than": 0.5}, 0.1, FAILED, ("baseline", 8.0)),
        ({"baseline": 0.5, "worst_per_route": 1}, 0.9, FAST, ("worst", 1.0)),
    ],
)
def test_the_baseline_is_a_uniform_share_that_stands_for_the_rest(
    rules: Any, throw: float, request_: Request, verdict: tuple[str, float] | None
) -> None:
    found = Keeping(**rules, chance=dice(throw)).verdict(request_)
    assert found == (None if verdict is None else Verdict(*verdict))


def test_a_triggered_request_throws_no_dice() -> None:
    rules = Keeping(baseline=1.0, chance=dice())
    assert rules.verdict(PULLED) == ("trigger", 1.0)


def test_the_weights_of_the_baseline_add_up_to_the_requests() -> None:
    throws = [number / 1000 for number in range(1000)]
    rules = Keeping(baseline=0.05, slower_than=0.5, chance=dice(*throws))
    verdicts = [rules.verdict(ended(duration=throw, weight=1.0)) for throw in throws]
    weights = [found.weight for found in verdicts if found and found.kept == "baseline"]
    assert len(weights) == 50
    assert sum(weights) == pytest.approx(1000)


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), SystemExit(3), KeyboardInterrupt()])
def test_a_callable_that_raises_is_told_of_and_the_others_decide(error: BaseException) -> None:
    def fail(request: Request) -> bool:
        raise error

    told: list[BaseException] = []
    rules = Keeping(keep=fail, worst_per_route=1, fault=told.append)
    assert rules.verdict(FAST) == ("worst", 1.0)
    assert Keeping(keep=fail, fault=told.append).verdict(FAST) is None
    assert told == [error, error]


def test_a_callable_is_only_asked_where_the_rest_has_not_said_yes() -> None:
    asked: list[Request] = []
    rules = Keeping(keep=asked.append, slower_than=0.5, baseline=0.5, chance=dice(0.1, 0.9, 0.9))
    for request in (FAST, SLOW, FAST):
        rules.verdict(request)
    assert asked == [FAST]


class Folder:
    """What the files would be: requests by id, put there and taken away by the rules."""

    def __init__(self) -> None:
        self.files: dict[str, Request] = {}

    def serve(self, rules: Keeping, request: Request) -> None:
        verdict = rules.verdict(request)
        if verdict is None:
            return
        self.files[request.id] = request
        gone = rules.stored(request, verdict.kept, File(f"{request.id}.prof", request.id))
        if gone is not None:
            assert gone.name == f"{gone.id}.prof"
            del self.files[gone.id]

    def durations(self, route: str = "/a") -> list[float]:
        return sorted(r.duration for r in self.files.values() if r.route == route)


def folder_of(requests: Iterable[Request], **rules: Any) -> Folder:
    found, kept = Folder(), Keeping(**rules)
    for request in requests:
        found.serve(kept, request)
    return found


def rows(*durations: float, **known: Any) -> Iterator[Request]:
    return (ended(duration=duration, **known) for duration in durations)


class TestWorst:
    def test_the_slowest_of_each_route_are_left(self) -> None:
        stream = [*rows(5, 1, 9, 3, 7), *rows(2, 4, route="/b"), *rows(8, 0.5)]
        left = folder_of(stream, worst_per_route=3)
        assert (left.durations(), left.durations("/b")) == ([7, 8, 9], [2, 4])

    def test_each_window_has_its_own_and_what_it_left_stays(self) -> None:
        stream = [*rows(5, 6, 7, start=0.0), *rows(1, 2, 3, start=HOUR)]
        assert folder_of(stream, worst_per_route=2).durations() == [2, 3, 6, 7]

    def test_windows_are_aligned_to_the_clock_and_take_in_what_ends_in_them(self) -> None:
        stream = [
            *rows(2, start=118.0, total=1.9),  # ends just before
            *rows(1, start=118.0, total=2.0),  # ends just then
            *rows(3, start=179.0, total=0.5),
        ]
        assert folder_of(stream, worst_per_route=1, worst_window="1m").durations() == [2, 3]

    def test_one_that_ended_before_the_hour_and_comes_after_it_is_ranked_there(self) -> None:
        stream = [*rows(5, start=0.0), *rows(1, start=HOUR), *rows(6, 4, start=10.0)]
        assert folder_of(stream, worst_per_route=1).durations() == [1, 6]

    def test_a_clock_that_is_put_back_begins_another_window(self) -> None:
        stream = [*rows(5, start=9 * HOUR), *rows(1, 2, start=3 * HOUR), *rows(3, start=2 * HOUR)]
        assert folder_of(stream, worst_per_route=1).durations() == [2, 3, 5]

    def test_of_equal_ones_the_first_stays(self) -> None:
        first, *others = rows(1, 1, 1)
        assert list(folder_of([first, *others], worst_per_route=1).files) == [first.id]

    @pytest.mark.parametrize(
        "stays",
        [
            {"status": 500},
            {"exception": "KeyError", "status": None},
            {"chosen": "trigger"},
            {"labels": {"keep": "me"}},
        ],
        ids=str,
    )
    def test_what_another_rule_has_kept_is_ranked_but_never_deleted(self, stays: Any) -> None:
        def labelled(request: Request) -> bool:
            return bool(request.labels)

        stream = [*rows(3, **stays), *rows(1, 2, 4, 5)]
        left = folder_of(stream, worst_per_route=2, keep=labelled)
        assert left.durations() == [3, 4, 5]

    def test_the_baseline_is_ranked_but_never_deleted(self) -> None:
        throws = dice(0.9, 0.1, 0.9, 0.9)
        stream = rows(1, 2, 3, 4)
        left = folder_of(stream, worst_per_route=1, baseline=0.5, chance=throws)
        assert left.durations() == [2, 4]

    def test_memory_is_bounded_and_the_routes_past_the_limit_share_a_ranking(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keeping, "MAX_ROUTES", 3)
        worst = Worst(2, HOUR)
        stream = [
            ended(route=f"/{n}", duration=n, start=w * HOUR) for w in range(4) for n in range(9)
        ]
        for request in stream:
            if worst.takes(request):
                worst.put(request, None)
        assert len(worst._windows) == 2
        for routes in worst._windows.values():
            assert sorted(routes) == ["", "/0", "/1", "/2"]
            assert sorted(duration for duration, *_ in routes[""]) == [7, 8]

    def test_what_scanners_try_is_no_route(self) -> None:
        stream = [ended(route=f"/{n}.php", duration=n, guessed=True, status=404) for n in range(9)]
        assert [r.duration for r in folder_of(stream, worst_per_route=2).files.values()] == [7, 8]

    def test_a_forked_child_forgets_the_files_of_its_parent(self) -> None:
        rules, folder = Keeping(worst_per_route=1), Folder()
        folder.serve(rules, ended(duration=1))
        rules.renew()
        folder.serve(rules, ended(duration=2))
        assert folder.durations() == [1, 2]

    @given(
        st.lists(
            st.tuples(
                st.integers(0, 3), st.sampled_from("abc"), st.integers(0, 2), st.floats(0, 9)
            ),
            max_size=80,
        ),
        st.integers(1, 4),
    )
    def test_the_slowest_of_all_processes_are_in_the_folder_of_all(
        self, stream: list[tuple[int, str, int, float]], most: int
    ) -> None:
        processes, folder = [Keeping(worst_per_route=most) for _ in range(4)], Folder()
        exact: dict[tuple[str, int], list[float]] = defaultdict(list)
        left: dict[tuple[str, int], list[float]] = defaultdict(list)
        for process, route, hour, duration in sorted(stream, key=lambda row: row[2]):
            exact[route, hour].append(duration)
            request = ended(route=route, duration=duration, start=hour * HOUR)
            folder.serve(processes[process], request)
        for request in folder.files.values():
            left[str(request.route), int(request.start // HOUR)].append(request.duration)
        for place, durations in exact.items():
            assert sorted(left[place])[-most:] == sorted(durations)[-most:]
            assert len(left[place]) <= 4 * most


BAD: list[tuple[str, Any]] = [
    *(("slower_than", bad) for bad in (0, -1, "", "fast", "0ms", True, [1])),
    *(("keep_errors", bad) for bad in (1, None, "yes")),
    *(("worst_per_route", bad) for bad in (0, -1, 1.0, "10", True)),
    *(("worst_window", bad) for bad in (None, 0, "an hour", False)),
    *(("baseline", bad) for bad in (-0.1, 1.1, None, "1 %", True)),
    *(("keep", bad) for bad in (True, "slow", 0.5)),
]


@pytest.mark.parametrize(("name", "bad"), BAD)
def test_a_bad_argument_raises_where_it_is_given_and_is_named(
    service: Service, name: str, bad: Any, profiles: Profiles
) -> None:
    with pytest.raises((TypeError, ValueError), match=name) as caught:
        service(work, profiles.folder, **{name: bad})
    assert repr(bad) in str(caught.value)


def test_an_async_keep_is_refused(service: Service, profiles: Profiles) -> None:
    async def later(request: Request) -> bool:
        return True

    with pytest.raises(TypeError, match="keep must not be async"):
        service(work, profiles.folder, keep=later)


class TestServed:
    def test_a_dropped_profile_costs_no_stats_and_is_counted_once(
        self, service: Service, profiles: Profiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        served = service(work, profiles.folder, slower_than=60)
        kind = served.middleware._recorder._engine._kind
        monkeypatch.setattr(kind, "finish", lambda self: pytest.fail("stats were made"))
        assert [served.get() for _ in range(3)] == [b"ok"] * 3
        assert counts(served) == {"profiled": 3, "not_kept": 3}
        assert profiles.paths() == []

    def test_the_facts_say_why_it_was_kept(self, service: Service, profiles: Profiles) -> None:
        served = service(work, profiles.folder, slower_than=1e-9)
        assert served.get() == b"ok"
        assert counts(served) == {"profiled": 1, "stored": 1}
        found = facts(profiles)
        assert (found.chosen, found.kept, found.weight) == ("sample", "slow", 1.0)

    def test_keep_is_given_what_the_end_has_shown(
        self, service: Service, profiles: Profiles
    ) -> None:
        seen: list[Request] = []

        def keep(request: Request) -> bool:
            seen.append(request)
            return request.path == "/users/17"

        served = service(work, profiles.folder, keep=keep, store_path=False)
        for path in ("/users/17", "/orders/3"):
            assert served.get(path) == b"ok"
        assert counts(served) == {"profiled": 2, "stored": 1, "not_kept": 1}
        assert [(r.path, r.route, r.status) for r in seen] == [
            ("/users/17", "/users/{id}", 200),
            ("/orders/3", "/orders/{id}", 200),
        ]
        assert all(r.duration > 0 for r in seen)
        assert facts(profiles).path is None  # what the rule may see is not what is stored

    def test_a_keep_that_raises_is_counted_and_told_once(
        self, service: Service, profiles: Profiles, caplog: pytest.LogCaptureFixture
    ) -> None:
        served = service(work, profiles.folder, keep=lambda request: 1 / 0)
        assert [served.get() for _ in range(3)] == [b"ok"] * 3
        assert counts(served) == {"profiled": 3, "not_kept": 3, "failed_keep": 3}
        (record,) = caplog.records
        assert "keep= raised" in record.getMessage()

    @pytest.mark.parametrize("store_path", [True, False])
    def test_the_files_of_the_slowest_alone_are_left(
        self,
        service: Service,
        profiles: Profiles,
        store_path: bool,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(keeping.Worst, "takes", lambda *_: True)  # so that each is written
        served = service(work, profiles.folder, worst_per_route=2, store_path=store_path)
        for number in range(6):
            assert served.get(f"/users/{number}") == b"ok"
        assert served.get("/orders/1") == b"ok"
        assert counts(served) == {"profiled": 7, "stored": 7, "displaced": 4}
        assert len(profiles.paths()) == 3
        found = index.find(profiles.folder)
        assert (len(found.stored), found.bad) == (3, [])

    def test_a_forked_child_deletes_nothing_of_its_parent(
        self, service: Service, profiles: Profiles
    ) -> None:
        served = service(work, profiles.folder, worst_per_route=1)
        assert served.get() == b"ok"
        assert counts(served) == {"profiled": 1, "stored": 1}
        recorder._after_fork()
        assert served.get() == b"ok"
        assert counts(served) == {"profiled": 2, "stored": 2}
        assert len(profiles.paths()) == 2


PROCESS = """
    import json, os, sys, time
    from reqprof.wsgi import ProfilerMiddleware

    folder, seed = sys.argv[1], int(sys.argv[2])

    def app(environ, start_response):
        end = time.perf_counter() + int(environ["QUERY_STRING"]) * 1e-4
        while time.perf_counter() < end:
            sorted("abc")
        start_response("200 OK", [])
        return [b"ok"]

    seen = []

    def note(request):
        seen.append([request.route, request.id, request.duration, request.start + request.total])
        return False

    engine = os.environ["TEST_ENGINE"]
    served = ProfilerMiddleware(app, folder, worst_per_route=5, keep=note, engine=engine)
    for number in range(150):
        work = (number * 37 + seed * 11) % 23
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": f"/route/{'abc'[number % 3]}",
                   "QUERY_STRING": str(work)}
        body = served(environ, lambda *_: None)
        list(body)
        body.close()
    assert served.flush(60)
    counts = served.counters
    assert counts["stored"] + counts["not_kept"] == 150, counts
    print(json.dumps(seen))
"""


def test_the_slowest_of_four_processes_are_all_in_their_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(PROCESS), str(tmp_path)]
    running = [
        subprocess.Popen([*command, str(seed)], stdout=subprocess.PIPE, text=True)
        for seed in range(4)
    ]
    stream = [row for process in running for row in json.loads(process.communicate(timeout=120)[0])]
    assert [process.returncode for process in running] == [0] * 4
    assert len(stream) == 600
    exact: dict[tuple[str, int], list[tuple[float, str]]] = defaultdict(list)
    for route, id_, duration, end in stream:
        exact[route, int(end // HOUR)].append((duration, id_))
    left: dict[tuple[str, int], list[tuple[float, str]]] = defaultdict(list)
    for stored in index.find(tmp_path).stored:
        request = stored.request
        assert request is not None
        assert request.kept == "worst"
        place = str(request.route), int((request.start + request.total) // HOUR)
        left[place].append((request.duration, request.id))
    assert {route for route, _ in exact} == {"/route/a", "/route/b", "/route/c"}
    for place, requests in exact.items():
        assert sorted(left[place])[-5:] == sorted(requests)[-5:]
        assert len(left[place]) <= 4 * 5
