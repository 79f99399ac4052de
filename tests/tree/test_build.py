"""What a tree built from edges always keeps, whatever the calls were."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.tree.build import build
from reqprof.tree.node import REST, ROOT
from reqprof.tree.reconstruct import growth
from tests.tree.oracle import truth
from tests.tree.strategies import ACYCLIC, TRACES, TREES
from tests.tree.tables import NAMES, chain, deep, function, load, ring, time, without_rest

if TYPE_CHECKING:
    from reqprof.model import Entry, Function, Stats
    from reqprof.tree.node import Node
    from tests.tree.oracle import Event

few = settings(max_examples=120, deadline=None)


def check(root: Node, stats: Stats) -> None:
    """Time is kept, widths add up, parents call their children, no function twice on a path."""
    whole = time(stats)
    assert root.function == ROOT
    assert root.total == pytest.approx(whole, rel=1e-9, abs=1e-12)
    assert sum(node.self_time for _, node in root.walk()) == pytest.approx(
        whole, rel=1e-9, abs=1e-12
    )
    path: list[Node] = []
    for depth, node in root.walk():
        below = sum(child.total for child in node.children.values())
        assert node.total == pytest.approx(node.self_time + below, rel=1e-9, abs=1e-12)
        assert node.self_time >= 0
        assert node.calls >= 0
        path[depth:] = [node]
        if depth == 0 or node.is_rest:
            continue
        if depth > 1:
            assert path[-2].function in stats[node.function][4]
        assert path[-2].children[node.function] is node
        assert len({n.function for n in path[1:]}) == depth


@few
@given(TRACES)
def test_any_calls_keep_time_and_edges(trace: list[Event]) -> None:
    stats = truth(trace).stats
    for budget in (0, 3, 3000):
        check(build(stats, budget=budget), stats)


NAMED = st.sampled_from([function(name) for name in "abcd"])
COUNTS = st.integers(0, 9) | st.integers(0, 2**75)
SECONDS = st.floats(allow_nan=False) | st.sampled_from([5e-324, 1e-17, 1e17, 1e300, -1.0, 0.5])
EDGES = st.tuples(COUNTS, COUNTS, SECONDS, SECONDS)
TABLES = st.dictionaries(
    NAMED, st.tuples(COUNTS, COUNTS, SECONDS, SECONDS, st.dictionaries(NAMED, EDGES))
)


@settings(max_examples=1000, deadline=None)
@given(TABLES)
def test_numbers_that_no_clock_has_told_make_a_tree(stats: Stats) -> None:
    root = build(stats)
    for _, node in root.walk():
        assert math.isfinite(node.self_time)
        assert math.isfinite(node.total)
        assert 0 <= node.self_time <= node.total + 1e-9 * abs(node.total)


@few
@given(TREES)
def test_calls_with_one_caller_each_are_reproduced(trace: list[Event]) -> None:
    """Stacks, calls and the mark of exactness, without any budget."""
    expected = truth(trace)
    root = build(expected.stats, budget=0)
    check(root, expected.stats)
    assert without_rest(root) == pytest.approx(expected.self_time)
    assert root.exact_share() == 1
    assert all(node.exact for _, node in root.walk())


@few
@given(ACYCLIC)
def test_edges_add_up_without_recursion(trace: list[Event]) -> None:
    """Over all stacks, each edge has the self time, width and calls it had."""
    stats = truth(trace).stats
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growth, "_SMALLEST", 0.0)
        root = build(stats, budget=10**6)
    check(root, stats)
    sums: dict[tuple[Function, Function], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for node, parent in pairs(root):
        assert not node.is_rest
        for i, value in enumerate((node.self_time, node.total, node.calls)):
            sums[parent.function, node.function][i] += value
    for callee, row in stats.items():
        for caller, edge in row[4].items():
            own, total, calls = sums[caller, callee]
            assert own == pytest.approx(edge[2], rel=1e-6, abs=1e-9)
            assert total == pytest.approx(edge[3], rel=1e-6, abs=1e-9)
            if edge[3] > 1e-9:
                assert calls == pytest.approx(edge[0], rel=1e-6)


@few
@given(TRACES)
def test_exact_frames_are_true(trace: list[Event]) -> None:
    """Self time, total and calls of what is called exact are those of the recorded stack."""
    expected = truth(trace)
    true_total: dict[tuple[Function, ...], float] = defaultdict(float)
    for stack, own in expected.self_time.items():
        for depth in range(1, len(stack) + 1):
            true_total[stack[:depth]] += own
    path: list[Function] = []
    for depth, node in build(expected.stats, budget=5).walk():
        path[depth:] = [node.function]
        stack = tuple(path[1:])
        if depth and node.exact and true_total[stack] > 0:
            assert node.self_time == pytest.approx(expected.self_time[stack], abs=1e-9)
            assert node.total == pytest.approx(true_total[stack], abs=1e-9)
            assert node.calls == expected.calls[stack]


@few
@given(TRACES)
def test_order_of_the_table_does_not_matter(trace: list[Event]) -> None:
    """The trees are equal to the last bit."""
    stats = truth(trace).stats
    assert build(shuffled(stats)).rows() == build(stats).rows()


@pytest.mark.parametrize("name", NAMES)
def test_recorded_inputs(name: str) -> None:
    """Every table that broke another tool gives a tree: empty, without time, deep, diamonds."""
    stats = load(name)
    check(build(stats), stats)


@pytest.mark.parametrize("budget", [0, 1, 50, 3000])
def test_budget_bounds_the_guesses(budget: int) -> None:
    """29 functions with 16,384 stacks stay within the budget and one's callees."""
    stats = load("exp14.prof")
    guesses = [n for _, n in build(stats, budget=budget).walk() if not n.exact and not n.is_rest]
    assert len(guesses) <= budget + 2


