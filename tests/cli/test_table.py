"""Sorting, matching, callers and callees as pstats has them."""

from __future__ import annotations

import pstats
from itertools import product
from typing import TYPE_CHECKING

import pytest

from reqprof.cli import table

from .making import table as profiled

if TYPE_CHECKING:
    from reqprof.model import Function, Stats

STATS = profiled(40)
PSTATS_WORDS = sorted(pstats.Stats.sort_arg_dict_default)


def by_pstats(stats: Stats, *keys: str | int) -> list[Function]:
    """The order that pstats gives."""
    sorter = pstats.Stats()
    sorter.stats = stats  # type: ignore[attr-defined]
    found: list[Function] = sorter.sort_stats(*keys).fcn_list  # type: ignore[arg-type,attr-defined]
    return found


def ours(stats: Stats, *words: str) -> list[Function]:
    """The order that we give."""
    return table.ordered(stats, [table.parse_key(word) for word in words])


@pytest.mark.parametrize("word", PSTATS_WORDS)
def test_every_sort_key_of_pstats_sorts_as_pstats_does(word: str) -> None:
    assert ours(STATS, word) == by_pstats(STATS, word)


@pytest.mark.parametrize("words", [*product(PSTATS_WORDS, ["calls", "time", "nfl"])])
def test_a_second_key_orders_what_is_equal_by_the_first(words: tuple[str, str]) -> None:
    assert ours(STATS, *words) == by_pstats(STATS, *words)


@pytest.mark.parametrize("number", [-1, 0, 1, 2])
def test_the_numbers_of_old_pstats_sort_as_there(number: int) -> None:
    assert ours(STATS, str(number)) == by_pstats(STATS, number)


def test_every_prefix_that_pstats_takes_means_the_same_here() -> None:
    prefixes = pstats.Stats().get_sort_arg_defs()

    assert len(prefixes) > 40
    for prefix in prefixes:
        assert ours(STATS, prefix) == by_pstats(STATS, prefix), prefix


def test_percall_sorts_by_the_columns_that_have_that_name() -> None:
    own = [STATS[function][2] / STATS[function][1] for function in ours(STATS, "percall")]
    whole = [STATS[function][3] / STATS[function][0] for function in ours(STATS, "cumper")]

    assert own == sorted(own, reverse=True)
    assert whole == sorted(whole, reverse=True)


@pytest.mark.parametrize(
    ("word", "message"),
    [("c", "'c' could be calls or cumulative or cumtime"), ("wall", "'wall' is no sort key; take")],
)
def test_a_wrong_sort_key_names_those_that_there_are(word: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        table.parse_key(word)


def test_functions_are_called_as_pstats_calls_them() -> None:
    name = pstats.func_std_string  # type: ignore[attr-defined]

    assert [table.standard_name(function) for function in STATS] == [*map(name, STATS)]


def test_callees_are_those_of_pstats() -> None:
    reference = pstats.Stats()
    reference.stats = STATS  # type: ignore[attr-defined]
    reference.calc_callees()
    look_up = table.callees(STATS)

    for function in STATS:
        assert dict(look_up(function)) == reference.all_callees[function]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("file", "short"),
    [
        ("/srv/venv/lib/python3.11/site-packages/flask/app.py", "flask/app.py"),
        ("/usr/lib/python3/dist-packages/yaml/__init__.py", "yaml/__init__.py"),
        ("/usr/lib/python3.11/json/encoder.py", "json/encoder.py"),
        ("/opt/py/lib/python3.13t/re/__init__.py", "re/__init__.py"),
        (r"C:\app\venv\Lib\site-packages\flask\app.py", "flask/app.py"),
        ("/home/me/app/views.py", "views.py"),
        ("/home/other/app/views.py", "/home/other/app/views.py"),
        ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>"),
    ],
)
def test_short_names_leave_out_what_every_path_begins_with(file: str, short: str) -> None:
    assert table.short_name((file, 3, "f"), "/home/me/app/") == f"{short}:3(f)"
