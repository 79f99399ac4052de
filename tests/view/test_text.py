"""The tree as text: facts first, trust last, readable in between."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.tree.build import build
from reqprof.tree.merge import merge
from reqprof.tree.node import ROOT, WAITING, Node
from reqprof.view.text import render
from tests.tree.tables import NAMES, chain, deep, function, load, wide

if TYPE_CHECKING:
    from reqprof.model import Function

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
        "Widest plateaus: most self time, and what led there\n"
        "\n"
        " #   share     self    calls  function\n"
        " 1  70.0 %  ~1.40 s   ~1,200  shop.h (/srv/shop.py:3)\n"
        "            ~1.40 s  shop.f\n"
        " 2  25.0 %  ~500 ms     ~1.5  shop.g (/srv/shop.py:2)\n"
        " 3   5.0 %   100 ms        1  shop.f (/srv/shop.py:1)\n"
        "\n"
        "~ is an estimate. 5 % of the time is on exact stacks; the others are reconstructed from\n"
        "caller-callee edges, an estimate.\n"
    )


def test_what_tracing_added_has_a_column_where_it_is_known() -> None:
    tree = Node(ROOT, 3, 0.0, 2.0)
    tree.children = {F: Node(F, 3, 2.0, 2.0, overhead=0.75)}
    assert render(tree, plateaus=0) == (
        "2.00 s in 3 calls of 1 function\n"
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
    assert re.search(r" calls? of [\d,]+ functions?$", lines[0])
    assert "exact" in text


def test_exact_trees_say_so() -> None:
    assert render(build(chain(3))).endswith("\nAll stacks are exact.\n")


def test_long_chains_are_not_indented() -> None:
    lines = render(build(chain(40)), width=80, plateaus=0).splitlines()[3:-2]
    assert len(lines) == 40
    assert len({line.index("f") for line in lines}) <= 2


def test_frames_below_the_threshold_go() -> None:
    assert "shop.tiny" not in render(SMALL)
    assert "shop.tiny" in render(SMALL, threshold=0)
    assert "shop.g" not in render(SMALL, threshold=30, plateaus=0)


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
    assert len(text.split("\n")) == 12


def plateaus_of(tree: Node, most: int = 5, width: int = 100) -> list[str]:
    """The sections below the tree, without what stands above and below them."""
    without, with_them = (
        render(tree, width=width, plateaus=number).splitlines() for number in (0, most)
    )
    start = without.index("", 2)
    return with_them[start : len(with_them) - (len(without) - start)]


SITE = "/lib/python3.11/site-packages"
WSGI, ORM, POOL, DRIVER = (
    (f"{SITE}/{name}.py", 1, name) for name in ("wsgi", "orm", "pool", "driver")
)
EXECUTE = ("~", 0, "<method 'execute' of 'db.Cursor' objects>")


def through(*stacks: tuple[float, tuple[Function, ...]]) -> Node:
    """A tree of stacks with the seconds on top of each."""
    tree = Node(ROOT)
    for time, functions in stacks:
        node = tree
        for f in functions:
            node = node.children.setdefault(f, Node(f, 1))
        node.self_time += time
    tree.add_up()
    return tree


def test_ways_that_read_the_same_are_one() -> None:
    tree = through(
        (4.0, (WSGI, F, ORM, EXECUTE)),
        (3.0, (WSGI, F, ORM, DRIVER, EXECUTE)),
        (2.0, (WSGI, F, ORM, POOL, DRIVER, EXECUTE)),
        (0.5, (WSGI, G, ORM, EXECUTE)),
        (0.3, (WSGI, H, EXECUTE)),
        (0.1, (ORM, EXECUTE)),
        (0.1, (EXECUTE,)),
    )
    assert plateaus_of(tree) == [
        "",
        "Widest plateaus: most self time, and what led there",
        "",
        " #   share     self    calls  function",
        " 1 100.0 %   10.0 s        7  db.Cursor.execute (C function)",
        "             5.00 s  shop.f -> orm.orm -> …",
        "             4.00 s  shop.f -> orm.orm",
        "             500 ms  shop.g -> orm.orm",
        "             500 ms  3 more stacks",
    ]


def test_ways_that_hardly_count_are_only_counted() -> None:
    tree = through((1.0, (F, EXECUTE)), (0.002, (G, EXECUTE)), (0.001, (H, EXECUTE)))
    assert plateaus_of(tree)[-2:] == [
        "             1.00 s  shop.f",
        "            3.00 ms  2 more stacks",
    ]


def test_an_outermost_function_has_nothing_above_it() -> None:
    alone = plateaus_of(through((1.0, (F,))))
    assert alone[-1] == " 1 100.0 %   1.00 s        1  shop.f (/srv/shop.py:1)"
    both = plateaus_of(through((1.0, (F,)), (2.0, (G, F))))
    assert both[-2:] == [
        "             2.00 s  shop.g",
        "             1.00 s  nothing, it is outermost",
    ]


def test_waits_are_told_apart() -> None:
    tree = through((1.0, (F, G)), (3.0, (F, G, WAITING)), (0.5, (WAITING,)))
    assert plateaus_of(tree) == [
        "",
        "Widest plateaus: most self time, and what led there",
        "",
        " #   share     self    calls  function",
        " 1  22.2 %   1.00 s        1  shop.g (/srv/shop.py:2)",
        "             1.00 s  shop.f",
        "",
        "Longest waits: what awaited, and what led there",
        "",
        " #   share   waited    times  function",
        " 1  66.7 %   3.00 s        1  shop.g (/srv/shop.py:2)",
        "             3.00 s  shop.f",
        " 2  11.1 %   500 ms        1  at places that are not in the tree",
    ]


def test_as_many_plateaus_as_are_wanted() -> None:
    tree = build(chain(40))
    for most in (1, 5, 12):
        rows = [line for line in plateaus_of(tree, most) if line.endswith("py:1)")]
        assert [int(line[:2]) for line in rows] == list(range(1, most + 1))
    assert "plateaus" not in render(tree, plateaus=0)
    assert "plateaus" not in render(merge([]))


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_plateaus_fit_the_width(width: int) -> None:
    names = [("/srv/a_long_module_name.py", 1, f"a_function_{i}_of_the_app") for i in range(12)]
    lines = plateaus_of(through((1.0, tuple(names))), width=width)
    assert max(map(len, lines)) <= width
    assert lines[-1].startswith("             1.00 s  a_long_module_name.a_function_0")