@few
@given(TRACES, st.integers(0, 12))
def test_budget_bounds_the_guesses_of_any_calls(trace: list[Event], budget: int) -> None:
    """No more than the budget, and the callees of one function."""
    stats = truth(trace).stats
    guesses = [n for _, n in build(stats, budget=budget).walk() if not n.exact and not n.is_rest]
    callees = Counter(caller for row in stats.values() for caller in row[4])
    roots = sum(not row[4] or row[1] > sum(e[0] for e in row[4].values()) for row in stats.values())
    assert len(guesses) <= budget + max(callees.values(), default=0) + roots


@few
@given(TRACES)
def test_calls_that_took_no_time(trace: list[Event]) -> None:
    stats = truth([(0.0, what) for _, what in trace]).stats
    root = build(stats)
    check(root, stats)
    assert root.total == 0


@pytest.mark.parametrize("length", [1, 2_000])
def test_chains(length: int) -> None:
    stats = chain(length)
    root = build(stats)
    check(root, stats)
    assert max(depth for depth, _ in root.walk()) == length


def test_deep_chains() -> None:
    root = deep()
    assert root.total == pytest.approx(100)
    assert sum(1 for _ in root.walk()) == 100_001
    assert root.exact_share() == 1


@pytest.mark.parametrize("length", [2, 3, 2_000])
def test_rings(length: int) -> None:
    stats = ring(length)
    root = build(stats, budget=500)
    assert root.total == pytest.approx(length / 1000)
    assert sum(1 for _ in root.walk()) <= min(length, 500) + 3


def test_root_that_is_also_called() -> None:
    """Two sessions, one of a() and one of b() that calls a(): both are roots of what they took."""
    stats = load("r12.prof")
    root = build(stats)
    widths = {function[2]: child.total / root.total for function, child in root.children.items()}
    assert widths["a"] == pytest.approx(0.6436, abs=1e-3)
    assert widths["b"] == pytest.approx(0.3564, abs=1e-3)


