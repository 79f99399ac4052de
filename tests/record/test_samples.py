"""Stacks that were seen from outside: the table and the tree that are made of them."""

from __future__ import annotations

import io
import pstats
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.model import Profile, Request
from reqprof.record.watch import samples, stacks
from reqprof.record.watch.samples import Samples
from reqprof.store import calltree, reader
from reqprof.store.format import encode
from reqprof.tree import recorded
from reqprof.tree.node import REST, WAITING, Node
from reqprof.tree.profile import tree_of
from reqprof.tree.prune import prune
from reqprof.view import callgrind, folded, pprof, speedscope
from tests.view import read_callgrind, read_pprof, read_speedscope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import CodeType

    from reqprof.model import Function, Stats
    from reqprof.record.notes import Frames

FACTS = Request(id="0123456789ab", method="GET", route="/x", duration=1.0, engine="watch")
EMPTY = compile("", "/srv/shop.py", "exec")
CODES: dict[str, CodeType] = {
    name: EMPTY.replace(co_name=name, co_firstlineno=line) for line, name in enumerate("abcd", 1)
}

Seen = tuple[str, float, bool]
"""The functions of a stack, the seconds it stands for, and whether it was at work."""

SEEN = st.lists(
    st.tuples(st.text("abcd", min_size=1, max_size=6), st.integers(1, 100), st.booleans()),
    min_size=1,
    max_size=30,
)


def function(name: str) -> Function:
    return "/srv/shop.py", "abcd".index(name) + 1, name


def frames(text: str) -> Frames:
    return [(CODES[name], 0) for name in text]


def sampled(seen: Sequence[Seen]) -> Samples:
    found = Samples(100.0)
    moment = 100.0
    for text, seconds, at_work in seen:
        moment += seconds
        found.add(frames(text), moment, at_work=at_work)
    return found


def made(seen: Sequence[Seen]) -> tuple[Stats, Node]:
    found = sampled(seen)
    return found.finish(), recorded.decode(found.calltree())


def by_stack(tree: Node) -> dict[str, Node]:
    """Its frames by the names on the way to them, that for waiting being ``.``."""
    found: dict[str, Node] = {}
    path: list[str] = []
    for depth, node in tree.walk():
        if depth:
            path[depth - 1 :] = ["." if node.is_wait else node.function[2]]
            found["".join(path)] = node
    return found


def test_a_stack_stands_for_the_time_since_the_one_before() -> None:
    stats, tree = made([("ab", 2, True), ("ac", 3, True), ("ab", 4, True)])
    assert stats == {
        function("a"): (3, 3, 0.0, 9.0, {}),
        function("b"): (2, 2, 6.0, 6.0, {function("a"): (2, 2, 6.0, 6.0)}),
        function("c"): (1, 1, 3.0, 3.0, {function("a"): (1, 1, 3.0, 3.0)}),
    }
    found = by_stack(tree)
    assert {stack: (node.calls, node.self_time, node.total) for stack, node in found.items()} == {
        "a": (3, 0, 9),
        "ab": (2, 6, 6),
        "ac": (1, 3, 3),
    }
    assert (tree.calls, tree.total, tree.sampled, tree.exact) == (3, 9, True, True)
    assert all(node.sampled for node in found.values())


def test_a_function_that_is_open_twice_counts_once() -> None:
    stats, tree = made([("aab", 1, True), ("ab", 1, True), ("aa", 1, True)])
    count, primitive, own, total, callers = stats[function("a")]
    assert (count, primitive, own, total) == (3, 3, 1, 3)
    assert callers == {function("a"): (2, 2, 1.0, 2.0)}
    assert stats[function("b")] == (2, 2, 2.0, 2.0, {function("a"): (2, 2, 2.0, 2.0)})
    assert {stack: node.calls for stack, node in by_stack(tree).items()} == {
        "a": 3,
        "aa": 2,
        "aab": 1,
        "ab": 1,
    }


def test_so_it_is_where_functions_call_each_other() -> None:
    stats, _ = made([("ababa", 4, True)])
    assert stats[function("a")] == (1, 1, 4.0, 4.0, {function("b"): (1, 1, 4.0, 4.0)})
    assert stats[function("b")] == (1, 1, 0.0, 4.0, {function("a"): (1, 1, 0.0, 4.0)})


def test_what_is_suspended_waits_below_its_last_frame() -> None:
    stats, tree = made([("ab", 2, False), ("ab", 3, True)])
    assert stats[function("b")][2] == 5
    waiting = by_stack(tree)["ab."]
    assert (waiting.function, waiting.calls, waiting.total) == (WAITING, 1, 2)
    assert by_stack(tree)["ab"].self_time == 3
    assert tree.calls == 2


def test_frames_of_our_own_are_left_out() -> None:
    own = stacks.of_frame.__code__
    found = Samples(0.0)
    found.add([(own, 0), *frames("a"), (own, 0), *frames("b")], 1.0, at_work=True)
    found.add([(own, 0)], 5.0, at_work=True)
    assert {name for *_, name in found.finish()} == {"a", "b"}
    assert found.count == 1


def test_a_stack_that_is_very_deep_is_cut() -> None:
    found = Samples(0.0)
    found.add(frames("abcd" * stacks.MAX_DEPTH), 1.0, at_work=True)
    tree = recorded.decode(found.calltree())
    assert max(depth for depth, _ in tree.walk()) == stacks.MAX_DEPTH


