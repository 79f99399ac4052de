"""The budget: what profiling costs is known, and held by profiling fewer requests."""

from __future__ import annotations

import asyncio
import math
import os
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import pytest

from reqprof import asgi, jobs, tokens, wsgi
from reqprof.model import Request
from reqprof.record.budget import expense as expense_module
from reqprof.record.budget.budget import Budget, Used
from reqprof.record.budget.comparison import MAX_ROUTES, Comparison
from reqprof.record.budget.expense import Expense, effect
from reqprof.record.choice import admission
from reqprof.record.recorder import Recorder
from reqprof.record.recording import Recording
from reqprof.store import traffic_files

if TYPE_CHECKING:
    from tests.conftest import Profiles

pytestmark = pytest.mark.recording

SETTLING_SECONDS, SETTLING_PROFILES = 60, 20  # as docs/production.md has it


NOTHING = Used(0.0, 0.0, 0)


class Load(NamedTuple):
    """Requests a second, and CPU seconds of one, and of profiling one."""

    arrivals: float = 50
    request: float = 0.004
    profile: float = 0.008


@dataclass
class Process:
    """A simulated process. Of what a profile costs, six tenths come a second later."""

    random: Random
    rate: float
    moment: float = 0.0
    used: Used = NOTHING
    late: float = 0.0
    budget: Budget = field(init=False)

    def limited(self, share: float) -> Process:
        self.budget = Budget(share, lambda: self.used, 2 * self.rate, lambda: self.moment)
        self.budget.turn()
        return self

    def second(self, load: Load) -> None:
        arrived = round(max(0.0, self.random.gauss(load.arrivals, math.sqrt(load.arrivals))))
        work = load.request * max(0.0, self.random.gauss(arrived, 0.9 * math.sqrt(arrived)))
        chosen = self._chosen(arrived, self.rate * self.budget.factor)
        cost = sum(self._about(load.profile) for _ in range(chosen))
        paid, self.late = 0.4 * cost + self.late, 0.6 * cost
        process, spent, profiles = self.used
        self.used = Used(process + work + paid + 0.001, spent + paid, profiles + chosen)
        self.moment += 1
        self.budget.turn()

    def run(self, load: Load, seconds: int, profiles: int = 0) -> float:
        """The share that profiling took meanwhile: so many seconds, and at least so many."""
        before, until = self.used, self.moment + seconds
        while self.moment < until or self.used.profiles < before.profiles + profiles:
            self.second(load)
        return (self.used.cost - before.cost) / (self.used.process - before.process)

    def _about(self, mean: float) -> float:
        return mean * self.random.lognormvariate(-0.32, 0.8)

    def _chosen(self, of: int, rate: float) -> int:
        return sum(self.random.random() < rate for _ in range(of))


USUAL = Load()
TEN_TIMES = {
    "as many requests": Load(arrivals=500),
    "as many, a tenth as long": Load(arrivals=500, request=0.0004),
    "as long": Load(request=0.04),
    "a tenth as long": Load(request=0.0004),
    "dearer profiles": Load(arrivals=200, profile=0.08),
    "cheaper profiles": Load(profile=0.0008),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("share", "rate"), [(0.02, 1.0), (0.02, 0.1), (0.1, 1.0)])
@pytest.mark.parametrize("change", TEN_TIMES.values(), ids=TEN_TIMES)
def test_it_holds_within_a_fifth_under_a_load_that_changes_ten_times(
    change: Load, share: float, rate: float, seed: int
) -> None:
    process = Process(Random(seed), rate).limited(share)
    for load in (USUAL, change, USUAL):
        process.run(load, SETTLING_SECONDS, SETTLING_PROFILES)
        # Enough of them that chance alone makes a tenth of it at most.
        found = process.run(load, 300, 300)
        assert found < 1.2 * share
        assert found > 0.8 * share or process.budget.factor == 1.0


def test_it_never_goes_above_the_rate_that_was_asked_for() -> None:
    process = Process(Random(1), 0.001).limited(0.02)
    factors = set()
    for _ in range(300):
        process.second(USUAL)
        factors.add(process.budget.factor)
    assert factors == {1.0}
    assert process.budget.spent is not None
    assert process.budget.spent < 0.02


def test_it_begins_with_a_guess() -> None:
    assert Budget(0.02, lambda: NOTHING, 2.0).factor == pytest.approx(0.02 / 0.98 / 2)
    assert Budget(0.02, lambda: NOTHING, 0.002).factor == 1.0
    assert Budget(1.0, lambda: NOTHING, 1e9).factor == 1.0