def test_recursive_root_beside_another() -> None:
    """A root in a cycle gets what the cycle spent, the other root keeps its own measure.

    main for 10 s, of which 9 s in main again; then other for 5 s.
    """
    main, other = function("main"), function("other")
    root = build(
        truth([(0, main), (1, main), (10, None), (10, None), (10, other), (15, None)]).stats
    )
    assert {f: (n.total, n.exact) for f, n in root.children.items()} == {
        main: (10, False),
        other: (5, True),
    }


def test_mutual_recursion_is_merged() -> None:
    a, b = function("a"), function("b")
    calls = [(0, a), (1, b), (2, a), (3, b), (4, None), (5, None), (9, None), (10, None)]
    root = build(truth(calls).stats)
    assert without_rest(root) == pytest.approx({(a,): 4, (a, b): 6})
    assert root.children[a].calls == pytest.approx(2)
    assert root.children[a].children[b].calls == pytest.approx(2)


def test_cycle_without_a_way_in() -> None:
    """Some tools write no root; the function that took longest is taken for one."""
    a, b = function("a"), function("b")
    stats: Stats = {
        a: (1, 1, 1.0, 3.0, {b: (1, 1, 1.0, 3.0)}),
        b: (1, 1, 2.0, 2.0, {a: (1, 1, 2.0, 2.0)}),
    }
    root = build(stats)
    check(root, stats)
    assert list(root.children) == [a]


def test_callers_missing_from_the_table_make_roots() -> None:
    a, b = function("a"), function("b")
    stats: Stats = {a: (1, 1, 2.0, 2.0, {b: (1, 1, 2.0, 2.0)})}
    assert without_rest(build(stats)) == {(a,): 2.0}


def test_tables_that_contradict_themselves_keep_the_time() -> None:
    """An edge that holds more than its function, whose callees hold less: nothing is exact."""
    a, b, c = function("a"), function("b"), function("c")
    stats: Stats = {
        a: (1, 1, 1.0, 5.0, {}),
        b: (1, 1, 3.0, 4.0, {a: (1, 1, 3.0, 4.0)}),
        c: (1, 1, 0.5, 0.5, {b: (1, 1, 1.0, 1.0)}),
    }
    root = build(stats)
    check(root, stats)
    assert root.exact_share() < 1


def test_times_that_are_none_count_as_nothing() -> None:
    """Negative, infinite and no numbers, as a clock or another tool may leave them."""
    a, b = function("a"), function("b")
    for bad in (-1.0, float("nan"), float("inf")):
        stats: Stats = {
            a: (1, 1, 1.0, bad, {}),
            b: (1, 1, bad, 1.0, {a: (1, 1, bad, bad)}),
        }
        assert build(stats).total == pytest.approx(1.0)


@pytest.mark.parametrize("scale", [1e-300, 1e-15, 1e15])
def test_times_of_any_size(scale: float) -> None:
    """As a table of another tool may have them, in whatever unit."""
    stats = load("exp14.prof")
    scaled: Stats = {
        f: (*row[:2], row[2] * scale, row[3], {c: (*e[:3], e[3]) for c, e in row[4].items()})
        for f, row in stats.items()
    }
    check(build(scaled), scaled)


def test_single_caller_below_shared_callee_is_a_guess() -> None:
    """The edge into a shared function is measured; what it called for whom is not."""
    a, b, f, g, h = (function(name) for name in "abfgh")
    calls = [(0, a), (1, f), (2, g), (5, None), (6, h), (7, None), (8, None), (9, None)]
    calls += [(10, b), (11, f), (12, g), (13, None), (14, h), (18, None), (19, None), (20, None)]
    root = build(truth(calls).stats)
    under_a = root.children[a].children[f]
    assert (under_a.total, under_a.self_time, under_a.calls) == (7, 3, 1)
    assert root.children[a].exact
    assert under_a.exact
    assert not under_a.children[g].exact
    assert not root.children[b].children[f].children[h].exact
    assert 0 < root.exact_share() < 1


