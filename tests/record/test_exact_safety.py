"""What the exact engine survives: other threads, forks, exits, budgets, want of memory."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.record.engines import choose
from tests.conftest import need_engine, need_module, still_on

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("no_collection")]


@pytest.fixture
def exact() -> Any:
    need_engine("exact")
    return choose.exact._exact


@pytest.fixture
def session(exact: Any) -> Iterator[Any]:
    session: Any = choose.engine("exact", builtins=True, clock="wall").session()
    yield session
    session.close()
    assert session.fault is None
    assert still_on() == []


def leaf() -> None: ...


def count(session: Any, name: str = "leaf") -> int:
    return sum(row[1] for function, row in session.finish().items() if function[2] == name)


def test_a_session_that_another_thread_closes_records_no_more(session: Any) -> None:
    stretch = session.enter()
    leaf()
    closer = threading.Thread(target=session.close)
    closer.start()
    closer.join()
    leaf()
    assert count(session) == 1
    session.leave(stretch)
    assert count(session) == 1
    assert session.enter() is None


def test_a_session_that_ends_while_it_adopts_a_greenlet_records_no_more(session: Any) -> None:
    need_module("greenlet")
    import greenlet

    def adopt_and_close(above: Any) -> Any:
        lane = adopt(above)
        closer = threading.Thread(target=session.close)
        closer.start()
        closer.join()
        return lane

    def inner() -> None:
        leaf()
        recorded.append(exact.here())

    recorded: list[Any] = []
    exact, adopt = choose.exact._exact, session.adopt
    session.adopt = adopt_and_close
    # While it lasts no events change. A debug build of Python wants no greenlet out when they do.
    another: Any = choose.engine("exact", builtins=True, clock="wall").session()
    stretch = session.enter()
    greenlet.greenlet(inner).switch()
    session.leave(stretch)
    another.close()
    assert recorded == [None]
    assert count(session) == 0


def test_a_thread_may_end_in_the_middle_of_a_stretch(session: Any) -> None:
    def run() -> None:
        lanes.append(session.enter())
        leaf()

    lanes: list[Any] = []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    gc.collect()
    assert count(session) == 1
    references = sys.getrefcount(lanes[0])
    session.close()
    remaining = sys.getrefcount(lanes[0])
    assert remaining == references  # the thread had let go of it


def test_a_tracer_records_in_one_thread_at_a_time(session: Any, exact: Any) -> None:
    tracer = exact.Tracer(exact.Tree())
    tracer.begin()
    if sys.version_info >= (3, 12):  # before, whoever comes last has the hook
        with pytest.raises(RuntimeError, match="records already"):
            exact.Tracer(exact.Tree()).begin()
        with pytest.raises(RuntimeError, match="records already"):
            tracer.go_on()
    assert exact.here() is tracer
    tracer.close()
    assert exact.here() is None
    tracer.begin()
    tracer.go_on()
    assert exact.here() is None
    tracer.end()
    tracer.close()


def test_what_is_no_tree_is_refused(exact: Any) -> None:
    for wrong in (None, 1, object()):
        with pytest.raises(TypeError):
            exact.Tracer(wrong)
    tracer = exact.Tracer(exact.Tree())
    with pytest.raises(RuntimeError, match="one tree"):
        tracer.__init__(exact.Tree())
    for other in (None, exact.Tracer(exact.Tree())):
        with pytest.raises(ValueError, match="same tree"):
            tracer.hang(other)
    unready = exact.Tracer.__new__(exact.Tracer)
    with pytest.raises(RuntimeError, match="__init__"):
        unready.begin()
    unready.end()
    unready.close()
    assert unready.tree is None
    for wrong in (None, 1, b""):
        with pytest.raises(TypeError):
            exact.Tree().table(wrong)
        with pytest.raises(TypeError):
            exact.Tree().encode(wrong)
    with pytest.raises(TypeError):
        exact.Tree.table = None
    with pytest.raises((TypeError, OverflowError)):
        exact.Tree("many")


def test_past_the_budget_time_stays_with_the_callers_and_calls_are_counted(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose.exact, "MAX_NODES", 3)

    def outer() -> None:
        inner()
        leaf()
        inner()

    def inner() -> None:
        time.sleep(0.01)
        leaf()

    stretch = session.enter()
    outer()
    outer()
    session.leave(stretch)
    session.close()
    table = {function[2]: row for function, row in session.finish().items()}
    assert table["outer"][1] == 2
    assert table["inner"][1] == 4
    assert table["inner"][2] >= 0.04  # what slept below it has no node
    assert set(table) == {"outer", "inner"}
    # Each inner() called two, each outer() one, and leave() was called too.
    assert session.beyond() >= 10
    assert [tree.length for tree in session.trees()] == [3]


def test_a_deep_recursion_takes_no_deep_c_stack(session: Any) -> None:
    def deep(n: int) -> None:
        if n:
            deep(n - 1)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        stretch = session.enter()
        deep(10_000)
        session.leave(stretch)
    finally:
        sys.setrecursionlimit(limit)
    session.close()
    (tree,) = session.trees()
    assert tree.length > 10_000
    row = next(row for function, row in session.finish().items() if function[2] == "deep")
    assert row[:2] == (1, 10_001)
    assert len(tree.encode("/nowhere")[1]) >= 5 * 10_000


OUT_OF_MEMORY = """
import sys, threading, _testcapi
from reqprof.record.engines import choose

