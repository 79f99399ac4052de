"""The tree as text: facts first, trust last, readable in between."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.tree.build import build
from reqprof.tree.node import ROOT, Node
from reqprof.view.text import render
from tests.tree.tables import NAMES, chain, deep, function, load, wide

F, G, H, TINY = (("/srv/shop.py", i, name) for i, name in enumerate(("f", "g", "h", "tiny"), 1))
SMALL = Node(ROOT, 1203, 0.0, 2.0)
SMALL.children = {F: Node(F, 1, 0.1, 1.5), G: Node(G, 1.5, 0.5, 0.5, exact=False, guessed=0.5)}
SMALL.children[F].children[H] = Node(H, 1200, 1.4, 1.4, exact=False, guessed=1.4)
SMALL.children[F].children[TINY] = Node(TINY, 1, 1e-4, 1e-4, exact=False, guessed=1e-4)


def test_the_whole_of_a_small_tree() -> None:
    assert render(SMALL, width=100) == (
        "2.00 s in 1,203 calls of 4 functions\n"
        "\n"
        "  share    total     self    calls  function\n"
        " 75.0 %   1.50 s   100 ms        1  ├ shop.f (/srv/shop.py:1)\n"
        " 70.0 %  ~1.40 s  ~1.40 s   ~1,200  │ ↓ shop.h (/srv/shop.py:3)\n"
        " 25.0 %  ~500 ms  ~500 ms     ~1.5  └ shop.g (/srv/shop.py:2)\n"
        "\n"
        "~ is an estimate. 5 % of the time is on exact stacks; the others are reconstructed from\n"
        "caller-callee edges, an estimate.\n"
    )


def test_what_tracing_added_has_a_column_where_it_is_known() -> None:
    tree = Node(ROOT, 3, 0.0, 2.0)
    tree.children = {F: Node(F, 3, 2.0, 2.0, overhead=0.75)}
    assert render(tree) == (
        "2.00 s in 3 calls of 1 functions\n"
        "\n"
        "  share    total untraced     self    calls  function\n"
        "100.0 %   2.00 s  ~1.25 s   2.00 s        3  shop.f (/srv/shop.py:1)\n"
        "\n"
        "~ is an estimate. All stacks are exact.\n"
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_recorded_inputs_fit_the_width(name: str, width: int) -> None:
    text = render(build(load(name)), width=width)
    text.encode()
    lines = text.splitlines()
    assert max(map(len, lines)) <= max(width, 66)
    assert " calls of " in lines[0]
    assert "exact" in text


def test_exact_trees_say_so() -> None:
    assert render(build(chain(3))).endswith("\nAll stacks are exact.\n")


def test_long_chains_are_not_indented() -> None:
    lines = render(build(chain(40)), width=80).splitlines()[3:-2]
    assert len(lines) == 40
    assert len({line.index("f") for line in lines}) <= 2


def test_frames_below_the_threshold_go() -> None:
    assert "shop.tiny" not in render(SMALL)
    assert "shop.tiny" in render(SMALL, threshold=0)
    assert "shop.g" not in render(SMALL, threshold=30)


def test_what_goes_is_added_up_where_it_is_much() -> None:
    tree = Node(ROOT, 101, 0.0, 101.0)
    for i in range(100):
        f = function(f"f{i}")
        tree.children[f] = Node(f, 1, 0.5, 0.5)
    big = function("big")
    tree.children[big] = Node(big, 1, 51.0, 51.0)
    assert " 49.5 %   50.0 s               100  └ … smaller frames" in render(tree)


def test_large_trees_are_cut() -> None:
    for tree in (wide(50_000), deep()):
        assert len(render(tree, threshold=0).splitlines()) < 410


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=12))
def test_names_cannot_break_lines(name: str) -> None:
    text = render(build({(name, 1, name): (1, 1, 1.0, 1.0, {})}))
    assert all(line.isprintable() for line in text.split("\n"))
    assert len(text.split("\n")) == 7