def test_a_callee_that_takes_longer_than_a_caller_had_is_not_its() -> None:
    """f spends 1 s for a and 100 s for b; one call of slow takes 90 s, of quick 0.1 s."""
    a, b, f, slow, quick = (function(name) for name in ("a", "b", "f", "slow", "quick"))
    calls: list[Event] = [(0, a), (0, f), (0, quick), (1, None), (1, None), (1, None)]
    calls += [(1, b), (1, f), (1, slow), (91, None), (91, quick), (101, None)]
    calls += [(101, None), (101, None)]
    root = build(truth(calls).stats)
    guess = root.children[a].children[f].children
    assert slow not in guess or guess[slow].total < 0.01
    assert guess[quick].total == pytest.approx(1, abs=0.01)


def test_what_a_dispatcher_called_for_whom() -> None:
    """One function calls another for each caller; only times to the clock's tick tell which."""
    callers, callees = ("a", "b", "c"), ("f", "g", "h")
    took = (0.004_000_017, 0.002_300_005, 0.001_100_009)
    now = 0.0
    calls: list[Event] = []
    for caller, callee, seconds in zip(callers, callees, took, strict=True):
        calls += [(now, function(caller)), (now, function("dispatch")), (now, function(callee))]
        now += seconds
        calls += [(now, None), (now + 1e-5, None), (now + 1e-5, None)]
        now += 1e-5
    expected = truth(calls)
    assert without_rest(build(expected.stats)) == pytest.approx(
        {stack: own for stack, own in expected.self_time.items() if own > 0 or len(stack) < 4}
    )


def test_edges_of_the_old_profile_module_are_counts() -> None:
    """Their times are shared out by calls, and nothing is called exact."""
    a, b, f = function("a"), function("b"), function("f")
    counts: dict[Function, Entry] = {
        a: (1, 1, 1.0, 4.0, {}),
        b: (1, 1, 1.0, 2.0, {}),
        f: (4, 4, 4.0, 4.0, {a: 3, b: 1}),  # type: ignore[dict-item]
    }
    root = build(counts)
    check(root, counts)
    assert root.children[a].children[f].total == pytest.approx(3)
    assert root.children[b].children[f].total == pytest.approx(1)
    assert root.children[a].children[f].calls == pytest.approx(3)
    assert not any(node.exact for depth, node in root.walk() if depth)


def test_addresses_in_names_are_dropped_and_equal_names_added() -> None:
    """Two worker processes name one C function by two addresses, as caller and as callee."""
    a, leaf = function("a"), function("leaf")
    first = ("~", 0, "<built-in method __new__ of type object at 0x55d0c8>")
    second = ("~", 0, "<built-in method __new__ of type object at 0x7F00aa>")
    stats: Stats = {
        a: (2, 2, 1.0, 10.0, {}),
        first: (1, 1, 2.0, 3.0, {a: (1, 1, 2.0, 3.0)}),
        second: (1, 1, 4.0, 6.0, {a: (1, 1, 4.0, 6.0)}),
        leaf: (2, 2, 3.0, 3.0, {first: (1, 1, 1.0, 1.0), second: (1, 1, 2.0, 2.0)}),
    }
    plain = ("~", 0, "<built-in method __new__ of type object>")
    root = build(stats)
    assert root.total == pytest.approx(time(stats))
    node = root.children[a].children[plain]
    assert (node.calls, node.self_time, node.total) == (2, 6.0, 9.0)
    assert node.children[leaf].exact


def test_rest_holds_what_was_not_expanded() -> None:
    stats = load("exp14.prof")
    root = build(stats, budget=10)
    rests = [node for _, node in root.walk() if node.function == REST]
    assert rests
    assert not any(node.exact or node.children for node in rests)


def shuffled(stats: Stats) -> Stats:
    order = list(stats)
    random.shuffle(order)
    result: Stats = {}
    for f in order:
        callers = list(stats[f][4].items())
        random.shuffle(callers)
        result[f] = (*stats[f][:4], dict(callers))
    return result


def pairs(root: Node) -> list[tuple[Node, Node]]:
    """Each frame but the root with its parent."""
    return [(child, node) for _, node in root.walk() for child in node.children.values()]