functions, failed = [], []
for number in range(600):
    space = {}
    exec(f"def only_{number}(): pass", space)
    functions.append(space[f"only_{number}"])

def run(start):
    session = choose.engine("exact", builtins=False, clock="wall").session()
    stretch = session.enter()
    _testcapi.set_nomemory(start, start + 3)
    try:
        for function in functions:
            function()
    except MemoryError:  # the interpreter's own
        pass
    finally:
        _testcapi.remove_mem_hooks()
    session.leave(stretch)
    session.close()
    try:
        session.finish()
    except MemoryError:
        assert session.trees()[0].failed
        failed.append(start)
    assert sys.getprofile() is None

for start in range(200):
    # A frame of 3.11 in which memory ran out is traced no more.
    thread = threading.Thread(target=run, args=(start,))
    thread.start()
    thread.join()
print(len(failed))
"""


def test_memory_that_runs_out_costs_the_profile_and_nothing_else(exact: Any) -> None:
    assert out_of_memory(OUT_OF_MEMORY) > 0


OUT_OF_MEMORY_BESIDE = """
import threading, _testcapi
from functools import partial
from reqprof import _exact
from reqprof.record.engines import choose

def leaf(): len([])
def outer(): leaf()
def other(): outer(); leaf()

session = choose.engine("exact", builtins=True, clock="wall").session()
stretch = session.enter()
other()
session.leave(stretch)
session.close()
(tree,) = session.trees()
elsewhere = _exact.Tracer(_exact.Tree())
failed = []

def calls():
    table = tree.table("/nowhere")
    return {function: row[:2] for function, row in table.items()}, tree.encode("/nowhere")[0]

def run(what, number):
    try:
        _testcapi.set_nomemory(number, number + 1)
        try:
            what()
        finally:
            _testcapi.remove_mem_hooks()
    except MemoryError:
        failed.append(number)

right = calls()
for number in range(100):
    run(partial(tree.table, "/nowhere"), number)
    run(partial(tree.encode, "/nowhere"), number)
    run(_exact.Tree, number)
    run(partial(_exact.Tracer, tree), number)
    # Each thread that begins for the first time needs memory of its own.
    thread = threading.Thread(target=run, args=(elsewhere.begin, number))
    thread.start()
    thread.join()
    elsewhere.end()
assert calls() == right
print(len(failed))
"""


def test_memory_that_runs_out_while_a_tree_is_made_or_read_is_told(exact: Any) -> None:
    assert out_of_memory(OUT_OF_MEMORY_BESIDE) > 20


def out_of_memory(program: str) -> int:
    """How often it ran out; the program prints that."""
    if importlib.util.find_spec("_testcapi") is None:
        pytest.skip("this Python has no _testcapi")
    done = run_python(program)
    assert (done.returncode, done.stderr) == (0, "")
    return int(done.stdout)


def run_python(program: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, without what measures these tests."""
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )


def test_code_lives_as_long_as_its_tree_and_no_longer(exact: Any) -> None:
    space: dict[str, Any] = {}
    exec("def short_lived(): pass", space)
    code = space["short_lived"].__code__
    space["short_lived"]()  # a tool for coverage may keep it from now on
    before = sys.getrefcount(code)
    session: Any = choose.engine("exact", builtins=True, clock="wall").session()
    stretch = session.enter()
    space["short_lived"]()
    session.leave(stretch)
    session.close()
    meanwhile = sys.getrefcount(code)
    assert meanwhile == before + 1
    assert count(session, "short_lived") == 1
    session.drop()
    del session, stretch
    gc.collect()
    after = sys.getrefcount(code)
    assert after == before


def test_many_sessions_leave_no_memory_behind(exact: Any) -> None:
    engine = choose.engine("exact", builtins=True, clock="wall")

    def run(times: int) -> None:
        for _ in range(times):
            session: Any = engine.session()
            stretch = session.enter()
            leaf()
            len([])
            session.leave(stretch)
            session.close()
            session.finish()
            session.calltree()
            session.drop()

    run(1000)
    gc.collect()
    before = sys.getallocatedblocks()
    run(2000)
    gc.collect()
    assert sys.getallocatedblocks() - before < 1000  # one object for each would be twice that


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_records_nothing(session: Any, exact: Any) -> None:
    stretch = session.enter()
    child = os.fork()
    if child == 0:
        leaf()
        os._exit(0 if exact.here() is None and still_on() == [] else 1)
    leaf()
    session.leave(stretch)
    assert os.waitpid(child, 0)[1] == 0
    assert count(session) == 1


EXITS = {
    "in a stretch": "engine.session().enter(); leaf()",
    "after a fault": "engine.session().enter(); raise SystemExit(0)",
    "with a thread in a stretch": """
def run():
    engine.session().enter()
    ready.set()
    while True: leaf()
ready = threading.Event()
threading.Thread(target=run, daemon=True).start()
ready.wait()
""",
}


@pytest.mark.parametrize("how", list(EXITS))
def test_the_interpreter_may_exit_while_it_records(how: str, exact: Any) -> None:
    program = f"""
import threading
from reqprof.record.engines import choose
engine = choose.engine("exact", builtins=True, clock="wall")
def leaf(): pass
{EXITS[how]}
"""
    done = run_python(program)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_sub_interpreter_gets_a_clear_refusal(exact: Any) -> None:
    program = """
try:
    import reqprof._exact
except ImportError as error:
    assert "interpreter" in str(error), error
else:
    raise AssertionError("imported")
"""
    if sys.version_info >= (3, 13):
        interpreters: Any = importlib.import_module("_interpreters")
        identity = interpreters.create()
        failed = interpreters.exec(identity, program)
    else:
        interpreters = importlib.import_module("_xxsubinterpreters")
        identity = interpreters.create()
        failed = interpreters.run_string(identity, program)
    interpreters.destroy(identity)
    assert failed is None


def test_threads_that_begin_and_end_and_close_each_others_sessions(exact: Any) -> None:
    """No count is wrong where nobody interferes, and nothing crashes where somebody does."""
    crowd = Crowd()
    threads = [threading.Thread(target=crowd.record) for _ in range(8)]
    threads.append(threading.Thread(target=crowd.disturb))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert crowd.wrong == []
    assert still_on() == []


class Crowd:
    """Threads that record, for two seconds, and one that closes some of their sessions."""

    def __init__(self) -> None:
        self.wrong: list[object] = []
        self._until = time.monotonic() + 2
        self._disturbed: list[Any] = []
        self._engine = choose.engine("exact", builtins=True, clock="wall")

    def record(self) -> None:
        times = 0
        while time.monotonic() < self._until:
            times = times % 50 + 1
            session: Any = self._engine.session()
            disturbed = times % 5 == 0
            if disturbed:
                self._disturbed.append(session)
            found = self._count(session, times)
            right = found <= 3 * times if disturbed else found == 3 * times
            if session.fault or not right:
                self.wrong.append((times, found, session.fault))

    def disturb(self) -> None:
        while time.monotonic() < self._until:
            while self._disturbed:
                self._disturbed.pop().close()
            time.sleep(0)

    def _count(self, session: Any, times: int) -> int:
        for _ in range(3):
            stretch = session.enter()
            for _ in range(times):
                leaf()
            session.leave(stretch)
        session.close()
        found = count(session)
        session.calltree()
        session.drop()
        return found
