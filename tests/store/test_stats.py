"""Tables: nothing that the profiler counted is lost, and sums are those of pstats."""

from __future__ import annotations

import copy
import cProfile
import gc
import marshal
import math
import pstats
import random
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reqprof.store.stats import add_up, combine, from_entries, pstats_order, with_edges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import CodeType

    from reqprof.model import Function, Stats
    from reqprof.store.stats import Table

pytestmark = pytest.mark.recording


def nothing(code: CodeType) -> bool:
    return False


# --- work to profile, in several shapes


def fib(n: int) -> int:
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def even(n: int) -> bool:
    return n == 0 or odd(n - 1)


def odd(n: int) -> bool:
    return n != 0 and even(n - 1)


def numbers(n: int) -> Iterator[int]:
    for i in range(n):
        yield fib(i % 6)


def recursion() -> None:
    fib(10)
    even(20)


def generators() -> None:
    sorted(numbers(20), key=lambda n: -n)
    sum(n for n in numbers(10))


def raising() -> None:
    for text in ("1", "x", "2"):
        try:
            int(text)
        except ValueError:
            even(2)


def compiled() -> None:
    exec(compile("def f(x):\n    return max(x, 1)\nf(1); f(2)", "made.py", "exec"), {})


SHAPES: list[Callable[[], None]] = [recursion, generators, raising, compiled]


def entries_of(work: Callable[[], object]) -> tuple[list[Any], Stats]:
    """What the profiler counted, and what cProfile makes of it."""
    profiler = cProfile.Profile()
    profiler.runcall(work)
    entries = profiler.getstats()
    profiler.create_stats()
    theirs: Any = profiler.stats
    return entries, theirs


def code(name: str, line: int = 1, file: str = "made.py") -> CodeType:
    return compile("pass", file, "exec").replace(co_name=name, co_firstlineno=line)


def named(stats: Stats) -> dict[str, dict[str, tuple[int, int, float, float]]]:
    """Edges by the names of callee and caller."""
    return {
        key[2]: {caller[2]: edge for caller, edge in row[4].items()} for key, row in stats.items()
    }


# --- from_entries


@pytest.mark.parametrize("work", SHAPES)
def test_a_table_is_the_one_cprofile_writes(work: Callable[[], None]) -> None:
    entries, theirs = entries_of(work)
    ours = from_entries(entries, nothing)
    assert ours == theirs
    assert list(ours) == list(theirs)
    assert [list(row[4]) for row in ours.values()] == [list(row[4]) for row in theirs.values()]


def same_name(rounds: int) -> Callable[[], None]:
    namespace: dict[str, Any] = {}
    exec(f"def f():\n for i in range({rounds}): len('')", namespace)
    made: Callable[[], None] = namespace["f"]
    return made


def test_functions_with_one_name_are_added_where_cprofile_loses_all_but_one() -> None:
    functions = [same_name(rounds) for rounds in (2000, 1, 3000, 5)]

    def work() -> None:
        for function in functions:
            function()

    entries, theirs = entries_of(work)
    ours = from_entries(entries, nothing)
    seconds = sum(entry.inlinetime for entry in entries)
    assert math.isclose(sum(row[2] for row in ours.values()), seconds, rel_tol=1e-12)
    assert sum(row[2] for row in theirs.values()) < seconds
    (row,) = (row for key, row in ours.items() if key[0] == "<string>")
    assert row[:2] == (4, 4)
    (edge,) = row[4].values()
    assert edge[:2] == (4, 4)
    (length,) = (row for key, row in ours.items() if key[2] == "<built-in method builtins.len>")
    assert length[1] == 5006
    assert [edge[0] for edge in length[4].values()] == [5006]


def test_a_function_and_its_callers_share_one_key_object_so_that_files_are_small() -> None:
    ours = from_entries(entries_of(recursion)[0], nothing)
    keys = {id(key) for key in ours}
    assert all(id(caller) in keys for row in ours.values() for caller in row[4])
    assert len(marshal.dumps(ours, 4)) < len(marshal.dumps(entries_of(recursion)[1], 4))


def test_no_entries_make_an_empty_table() -> None:
    assert from_entries([], nothing) == {}