def test_of_too_many_stacks_the_rest_count_for_their_outermost_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(samples, "MAX_STACKS", 2)
    found = sampled([("ab", 1, True), ("ac", 1, True), ("ad", 1, True), ("ab", 1, True)])
    stats = found.finish()
    assert found.beyond() == 1
    assert found.count == found.calls(stats) == stats[function("a")][0] == 4
    assert function("d") not in stats
    assert stats[function("a")][2:4] == (1, 4)


def test_what_comes_after_the_end_is_forgotten() -> None:
    found = sampled([("ab", 1, True)])
    before = found.finish()
    found.add(frames("ac"), 300.0, at_work=True)
    assert found.finish() == before
    assert by_stack(recorded.decode(found.calltree())).keys() == {"a", "ab"}
    assert found.count == 1
    found.drop()
    assert found.finish() == {}


def test_a_thread_adds_while_another_takes_them_out() -> None:
    found, begun = Samples(0.0), threading.Event()

    def add() -> None:
        for number in range(30_000):
            if number == 100:
                begun.set()
            text = "".join("abcd"[number >> shift & 3] for shift in range(0, 12, 2))
            found.add(frames(text), float(number + 1), at_work=number % 2 == 0)

    thread = threading.Thread(target=add)
    thread.start()
    assert begun.wait(30)
    stats = found.finish()
    count, tree = found.count, found.calltree()
    thread.join()
    assert 100 <= count == found.count
    assert sum(row[2] for row in stats.values()) == count
    assert recorded.decode(tree).total == pytest.approx(count)


@settings(max_examples=100, deadline=None)
@given(SEEN)
def test_table_and_tree_say_the_same(seen: list[Seen]) -> None:
    stats, tree = made(seen)
    whole = sum(seconds for _, seconds, _ in seen)
    assert sum(row[2] for row in stats.values()) == whole
    assert tree.total == pytest.approx(whole)
    for name in "abcd":
        mine = [(seconds, text) for text, seconds, _ in seen if name in text]
        row = stats.get(function(name), (0, 0, 0.0, 0.0, {}))
        assert row[:2] == (len(mine), len(mine))
        assert row[2] == sum(seconds for seconds, text in mine if text[-1] == name)
        assert row[3] == sum(seconds for seconds, _ in mine)
        for caller, edge in row[4].items():
            calling = [seconds for seconds, text in mine if caller[2] + name in text]
            assert edge[:2] == (len(calling), len(calling))
            assert edge[3] == sum(calling)
    check_tree(tree, seen)


def check_tree(tree: Node, seen: list[Seen]) -> None:
    for stack, node in by_stack(tree).items():
        text = stack.removesuffix(".")
        here = [one for one in seen if one[0] == text and (one[2] or stack != text)]
        if stack != text:
            here = [one for one in here if not one[2]]
            assert node.calls == len(here)
        else:
            assert node.calls == sum(one[0].startswith(stack) for one in seen)
        assert node.self_time == pytest.approx(sum(seconds for _, seconds, _ in here))
    assert tree.calls == len(seen)


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_numbers_are_read_as_they_were_written(numbers: list[int]) -> None:
    assert list(recorded.numbers(calltree.numbers(numbers))) == numbers


@pytest.fixture
def stored(tmp_path: Path) -> Profile:
    """A profile of samples, written and read."""
    found = sampled(
        [
            *(("ab", 0.02, True), ("abab", 0.02, True), ("acb", 0.5, False)),
            *(("acb", 0.02, True), ("ad", 1e-9, True), ("c", 0.0, False)),
        ]
    )
    path = tmp_path / "x.prof"
    stats = found.finish()
    path.write_bytes(encode(stats, FACTS, {calltree.SECTION: found.calltree()}))
    return reader.read(path)


def test_pstats_prints_it_with_callers_and_callees(stored: Profile) -> None:
    out = io.StringIO()
    table = pstats.Stats(str(stored.path), stream=out).sort_stats("time")
    table.print_stats()
    table.print_callers()
    table.print_callees()
    assert "primitive" not in out.getvalue()
    assert out.getvalue().index("shop.py:2(b)") < out.getvalue().index("shop.py:1(a)")
    table.add(str(stored.path)).print_stats()


def test_it_merges_into_trees_and_stays_samples(stored: Profile) -> None:
    tree = tree_of(stored)
    assert tree.sampled
    few = prune(tree, max_frames=3)
    rest = [node for _, node in few.walk() if node.function == REST]
    assert rest
    assert all(node.sampled for _, node in few.walk())


def test_the_exports_take_it(stored: Profile) -> None:
    tree = tree_of(stored)
    (alone,) = read_speedscope.read(speedscope.render(tree, title="x")).profiles
    assert alone.end == round(tree.total * 1e9)
    text = folded.render(tree)
    assert "shop.b (/srv/shop.py:2);waiting 500000\n" in text
    profile = read_pprof.read(pprof.render([(stored.request, tree)]))
    assert sum(profile.times().values()) == round(tree.total * 1e9)
    graph = read_callgrind.read(callgrind.render(stored.stats, title="x"))
    assert graph.total == round(tree.total * 1e9)


def test_in_pprofs_file_each_sample_counts_where_it_was(stored: Profile) -> None:
    tree = tree_of(stored)
    profile = read_pprof.read(pprof.render([(stored.request, tree)]))
    assert sum(sample.calls for sample in profile.samples) == tree.calls
    assert profile.counted == "samples"
    assert "Sampled from outside" in profile.comments[0]
