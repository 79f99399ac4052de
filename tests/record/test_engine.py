"""Both engines: exact counts, nothing of anybody else's, and nothing left behind."""

from __future__ import annotations

import cProfile
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.record.engines import Unavailable, choose
from reqprof.record.engines.events import TOOL_IDS, EventSession
from reqprof.record.watch.watch import WATCHER
from reqprof.store.background import BACKGROUND
from tests.conftest import need_engine
from tests.record.programs import PROGRAMS, callbacks_from_c, recursion

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from reqprof.model import Stats
    from reqprof.record.engines import Engine

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("no_collection")]

MONITORING: Any = getattr(sys, "monitoring", None)


@pytest.fixture(params=["cprofile", "exact"], autouse=True)
def engine_name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    need_engine(request.param)
    monkeypatch.setitem(CHOSEN, "name", request.param)
    return str(request.param)


CHOSEN: dict[str, str] = {}


def engine_of(*, builtins: bool = True, clock: str = "wall") -> Engine:
    """The engine that the test is run with."""
    return choose.engine(CHOSEN["name"], builtins=builtins, clock=clock)


def record(work: Callable[[], object], **options: Any) -> Stats:
    session = engine_of(**options).session()
    stretch = session.enter()
    try:
        work()
    finally:
        session.leave(stretch)
        session.close()
    assert session.fault is None
    return session.finish()


def bare(work: Callable[[], object], **options: bool) -> Stats:
    profiler = cProfile.Profile()
    profiler.enable(**options)
    try:
        work()
    finally:
        profiler.disable()
    profiler.create_stats()
    return profiler.stats  # type: ignore[return-value]