def test_seconds_without_anything_teach_nothing() -> None:
    process = Process(Random(1), 1.0).limited(0.02)
    process.run(USUAL, 200)
    factor = process.budget.factor
    for _ in range(3600):
        process.moment += 1
        process.budget.turn()
    assert process.budget.factor == pytest.approx(factor)
    assert process.budget.spent is None  # nothing of nothing


def test_what_it_spent_is_known_after_a_minute_and_that_of_a_minute() -> None:
    process = Process(Random(1), 1.0).limited(0.02)
    process.run(USUAL, 59)
    assert process.budget.spent is None
    process.run(USUAL, 200)
    before = process.used
    process.run(USUAL, 60)
    used = process.used.process - before.process
    assert process.budget.spent == pytest.approx((process.used.cost - before.cost) / used)
    process.budget.reset()
    assert process.budget.spent is None


class TestComparison:
    def test_nothing_seen_leaves_the_guess(self) -> None:
        assert Comparison().slower(0.4) == pytest.approx(0.4)

    @pytest.mark.parametrize("slower", [0.0, 0.3, 4.0])
    def test_each_route_is_compared_with_itself(self, slower: float) -> None:
        random, seen = Random(1), Comparison()
        for _ in range(2000):
            # The long ones are nearly always traced, and the short ones seldom.
            traced = random.random() < 0.1
            if route := random.random() < (0.9 if traced else 0.05):
                seconds = random.lognormvariate(math.log(0.1), 0.5)
            else:
                seconds = random.lognormvariate(math.log(0.001), 0.5)
            seen.add(str(route), seconds * (1 + slower * traced), traced=traced)
        assert seen.slower(0.5) == pytest.approx(slower, abs=0.15 * (1 + slower))

    def test_one_that_imports_half_the_app_is_one_of_many(self) -> None:
        seen = Comparison()
        seen.add("/", 5.0, traced=True)
        for number in range(500):
            seen.add("/", 0.002 if number % 5 else 0.003, traced=not number % 5)
        assert seen.slower(0.5) == pytest.approx(0.5, abs=0.15)

    def test_what_was_long_ago_is_forgotten(self) -> None:
        seen = Comparison()
        for slower in (1.0, 0.2):
            for _ in range(40):
                for number in range(100):
                    seen.add("/", 1 + slower * (number % 2), traced=bool(number % 2))
                found = seen.slower(0.5)
            assert found == pytest.approx(slower, rel=0.05)

    def test_it_is_never_faster_and_takes_any_time(self) -> None:
        seen = Comparison()
        for _ in range(100):
            seen.add("/", 0.0, traced=True)
            seen.add("/", 1.0, traced=False)
        assert seen.slower(0.5) == 0.0

    def test_routes_without_end_share_one(self) -> None:
        seen = Comparison()
        for number in range(10 * MAX_ROUTES):
            seen.add(f"/{number}", 1.5, traced=True)
            seen.add(f"/{number}", 1.0, traced=False)
        assert len(seen._routes) <= MAX_ROUTES + 1


class Engine:
    """What :class:`Expense` asks an engine for."""

    def __init__(self, name: str = "exact", *, builtins: bool = False) -> None:
        self.name, self.builtins, self.clock, self.instead_of = name, builtins, "wall", ""
        self.beside = 0.0

    def disturbed(self) -> float:
        return self.beside

    def session(self) -> Any:
        raise NotImplementedError


def ended(expense: Expense, cpu: float, *, traced: bool) -> None:
    request = Request(id="0123456789ab", path="/users/7")
    recording = Recording(
        *(request, 0, lambda *_: None, lambda _: None, lambda *_: None), follow=False
    )
    recording.around = 0.001 * expense_module._SEEN_AROUND
    expense.ended(recording, cpu, traced=traced)


