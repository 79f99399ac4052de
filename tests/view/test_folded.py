"""Folded stacks: the grammar holds and no microsecond is lost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from reqprof.tree.build import build
from reqprof.tree.node import ROOT, Node
from reqprof.view.folded import render
from tests.tree.oracle import Event, truth
from tests.tree.strategies import TRACES
from tests.tree.tables import NAMES, deep, load, wide
from tests.view.strategies import ANYTHING, odd

if TYPE_CHECKING:
    from reqprof.model import Stats

LINE = re.compile(r"[^;\n]+(;[^;\n]+)* [1-9][0-9]*")
TWO_COUNTS = re.compile(r".*\s\d+(\.\d*)?\s\d+", re.ASCII)


def total(folded: str) -> int:
    """The sum of the counts, each line checked."""
    lines = folded.splitlines()
    assert all(LINE.fullmatch(line) and not TWO_COUNTS.fullmatch(line) for line in lines)
    return sum(int(line.rpartition(" ")[2]) for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_recorded_inputs_keep_their_time(name: str) -> None:
    tree = build(load(name))
    folded = render(tree)
    folded.encode()
    assert total(folded) == round(tree.total * 1e6)


@settings(max_examples=100, deadline=None)
@given(TRACES)
def test_any_calls_keep_their_time(trace: list[Event]) -> None:
    tree = build(truth(trace).stats)
    assert total(render(tree)) == round(tree.total * 1e6)


@pytest.mark.parametrize("unit", [1, 1000, 10**9])
@pytest.mark.parametrize("name", NAMES)
def test_any_unit_keeps_the_time(name: str, unit: int) -> None:
    tree = build(load(name))
    assert total(render(tree, unit=unit)) == round(tree.total * unit)


@settings(max_examples=100, deadline=None)
@given(ANYTHING)
def test_names_cannot_break_the_grammar(name: str) -> None:
    tree = build({(name, 1, name): (1, 1, 1.0, 1.0, {}), ("~", 0, name): (1, 1, 1.0, 1.0, {})})
    assert total(render(tree)) == 2_000_000


def test_odd_names_keep_their_time() -> None:
    assert total(render(build(odd()))) == round(build(odd()).total * 1e6)


def test_a_name_that_ends_in_a_number_is_no_count() -> None:
    """flamegraph.pl would take it for the count to compare with."""
    stats: Stats = {("~", 0, name): (1, 1, 1.0, 1.0, {}) for name in ("a 1", "b 2.5", "c 3 ", "4")}
    assert render(build(stats)).splitlines() == [
        "4 1000000",
        "a_1 1000000",
        "b_2.5 1000000",
        "c 3  1000000",
    ]


def test_stacks_read_from_the_root() -> None:
    assert render(build(load("semi.prof"))).splitlines() == [
        "x.<lambda> (C:/a:b c/x.py:1) 500000",
        r"x.<lambda> (C:/a:b c/x.py:1);y.g\nh (y.py:2) 500000",
    ]


def test_large_trees_are_cut() -> None:
    for tree in (wide(50_000), deep()):
        folded = render(tree, max_frames=1000)
        assert len(folded.splitlines()) <= 1000
        assert total(folded) == round(tree.total * 1e6)


def test_time_of_the_root_itself_is_kept() -> None:
    assert render(Node(ROOT, 0, 1.0, 1.0)) == "all 1000000\n"