@pytest.fixture
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No thread of ours does anything: from Python 3.12 on cProfile records what others do."""
    monkeypatch.setattr(EventSession, "watch", lambda self: None)
    monkeypatch.setattr(WATCHER, "_watches", [])  # those of other tests, which may live on
    ending = {"reqprof-events", "reqprof-watch"}
    while not ending.isdisjoint(each.name for each in threading.enumerate()):
        time.sleep(0.02)
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        over.wait()

    assert BACKGROUND.submit(hold, sys.maxsize)
    held.wait()
    time.sleep(0.02)  # until it waits
    yield
    over.set()


def counts(stats: Stats) -> dict[Any, Any]:
    """Calls and callers, without what switching cProfile itself adds."""
    return {
        function: (row[0], row[1], {caller: edge[:2] for caller, edge in row[4].items()})
        for function, row in stats.items()
        if "_lsprof.Profiler" not in function[2] and function[2] not in ("disable", "__exit__")
    }


@pytest.mark.usefixtures("_alone")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_functions_counts_and_callers_are_cprofiles_own(program: Callable[[], object]) -> None:
    program()  # caches of re and json are warm for both
    assert counts(record(program)) == counts(bare(program))


@pytest.mark.usefixtures("_alone")
def test_without_builtins_c_functions_are_left_out() -> None:
    callbacks_from_c()
    found = record(callbacks_from_c, builtins=False)
    assert found
    assert not any(function[0] == "~" for function in found)
    assert counts(found) == counts(bare(callbacks_from_c, builtins=False))


def test_the_cpu_clock_does_not_count_sleep() -> None:
    def sleep() -> None:
        time.sleep(0.05)

    assert sum(row[2] for row in record(sleep).values()) >= 0.05
    assert sum(row[2] for row in record(sleep, clock="cpu").values()) < 0.04


def test_self_time_adds_up_to_the_time_that_was_recorded() -> None:
    def spin() -> None:
        end = time.perf_counter() + 0.05
        while time.perf_counter() < end:
            recursion()

    began = time.perf_counter()
    total = sum(row[2] for row in record(spin).values())
    # What making a node takes is nobody's time, and the machine may have others in between.
    assert 0.03 <= total <= time.perf_counter() - began


def test_threads_at_once_each_hold_their_own_work() -> None:
    def leaf() -> None: ...

    def make(number: int) -> Callable[[], None]:
        namespace: dict[str, Any] = {"leaf": leaf}
        exec(f"def only_{number}(n):\n for _ in range(n): leaf()", namespace)
        return lambda: namespace[f"only_{number}"](1000 + number)

    found: dict[int, Stats] = {}

    def run(number: int) -> None:
        found[number] = record(make(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(8):
        names = {function[2]: row[1] for function, row in found[number].items()}
        assert names["leaf"] == 1000 + number
        assert [name for name in names if name.startswith("only_")] == [f"only_{number}"]


def test_the_frames_that_leave_is_called_from_are_told_as_returned() -> None:
    """What stays open in the profiler piles up, one or more for each step of a coroutine."""

    def stretch_of(session: Any) -> None:
        leave_below(session, session.enter())

    def leave_below(session: Any, stretch: Any) -> None:
        session.leave(stretch, 2)

    session = engine_of().session()
    for _ in range(50):
        stretch_of(session)
    session.close()
    if CHOSEN["name"] == "exact":  # each stretch begins anew
        assert session.lanes()[0].tree.length < 10  # type: ignore[attr-defined]
        return
    found = {
        entry.code.co_name: entry.callcount
        for entry in session.lanes()[0].entries()  # type: ignore[attr-defined]
        if not isinstance(entry.code, str)
    }
    assert found["leave"] == 100 or found["leave_below"] == found["leave"] == 50
    session.drop()


def test_one_session_in_many_stretches_switched_against_another() -> None:
    engine = engine_of()
    sessions = [engine.session(), engine.session()]

    def steps(name: str) -> Generator[None, None, None]:
        exec_namespace: dict[str, Any] = {}
        exec(f"def {name}(): pass", exec_namespace)
        while True:
            exec_namespace[name]()
            yield

    programs = [steps("first"), steps("second")]
    for turn in range(20):
        which = turn % 2 if turn < 16 else 0
        stretch = sessions[which].enter()
        programs[which].__next__()
        sessions[which].leave(stretch)
        recursion()  # nobody's
    for session in sessions:
        session.close()
    tables = [session.finish() for session in sessions]
    named = [{function[2]: row[1] for function, row in table.items()} for table in tables]
    assert (named[0]["first"], named[1]["second"]) == (12, 8)
    assert "second" not in named[0]
    assert "fib" not in named[0]
    assert named[0]["steps"] == 12  # each resumption is a call, as cProfile counts


def test_functions_with_one_label_are_added_and_lose_no_time() -> None:
    def make(times: int) -> Any:
        namespace: dict[str, Any] = {}
        exec("def same(n):\n s = 0\n for i in range(n): s += i\n return s", namespace)
        return lambda: namespace["same"](times)

    work = [make(100_000), make(10)]
    found = record(lambda: [run() for run in work])
    same = next(row for function, row in found.items() if function[2] == "same")
    assert same[1] == 2
    assert same[2] > 0.5 * sum(row[2] for row in found.values())


def test_no_frame_of_reqprof_is_shown() -> None:
    for function in record(recursion):
        assert "reqprof/record" not in function[0]
        assert function[2] not in ("<built-in method sys.getprofile>", "leave", "enter")


def test_nothing_stays_on(no_more: Callable[[], None]) -> None:
    record(recursion)
    no_more()


@pytest.mark.usefixtures("_alone")
def test_a_users_own_profiler_inside_keeps_its_results() -> None:
    inner: list[Stats] = []
    engine = engine_of()
    session = engine.session()
    stretch = session.enter()
    inner.append(bare(recursion))
    session.leave(stretch)
    session.close()
    found = session.finish()
    expected = counts(bare(recursion))
    mine = counts(inner[0])
    assert {f: row for f, row in mine.items() if f[2] == "fib"} == {
        f: row for f, row in expected.items() if f[2] == "fib"
    }
    if sys.version_info < (3, 12):
        # It took the thread's one hook away: ours is short, and says so.
        assert session.interrupted()
    else:
        assert not session.interrupted()
        assert any(function[2] == "fib" for function in found)
    assert sys.getprofile() is None


def test_a_hook_that_somebody_took_and_put_back_is_gone_in_the_end(
    no_more: Callable[[], None],
) -> None:
    session = engine_of().session()
    stretch = session.enter()
    recursion()
    before = sys.getprofile()
    sys.setprofile(lambda *event: None)
    sys.setprofile(before)
    session.leave(stretch)
    assert sys.getprofile() is None
    session.close()
    assert session.interrupted() == (sys.version_info < (3, 12))
    no_more()


def test_a_users_profiler_left_on_is_not_switched_off() -> None:
    engine = engine_of()
    theirs = cProfile.Profile()
    session = engine.session()
    stretch = session.enter()
    theirs.enable()
    session.leave(stretch)
    session.close()

    thread = threading.Thread(target=session.finish)
    thread.start()
    thread.join()
    del thread, session, stretch
    recursion()
    theirs.disable()
    theirs.create_stats()
    assert any(function[2] == "fib" for function in theirs.stats)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there it is recorded beside it")
def test_a_users_profiler_from_before_keeps_ours_away() -> None:
    engine = engine_of()
    theirs = cProfile.Profile()
    theirs.enable()
    try:
        with pytest.raises(Unavailable, match="another profiler"):
            engine.session()
    finally:
        theirs.disable()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with 3.12")
class TestEvents:
    def events(self) -> list[int]:
        return [MONITORING.get_events(t) for t in TOOL_IDS if MONITORING.get_tool(t) == "reqprof"]

    def test_they_are_on_while_a_session_is_in_flight_and_off_after(self) -> None:
        engine = engine_of(builtins=False)
        first, second = engine.session(), engine.session()
        assert self.events() != []
        first.close()
        assert self.events() != [0]
        second.close()
        assert self.events() == []

    def test_they_rest_while_nobody_works_and_come_back(self) -> None:
        engine = engine_of()
        session = engine.session()
        try:
            for _ in range(2):
                stretch = session.enter()
                recursion()
                session.leave(stretch)
                deadline = time.monotonic() + 5
                while self.events() != [0] and time.monotonic() < deadline:
                    time.sleep(0.01)
                assert self.events() == [0]
        finally:
            session.close()
        fib = next(row for function, row in session.finish().items() if function[2] == "fib")
        once = next(row for function, row in bare(recursion).items() if function[2] == "fib")
        assert fib[1] == 2 * once[1]

    def test_they_do_not_rest_while_somebody_works_long(self) -> None:
        engine = engine_of()
        session = engine.session()
        stretch = session.enter()
        time.sleep(0.3)
        recursion()
        session.leave(stretch)
        session.close()
        assert any(function[2] == "fib" for function in session.finish())

    def test_both_tool_ids_taken_means_no_session_and_no_harm(self) -> None:
        engine = engine_of()
        for tool in TOOL_IDS:
            MONITORING.use_tool_id(tool, f"other {tool}")
        try:
            with pytest.raises(Unavailable, match="tool ids 3 to 5"):
                engine.session()
        finally:
            for tool in TOOL_IDS:
                MONITORING.free_tool_id(tool)
        assert record(recursion)

    @pytest.mark.usefixtures("_alone")
    def test_one_tool_id_taken_is_no_hindrance(self) -> None:
        MONITORING.use_tool_id(3, "other")
        try:
            assert counts(record(recursion)) == counts(bare(recursion))
        finally:
            MONITORING.free_tool_id(3)

    def test_a_second_session_in_one_thread_waits_its_turn(self) -> None:
        engine = engine_of()
        outer = engine.session()
        stretch = outer.enter()
        with pytest.raises(Unavailable, match="already recording"):
            engine.session()
        outer.leave(stretch)
        outer.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_is_not_recorded_and_not_slowed() -> None:
    engine = engine_of()
    session = engine.session()
    stretch = session.enter()
    child = os.fork()
    if child == 0:
        quiet = sys.getprofile() is None or sys.version_info < (3, 12)
        if MONITORING:
            quiet = [MONITORING.get_tool(tool) for tool in TOOL_IDS] == [None] * 3
        os._exit(0 if quiet else 1)
    session.leave(stretch)
    session.close()
    assert os.waitpid(child, 0)[1] == 0
    assert session.finish()


def test_the_estimate_of_its_cost_grows_with_the_calls() -> None:
    engine = engine_of()

    def leaf() -> None: ...

    def cost(calls: int) -> float:
        session = engine.session()
        stretch = session.enter()
        for _ in range(calls):
            leaf()
        session.leave(stretch)
        session.close()
        return session.cost(session.finish())

    once = (cost(2000) - cost(1000)) / 1000
    assert 0 < once < 20e-6
    assert cost(5000) - cost(2000) == pytest.approx(3000 * once)