def test_a_call_of_something_without_an_entry_is_left_out() -> None:
    a, b = code("a"), code("b")
    assert from_entries([(a, 1, 0, 2.0, 1.0, [(b, 1, 0, 1.0, 1.0)])], nothing) == {
        ("made.py", 1, "a"): (1, 1, 1.0, 2.0, {})
    }


class Hidden:
    """A judge of code objects that also checks that it is given nothing else."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def __call__(self, code: CodeType) -> bool:
        return code.co_name in self.names


def test_a_hidden_function_with_one_caller_vanishes_exactly() -> None:
    a, hidden, b = code("a"), code("h"), code("b")
    entries = [
        (a, 1, 0, 10.0, 2.0, [(hidden, 5, 0, 8.0, 1.0), (b, 1, 0, 1.0, 1.0)]),
        (hidden, 5, 0, 8.0, 1.0, [(b, 7, 3, 7.1, 6.1)]),
        (b, 8, 3, 8.1, 7.1, None),
    ]
    assert from_entries(entries, Hidden("h")) == {
        ("made.py", 1, "a"): (1, 1, 2.0, 10.0, {}),
        ("made.py", 1, "b"): (5, 8, 7.1, 8.1, {("made.py", 1, "a"): (8, 5, 7.1, 8.1)}),
    }


def test_a_chain_of_hidden_functions_vanishes() -> None:
    a, h1, h2, h3, b = (code(name) for name in ("a", "h1", "h2", "h3", "b"))
    entries = [
        (h2, 1, 0, 7.0, 1.0, [(h3, 1, 0, 6.0, 1.0)]),
        (a, 1, 0, 10.0, 2.0, [(h1, 1, 0, 8.0, 1.0)]),
        (h3, 1, 0, 6.0, 1.0, [(b, 4, 0, 5.0, 5.0)]),
        (h1, 1, 0, 8.0, 1.0, [(h2, 1, 0, 7.0, 1.0)]),
        (b, 4, 0, 5.0, 5.0, None),
    ]
    for order in range(20):
        random.Random(order).shuffle(entries)
        assert named(from_entries(entries, Hidden("h1", "h2", "h3"))) == {
            "a": {},
            "b": {"a": (4, 4, 5.0, 5.0)},
        }


def test_hidden_functions_that_call_each_other_vanish() -> None:
    a, h1, h2, b = (code(name) for name in ("a", "h1", "h2", "b"))
    entries = [
        (a, 1, 0, 10.0, 2.0, [(h1, 1, 0, 8.0, 1.0)]),
        (h1, 4, 3, 8.0, 1.0, [(h2, 4, 3, 7.0, 1.0), (h1, 0, 0, 0.0, 0.0)]),
        (h2, 4, 3, 7.0, 1.0, [(h1, 3, 2, 5.0, 1.0), (b, 4, 0, 5.0, 5.0)]),
        (b, 4, 0, 5.0, 5.0, None),
    ]
    for order in range(20):
        random.Random(order).shuffle(entries)
        assert named(from_entries(entries, Hidden("h1", "h2")))["b"] == {"a": (4, 4, 5.0, 5.0)}


def test_several_callers_share_what_a_hidden_function_called() -> None:
    a, b, hidden, c = (code(name) for name in "abhc")
    entries = [
        (a, 1, 0, 10.0, 2.0, [(hidden, 2, 0, 8.0, 1.0)]),
        (b, 1, 0, 10.0, 2.0, [(hidden, 1, 0, 8.0, 1.0)]),
        (hidden, 3, 0, 16.0, 1.0, [(c, 10, 0, 30.0, 20.0)]),
        (c, 10, 0, 30.0, 20.0, None),
    ]
    edges = named(from_entries(entries, Hidden("h")))["c"]
    assert {name: edge[:2] for name, edge in edges.items()} == {"a": (7, 7), "b": (3, 3)}
    assert edges["a"][2:] == pytest.approx((14.0, 21.0))
    assert edges["b"][2:] == pytest.approx((6.0, 9.0))


def test_one_call_goes_to_one_of_several_callers_whole() -> None:
    a, b, hidden, c = (code(name) for name in "abhc")
    entries = [
        (a, 1, 0, 10.0, 2.0, [(hidden, 2, 0, 8.0, 1.0)]),
        (b, 1, 0, 10.0, 2.0, [(hidden, 3, 0, 8.0, 1.0)]),
        (hidden, 5, 0, 16.0, 1.0, [(c, 1, 0, 3.0, 2.0)]),
        (c, 1, 0, 3.0, 2.0, None),
    ]
    assert named(from_entries(entries, Hidden("h")))["c"] == {"b": (1, 1, 2.0, 3.0)}


def test_what_a_hidden_function_without_a_caller_called_stands_alone() -> None:
    hidden, c = code("h"), code("c")
    entries = [(hidden, 1, 0, 5.0, 1.0, [(c, 2, 0, 4.0, 4.0)]), (c, 2, 0, 4.0, 4.0, None)]
    assert from_entries(entries, Hidden("h")) == {("made.py", 1, "c"): (2, 2, 4.0, 4.0, {})}


def test_calls_from_outside_take_their_share_along() -> None:
    a, hidden, c = (code(name) for name in "ahc")
    entries = [
        (a, 1, 0, 10.0, 2.0, [(hidden, 1, 0, 8.0, 1.0)]),
        (hidden, 4, 0, 16.0, 1.0, [(c, 8, 0, 8.0, 8.0)]),
        (c, 8, 0, 8.0, 8.0, None),
    ]
    stats = from_entries(entries, Hidden("h"))
    assert named(stats)["c"] == {"a": (2, 2, 2.0, 2.0)}
    assert stats["made.py", 1, "c"][:4] == (8, 8, 8.0, 8.0)


def test_a_function_that_calls_itself_through_a_hidden_one_is_its_own_caller() -> None:
    a, hidden = code("a"), code("h")
    entries = [
        (a, 4, 3, 10.0, 6.0, [(hidden, 3, 2, 8.0, 4.0)]),
        (hidden, 3, 2, 8.0, 4.0, [(a, 3, 2, 7.0, 5.0)]),
    ]
    assert named(from_entries(entries, Hidden("h"))) == {"a": {"a": (3, 1, 5.0, 7.0)}}


def test_c_functions_are_never_hidden() -> None:
    def judge(code: CodeType) -> bool:
        return bool(code.co_name)

    entries = [("<built-in method len>", 1, 0, 1.0, 1.0, None)]
    assert list(from_entries(entries, judge)) == [("~", 0, "<built-in method len>")]


# A call tree: the function's number, its self seconds, and what it called.
TREES: Any = st.recursive(
    st.tuples(st.integers(0, 5), st.integers(0, 9), st.just(())),
    lambda inner: st.tuples(
        st.integers(0, 5), st.integers(0, 9), st.lists(inner, max_size=4).map(tuple)
    ),
    max_leaves=40,
)


class Counting:
    """Counts a call tree as the profiler does, but for cumulative seconds, which it leaves at 0."""

    def __init__(self, skipped: frozenset[int]) -> None:
        self.skipped = skipped  # are not there: what they call is called by their caller
        self.rows: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        self.edges: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])

    def call(self, tree: Any, caller: int | None = None) -> None:
        number, seconds, inner = tree
        if number not in self.skipped:
            counted = [self.rows[number]]
            if caller is not None:
                counted.append(self.edges[caller, number])
            for count in counted:
                count[0] += 1
                count[1] += seconds
            caller = number
        for child in inner:
            self.call(child, caller)

    def entries(self, codes: Sequence[CodeType]) -> list[Any]:
        return [
            (codes[number], calls, 0, 0.0, float(seconds), [
                (codes[callee], count, 0, 0.0, float(time))
                for (caller, callee), (count, time) in self.edges.items()
                if caller == number
            ])
            for number, (calls, seconds) in self.rows.items()
        ]  # fmt: skip


@given(st.lists(TREES, min_size=1, max_size=3), st.frozensets(st.integers(0, 5)))
@settings(deadline=None, max_examples=200)
def test_hiding_keeps_every_count_of_the_others(trees: list[Any], gone: frozenset[int]) -> None:
    codes = [code(str(number)) for number in range(6)]
    full, visible = Counting(frozenset()), Counting(gone)
    for tree in trees:
        full.call(tree)
        visible.call(tree)
    stats = from_entries(full.entries(codes), Hidden(*map(str, gone)))
    assert {key[2]: row[1:3] for key, row in stats.items()} == {
        str(number): (calls, float(seconds)) for number, (calls, seconds) in visible.rows.items()
    }
    for key, row in stats.items():
        assert sum(edge[0] for edge in row[4].values()) <= row[1]
        assert sum(edge[2] for edge in row[4].values()) <= row[2] + 1e-9
        assert all(0 <= edge[1] <= edge[0] and edge[0] > 0 for edge in row[4].values()), key


@given(st.lists(TREES, min_size=1, max_size=3), st.frozensets(st.integers(0, 5)))
@settings(deadline=None, max_examples=200)
def test_hiding_is_exact_where_each_hidden_function_has_one_caller(
    trees: list[Any], gone: frozenset[int]
) -> None:
    codes = [code(str(number)) for number in range(6)]
    full, visible = Counting(frozenset()), Counting(gone)
    for tree in trees:
        full.call((9, 0, (tree,)))  # nothing is called from outside but the root, which is visible
        visible.call((9, 0, (tree,)))
    callers = Counter(callee for caller, callee in full.edges if caller != callee)
    if any(callers[number] > 1 for number in gone):
        return
    codes += [code(str(number)) for number in range(6, 10)]
    stats = from_entries(full.entries(codes), Hidden(*map(str, gone)))
    edges = {
        (int(caller[2]), int(key[2])): [edge[0], edge[2]]
        for key, row in stats.items()
        for caller, edge in row[4].items()
    }
    assert edges == visible.edges


# --- combine


def dumped(folder: Path, *works: Callable[[], None]) -> list[str]:
    names = []
    for number, work in enumerate(works):
        profiler = cProfile.Profile()
        profiler.runcall(work)
        path = folder / f"{number:03}.prof"
        profiler.dump_stats(path)
        names.append(str(path))
    return names


def load(name: str) -> Stats:
    with open(name, "rb") as file:  # noqa: PTH123
        table: Stats = marshal.load(file)
    return table


def by_pstats(*items: Any) -> Stats:
    return pstats.Stats(*items).stats  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    "works",
    [[recursion], [recursion, recursion], [recursion, generators], SHAPES, SHAPES * 12],
    ids=["one", "two of a kind", "two", "four", "many"],
)
def test_the_sum_of_files_is_that_of_pstats_bit_for_bit(
    works: list[Callable[[], None]], tmp_path: Path
) -> None:
    names = dumped(tmp_path, *works)
    ours = combine(load(name) for name in pstats_order(names))
    theirs = by_pstats(*names)
    assert ours == theirs
    assert list(ours) == list(theirs)
    assert [list(row[4]) for row in ours.values()] == [list(row[4]) for row in theirs.values()]


def test_the_sum_can_be_written_and_read_by_pstats(tmp_path: Path) -> None:
    total = combine(load(name) for name in dumped(tmp_path, *SHAPES))
    path = tmp_path / "total.prof"
    path.write_bytes(marshal.dumps(total))
    assert by_pstats(str(path)) == total


FUNCTIONS = st.sampled_from([("a.py", 1, "f"), ("a.py", 2, "g"), ("~", 0, "<len>"), ("ä", 3, "h")])
COUNTS = st.integers(0, 10**6)
TIMES = st.floats(0, 1e6)
EDGES = st.tuples(COUNTS, COUNTS, TIMES, TIMES)
TABLES = st.dictionaries(
    FUNCTIONS,
    st.tuples(COUNTS, COUNTS, TIMES, TIMES, st.dictionaries(FUNCTIONS, EDGES)),
)


class Dumped:
    """A table in the form that pstats takes without a file."""

    def __init__(self, table: Stats) -> None:
        self.stats = copy.deepcopy(table)

    def create_stats(self) -> None:
        pass


@given(st.lists(TABLES.filter(bool), min_size=1, max_size=6))
@settings(deadline=None)
def test_any_tables_add_up_as_in_pstats(tables: list[Stats]) -> None:
    assert combine(pstats_order(tables)) == by_pstats(*map(Dumped, tables))


@given(st.lists(TABLES, max_size=5))
@settings(deadline=None)
def test_no_table_is_changed_or_becomes_part_of_the_sum(tables: list[Stats]) -> None:
    before = copy.deepcopy(tables)
    total = combine(tables)
    assert tables == before
    for row in total.values():
        row[4].clear()
    total.clear()
    assert tables == before


@given(st.lists(TABLES, max_size=5), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_counts_do_not_depend_on_order_or_grouping(
    tables: list[Stats], chance: random.Random
) -> None:
    shuffled = list(tables)
    chance.shuffle(shuffled)
    cut = chance.randint(0, len(tables))
    for other in (
        combine(shuffled),
        combine([combine(tables[:cut]), combine(tables[cut:])]),
        combine([{}, *tables, {}]),
    ):
        assert flat(other) == pytest.approx(flat(combine(tables)), rel=1e-9)


def flat(table: Stats) -> dict[str, float]:
    """Every number of a table by where it stands."""
    values: dict[str, tuple[float, ...]] = {}
    for key, row in table.items():
        values[str(key)] = row[:4]
        values |= {f"{key} {caller}": edge for caller, edge in row[4].items()}
    return {f"{place} {i}": value for place, row in values.items() for i, value in enumerate(row)}


def test_nothing_adds_up_to_nothing() -> None:
    assert combine([]) == combine([{}, {}]) == {}


F: Function = ("a.py", 1, "f")
G: Function = ("a.py", 2, "g")
OLD: Table = {F: (2, 4, 1.0, 8.0, {G: 3, F: 1}), G: (1, 1, 0.5, 9.0, {})}


def test_edges_that_are_only_counts_get_their_share_of_the_seconds() -> None:
    assert with_edges(OLD) == {
        F: (2, 4, 1.0, 8.0, {G: (3, 3, 0.75, 6.0), F: (1, 1, 0.25, 2.0)}),
        G: (1, 1, 0.5, 9.0, {}),
    }


def test_tables_with_and_without_seconds_on_their_edges_add_up() -> None:
    new: Stats = {F: (1, 1, 1.0, 1.0, {G: (1, 1, 1.0, 1.0)})}
    expected = {
        F: (3, 5, 2.0, 9.0, {G: (4, 4, 1.75, 7.0), F: (1, 1, 0.25, 2.0)}),
        G: (1, 1, 0.5, 9.0, {}),
    }
    assert combine([OLD, new]) == combine([new, OLD]) == expected


def test_one_table_may_mix_both_kinds_of_edges() -> None:
    mixed: Table = {F: (2, 4, 1.0, 8.0, {G: 3, F: (1, 1, 0.5, 0.5)})}
    assert with_edges(mixed)[F][4] == {G: (3, 3, 0.75, 6.0), F: (1, 1, 0.5, 0.5)}


def test_an_edge_of_a_function_that_was_never_called_has_no_seconds() -> None:
    assert with_edges({F: (0, 0, 0.0, 0.0, {G: 0})})[F][4] == {G: (0, 0, 0.0, 0.0)}


@given(TABLES)
@settings(deadline=None)
def test_a_table_that_has_all_its_edges_is_left_alone(table: Stats) -> None:
    assert with_edges(table) is table


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_paused_and_then_as_it_was(enabled: bool) -> None:
    seen = []

    def tables(fail: bool) -> Iterator[Stats]:
        seen.append(gc.isenabled())
        yield {}
        if fail:
            raise OSError

    was = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        combine(tables(fail=False))
        assert gc.isenabled() is enabled
        with pytest.raises(OSError):  # noqa: PT011  any will do
            combine(tables(fail=True))
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()
    assert seen == [False, False]


def test_the_served_process_keeps_its_collector_running() -> None:
    seen = []

    def tables() -> Iterator[Stats]:
        seen.append(gc.isenabled())
        yield {F: (1, 1, 1.0, 1.0, {})}

    was = gc.isenabled()
    try:
        gc.enable()
        assert add_up(tables()) == {F: (1, 1, 1.0, 1.0, {})}
    finally:
        (gc.enable if was else gc.disable)()
    assert seen == [True]


# --- the order


@given(st.lists(st.integers(), max_size=6))
@example([])
@example([1])
@example([1, 2, 3])
def test_pstats_adds_the_first_and_then_the_rest_backwards(items: list[int]) -> None:
    assert pstats_order(items) == items[:1] + list(reversed(items[1:]))
