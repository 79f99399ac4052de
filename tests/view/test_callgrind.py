"""callgrind's files: every function, every edge, sums kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof import __version__
from reqprof.store.stats import with_edges
from reqprof.view.callgrind import render
from tests.tree.oracle import Event, truth
from tests.tree.strategies import TRACES
from tests.tree.tables import NAMES, chain, load, ring
from tests.view.read_callgrind import Profile, read
from tests.view.strategies import ANYTHING, FUNCTIONS, broken, odd

if TYPE_CHECKING:
    from reqprof.model import Edge, Function, Stats
    from reqprof.store.stats import Table


def a(name: str, line: int = 1, file: str = "/srv/shop.py") -> Function:
    return file, line, name


def time_of(profile: Profile) -> int:
    return sum(profile.own.values())


def check(profile: Profile, stats: Stats) -> None:
    """The numbers of the table, all of them; functions of one name and place are added up."""
    assert profile.total == sum(round(row[2] * 1e9) for row in stats.values())
    edges = [edge for row in stats.values() for edge in row[4].values() if edge[0] or edge[3]]
    spent = sum(round(edge[3] * 1e9) for edge in edges)
    assert sum(time for _, time in profile.edges.values()) == spent
    assert sum(calls for calls, _ in profile.edges.values()) == sum(max(1, e[0]) for e in edges)
    if len(profile.own) == len(stats):
        own = sorted(round(row[2] * 1e9) for row in stats.values())
        assert sorted(profile.own.values()) == own
        assert len(profile.edges) == len(edges)


@pytest.mark.parametrize("name", NAMES)
def test_recorded_inputs_come_back(name: str) -> None:
    stats = load(name)
    profile = read(render(stats, title=name))
    assert len(profile.own) == len(stats)
    check(profile, stats)


@settings(max_examples=100, deadline=None)
@given(TRACES)
def test_any_calls_come_back(trace: list[Event]) -> None:
    stats = truth(trace).stats
    check(read(render(stats, title="any")), stats)


def test_odd_names_come_back() -> None:
    profile = read(render(odd(), title="odd"))
    check(profile, odd())
    assert len(profile.own) == len(odd()) - 1  # C functions named "" and " " are both "?"


@settings(max_examples=200, deadline=None)
@given(st.lists(FUNCTIONS, min_size=1, max_size=5, unique=True), ANYTHING)
def test_names_can_do_no_harm(functions: list[Function], title: str) -> None:
    caller = functions[0]
    stats: Stats = {f: (1, 1, 0.25, 1.0, {caller: (1, 1, 0.25, 1.0)}) for f in functions}
    check(read(render(stats, title=title, notes=[title])), stats)


def test_the_whole_of_a_small_table() -> None:
    f, g, execute = (
        a("f", 12),
        a("g", 30),
        ("~", 0, "<method 'execute' of 'sqlite3.Cursor' objects>"),
    )
    stats: Stats = {
        f: (1, 1, 0.5, 2.0, {}),
        g: (1, 3, 1.25, 1.5, {f: (1, 1, 0.25, 1.5), g: (2, 0, 1.0, 1.0)}),
        execute: (2, 2, 0.25, 0.25, {g: (2, 2, 0.25, 0.25)}),
    }  # fmt: skip
    assert render(stats, title="GET /cart", notes=["2 s profiled."]) == (
        "# callgrind format\n"
        "version: 1\n"
        f"creator: reqprof {__version__}\n"
        "cmd: GET /cart\n"
        "desc: Note: 2 s profiled.\n"
        "positions: line\n"
        "event: ns : Nanoseconds\n"
        "events: ns\n"
        "summary: 2000000000\n"
        "\n"
        "fl=(1) /srv/shop.py\n"
        "fn=(1) shop.f\n"
        "12 500000000\n"
        "cfi=(1)\n"
        "cfn=(2) shop.g\n"
        "calls=1 30\n"
        "12 1500000000\n"
        "\n"
        "fl=(1)\n"
        "fn=(2)\n"
        "30 1250000000\n"
        "cfi=(1)\n"
        "cfn=(2)\n"
        "calls=2 30\n"
        "30 1000000000\n"
        "cfi=(2) ~\n"
        "cfn=(3) sqlite3.Cursor.execute\n"
        "calls=2 0\n"
        "30 250000000\n"
        "\n"
        "fl=(2)\n"
        "fn=(3)\n"
        "0 250000000\n"
        "\n"
        "totals: 2000000000\n"
    )


def test_namesakes_in_a_file_have_their_line() -> None:
    functions = [a("__init__", 3), a("__init__", 9), a("f", 20), a("f", 20, "/srv/x/shop.py")]
    stats: Stats = {function: (1, 1, 1.0, 1.0, {}) for function in functions}
    assert read(render(stats, title="x")).own.keys() == {
        ("/srv/shop.py", "shop.__init__:3"),
        ("/srv/shop.py", "shop.__init__:9"),
        ("/srv/shop.py", "shop.f"),
        ("/srv/x/shop.py", "shop.f"),
    }


def test_an_empty_table_is_a_profile_too() -> None:
    assert read(render({}, title="nothing")).total == 0
    assert read(render(load("zero.prof"), title="no time")).own == {("a.py", "a.f"): 0}


def test_edges_that_are_counts_get_their_share() -> None:
    f, g = a("f"), a("g")
    table = {f: (1, 1, 1.0, 4.0, {}), g: (4, 4, 2.0, 3.0, {f: 3})}
    profile = read(render(cast("Stats", table), title="old"))
    assert profile.edges == {
        (("/srv/shop.py", "shop.f"), ("/srv/shop.py", "shop.g")): (3, 2_250_000_000)
    }
    check(profile, with_edges(cast("Table", table)))


def test_callers_without_a_row_are_kept() -> None:
    stats: Stats = {a("g"): (1, 1, 1.0, 1.0, {a("f"): (1, 1, 1.0, 1.0)})}
    profile = read(render(stats, title="x"))
    assert profile.own == {("/srv/shop.py", "shop.f"): 0, ("/srv/shop.py", "shop.g"): 10**9}
    assert len(profile.edges) == 1


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf])
def test_times_that_are_none_count_as_nothing(wrong: float) -> None:
    edge: Edge = (0, 0, wrong, wrong)
    stats: Stats = {
        a("f"): (1, 1, wrong, wrong, {}),
        a("g"): (1, 1, 1.0, 1.0, {a("f"): edge}),
    }
    profile = read(render(stats, title="x"))
    assert time_of(profile) == 10**9
    assert profile.edges == {}


def test_absurd_numbers_can_do_no_harm() -> None:
    profile = read(render(broken(), title="x"))
    assert profile.total == 10**18 + 10**9
    assert list(profile.edges.values()) == [(1, 10**9)]


def test_uncounted_edges_with_time_do_not_become_own_time() -> None:
    stats: Stats = {
        a("f"): (1, 1, 1.0, 2.0, {}),
        a("g"): (1, 1, 1.0, 1.0, {a("f"): (0, 0, 1.0, 1.0)}),
    }
    assert list(read(render(stats, title="x")).edges.values()) == [(1, 10**9)]


def test_long_chains_and_rings() -> None:
    for stats in (chain(20_000), ring(500)):
        check(read(render(stats, title="x")), stats)