class TestExpense:
    def make(self) -> tuple[Expense, dict[str, float]]:
        clocks = {"process": 10.0, "thread": 1.0, "now": 100.0}
        expense = Expense(*(partial(clocks.__getitem__, name) for name in clocks))
        return expense, clocks

    def test_the_background_counts_from_the_first_look_and_without_its_tallies(self) -> None:
        expense, clocks = self.make()
        assert expense.used(None) == Used(10.0, 0.0, 0)
        clocks.update(process=10.5, thread=1.5, now=1000.0)
        expense.timed(0.2)
        assert expense.used(None).cost == pytest.approx(0.3, rel=0.001)

    @pytest.mark.parametrize(("others", "busy"), [(0.0, 0.0), (1.0, 0.1), (10.0, 1.0), (40.0, 1.0)])
    def test_the_background_costs_more_where_others_are_busy(
        self, others: float, busy: float
    ) -> None:
        expense, clocks = self.make()
        expense.used(None)
        clocks.update(process=10.5 + others, thread=1.5, now=110.0)
        assert expense.used(None).cost == pytest.approx(0.5 * (1 + 0.3 * busy))

    def test_a_profile_costs_what_it_added_and_what_comes_after(self) -> None:
        expense, _ = self.make()
        engine = Engine()
        guess = effect(engine)
        for _ in range(3):
            ended(expense, 0.01, traced=True)
        untraced = 0.03 / (1 + guess.slower)
        engine.beside = 0.03  # events are on while it runs itself
        used = expense.used(engine)
        assert used.cost == pytest.approx(untraced * (guess.slower + guess.after) + 0.003)
        assert used.profiles == 3
        assert expense.used(engine) == used

    def test_one_that_was_only_measured_costs_what_is_around_it(self) -> None:
        expense, _ = self.make()
        ended(expense, 0.01, traced=False)
        used = expense.used(Engine())
        assert used.cost == pytest.approx(0.001)
        assert used.profiles == 0

    def test_what_was_compared_takes_the_place_of_the_guess(self) -> None:
        expense, _ = self.make()
        engine = Engine()
        for number in range(1000):
            ended(expense, 0.03 if number % 2 else 0.01, traced=bool(number % 2))
            engine.beside += 0.03 * (number % 2)
        before = expense.used(engine).cost
        ended(expense, 0.03, traced=True)
        engine.beside += 0.03
        added = expense.used(engine).cost - before - 0.001
        assert added == pytest.approx(0.01 * (2 + effect(engine).after), rel=0.1)

    def test_others_pay_while_it_goes_on_and_only_then(self) -> None:
        """Twice the same, but in one of them others have used CPU too meanwhile."""
        found = []
        for others in (0.0, 1.0):
            expense, _ = self.make()
            engine = Engine()
            engine.beside = 0.4 * (0.01 + others)  # in the midst of it
            expense.used(engine)
            ended(expense, 0.01, traced=True)
            engine.beside = 0.01 + others
            found.append(expense.used(engine).cost)
        beside = effect(Engine()).beside
        assert found[1] - found[0] == pytest.approx(beside / (1 + beside))

    @pytest.mark.parametrize("name", ["exact", "cprofile"])
    @pytest.mark.parametrize("builtins", [True, False])
    def test_every_engine_has_a_guess(self, name: str, builtins: bool) -> None:
        assert effect(Engine(name, builtins=builtins)).slower > 0


def serve(served: wsgi.ProfilerMiddleware, requests: int) -> None:
    for _ in range(requests):
        body: Any = served(
            {"REQUEST_METHOD": "GET", "PATH_INFO": "/users/7"}, lambda *_: lambda _: None
        )
        assert list(body) == [b"x"]
        body.close()


def app(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"x"]


@pytest.mark.usefixtures("each_engine")
class TestServed:
    def test_each_profile_stands_for_as_many_as_it_was_one_of(self, profiles: Profiles) -> None:
        served = wsgi.ProfilerMiddleware(app, profiles.folder, budget=0.1)
        serve(served, 1500)
        assert served.flush(60)
        weights = [found.request.weight for found in profiles.read() if found.request]
        assert min(weights) > 1
        deviation = math.sqrt(sum(weight * (weight - 1) for weight in weights))
        assert sum(weights) == pytest.approx(1500, abs=5 * deviation)

    def test_those_that_are_only_measured_are_timed_like_all_others(
        self, profiles: Profiles
    ) -> None:
        served = wsgi.ProfilerMiddleware(app, profiles.folder, budget=0.1)
        serve(served, 500)
        assert served.flush(60)
        tallies = [
            tally
            for window in traffic_files.read(profiles.folder)
            for tally in window.tallies.values()
        ]
        assert sum(tally.count for tally in tallies) == 500
        assert sum(tally.traced for tally in tallies) == len(profiles.paths())
        assert served.counters["profiled"] == len(profiles.paths())

    def test_without_a_budget_nothing_is_measured(self, profiles: Profiles) -> None:
        served = wsgi.ProfilerMiddleware(app, profiles.folder, sample=0.5)
        recorder: Any = served._recorder
        assert recorder.spent is None
        recorder.hold(1.0)
        assert recorder.rate == 0.5

    def test_a_valid_trigger_is_not_held_back(self, profiles: Profiles) -> None:
        secret = b"sixteen bytes it has"
        served = wsgi.ProfilerMiddleware(
            app, profiles.folder, sample=1e-9, budget=1e-9, trigger=secret
        )
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/users/7"}
        environ["HTTP_X_REQPROF"] = tokens.make(secret, 60)
        body: Any = served(environ, lambda *_: lambda _: None)
        body.close()
        assert served.flush(60)
        assert profiles.one().request.weight == 1.0  # type: ignore[union-attr]

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
    def test_a_forked_child_begins_anew(self, profiles: Profiles) -> None:
        served = wsgi.ProfilerMiddleware(app, profiles.folder, budget=0.2)
        recorder: Any = served._recorder
        first = recorder.rate
        recorder._limit._budget.factor = 0.001
        recorder._admission.lower(0.001)
        child = os.fork()
        if not child:
            os._exit(recorder.rate != first)
        assert os.waitpid(child, 0)[1] == 0
        assert recorder.rate == 0.001


@pytest.mark.usefixtures("each_engine")
class TestMeasured:
    """Requests that are only measured: nothing is recorded, and nobody notices."""

    @pytest.fixture(autouse=True)
    def all_of_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(admission, "COMPARED", 1e12)
        monkeypatch.setattr(admission, "_MOST_COMPARED", 1.0)

    OPTIONS: ClassVar[dict[str, Any]] = {"sample": 1e-9, "budget": 0.02}

    def check(self, served: Any, profiles: Profiles, requests: int) -> None:
        """So many were measured and timed, and none of them profiled."""
        recorder = served._recorder
        measured = list(recorder._limit._expense._ended)
        assert [one.traced for one in measured] == [False] * requests
        assert all(one.cpu > 0 and one.around > 0 for one in measured)
        assert served.flush(60)
        assert served.counters == {}
        assert profiles.paths() == []
        assert recorder.upkeep._times.count == requests
        assert not recorder._limit._measuring

    @pytest.fixture(autouse=True)
    def no_pulse(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Recorder, "hold", lambda self, timing: None)

    def test_a_wsgi_response_and_its_body(self, profiles: Profiles) -> None:
        served = wsgi.ProfilerMiddleware(app, profiles.folder, **self.OPTIONS)
        serve(served, 20)
        self.check(served, profiles, 20)

    def test_what_a_wsgi_app_raises_goes_through(self, profiles: Profiles) -> None:
        def failing(environ: Any, start_response: Any) -> list[bytes]:
            raise LookupError("mine")

        served = wsgi.ProfilerMiddleware(failing, profiles.folder, **self.OPTIONS)
        with pytest.raises(LookupError, match="mine"):
            served({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: lambda _: None)
        self.check(served, profiles, 1)

    def test_an_asgi_request_with_its_tasks_and_threads(self, profiles: Profiles) -> None:
        async def child() -> int:
            await asyncio.sleep(0)
            return await asyncio.to_thread(sum, range(100_000))

        async def busy(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            found = await asyncio.gather(child(), child())
            body = str(sum(found)).encode()
            await send({"type": "http.response.body", "body": body, "more_body": False})

        served = asgi.ProfilerMiddleware(busy, profiles.folder, **self.OPTIONS)

        async def request() -> list[Any]:
            sent: list[Any] = []

            async def receive() -> Any:
                return {"type": "http.request", "body": b"", "more_body": False}

            async def send(message: Any) -> None:
                sent.append(message)

            await served(
                {"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send
            )
            return sent

        recorder: Any = served._recorder
        recorder.ready()  # as a server's lifespan would
        assert served.flush(60)

        async def together() -> list[list[Any]]:
            return await asyncio.gather(*(request() for _ in range(5)))

        for sent in asyncio.run(together()):
            assert [message["type"] for message in sent] == [
                "http.response.start",
                "http.response.body",
            ]
            assert sent[1]["body"] == b"9999900000"
        self.check(served, profiles, 5)

    def test_work_that_is_no_request(self, profiles: Profiles) -> None:
        nightly = jobs.session("nightly", profiles.folder, **self.OPTIONS)
        with nightly:
            sum(range(1000))
        assert nightly(sum)(range(1000)) == 499500

        @nightly
        async def later() -> int:
            await asyncio.sleep(0)
            return sum(range(1000))

        assert asyncio.run(later()) == 499500
        self.check(nightly, profiles, 3)

    def test_inside_of_what_is_recorded_nothing_is_measured(self, profiles: Profiles) -> None:
        inner = wsgi.ProfilerMiddleware(app, profiles.folder, **self.OPTIONS)
        outer = wsgi.ProfilerMiddleware(inner, profiles.folder)
        serve(outer, 1)
        assert outer.flush(60)
        assert profiles.one().request is not None
        recorder: Any = inner._recorder
        assert not recorder._limit._expense._ended
