"""What ``reqprof show --tree`` and ``merge`` make of recorded call trees."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.cli.draw import SAID
from reqprof.model import Timeline, Wait
from reqprof.store import calltree

from .making import put, put_foreign, put_waiting

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Reqprof = Callable[..., Result]

FUNCTIONS = [("/app/shop.py", 31, "checkout"), ("/app/shop.py", 5, "query"), ("~", 0, "len")]
# checkout took 1,000 us of its own and called query twice, which took 100.
NODES = bytes.fromhex("00 00 01 02 00 c0 84 3d 00 01 02 00 00 a0 8d 06")
COSTS = {"python": (1e-5, 2e-5), "resumption": (0.0, 0.0), "c": (0.0, 0.0)}
WAITS = Timeline((Wait((("/app/shop.py", 31, "checkout", 40),), 2, 0.25, 0.2),))


def section(nodes: bytes = NODES) -> bytes:
    return calltree.encode([calltree.Part("MainThread", FUNCTIONS, nodes)], COSTS)


def body(result: Result) -> str:
    """What stands below the facts."""
    assert result.exit_code == 0, result.stderr
    return result.stdout.partition("\n\n")[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "profiles"


@pytest.fixture
def exact(folder: Path) -> Path:
    return put_waiting(folder, WAITS, tree=section(), engine="exact")


def test_the_tree_with_its_waits(reqprof: Reqprof, exact: Path) -> None:
    assert body(reqprof("show", exact, "--tree")) == (
        "251 ms, 250 ms of it waiting, in 3 calls of 2 functions\n"
        "\n"
        "  share    total untraced     self    calls  function\n"
        "100.0 %   251 ms  ~251 ms  1.00 ms        1  shop.checkout (/app/shop.py:31)\n"
        " 99.6 %   250 ms  ~250 ms   250 ms        2  ↓ waiting\n"
        "\n"
        "Widest plateaus: most self time, and what led there\n"
        "\n"
        " #   share     self    calls  function\n"
        " 1   0.4 %  1.00 ms        1  shop.checkout (/app/shop.py:31)\n"
        "\n"
        "Longest waits: what awaited, and what led there\n"
        "\n"
        " #   share   waited    times  function\n"
        " 1  99.6 %   250 ms        2  shop.checkout (/app/shop.py:31)\n"
        "\n"
        "~ is an estimate. All stacks are exact.\n"
    )


def test_smaller_frames_on_request(reqprof: Reqprof, exact: Path) -> None:
    text = body(reqprof("show", exact, "--tree", "--threshold", "0"))
    assert "0.0 %   100 µs ~80.0 µs   100 µs        2  └ shop.query (/app/shop.py:5)" in text


def test_times_without_tracing(reqprof: Reqprof, exact: Path) -> None:
    text = body(reqprof("show", exact, "--tree", "--threshold", "0", "--untraced"))
    assert "  share    total     self    calls  function\n" in text
    assert " 251 ms   950 µs        1  shop.checkout" in text
    assert "0.0 %  80.0 µs  80.0 µs        2  └ shop.query" in text


def test_without_waits(reqprof: Reqprof, exact: Path) -> None:
    text = body(reqprof("show", exact, "--tree", "--no-waits"))
    assert "waiting" not in text
    assert text.startswith("1.10 ms in 3 calls of 2 functions\n")


@pytest.mark.parametrize("form", ["--svg", "--text", "--folded"])
def test_pictures_have_the_waits_unless_told(reqprof: Reqprof, exact: Path, form: str) -> None:
    with_them = reqprof("merge", exact, form, "-o", "-").stdout
    without = reqprof("merge", exact, form, "-o", "-", "--no-waits").stdout
    assert "waiting" in with_them
    assert "waiting" not in without
    if form == "--folded":
        stack = "shop.checkout (/app/shop.py:31)"
        assert f"{stack};waiting 250000\n" in with_them
        assert f"{stack} 1000\n" in without


def test_the_caption_tells_work_from_waiting(reqprof: Reqprof, folder: Path) -> None:
    put_waiting(folder, WAITS, section(), engine="exact", waited=0.25)
    assert " profiled at work, 250 ms waiting; " in reqprof("merge", folder).stdout


def test_as_json(reqprof: Reqprof, exact: Path) -> None:
    result = reqprof("show", exact, "--tree", "--json")
    found = json.loads(result.stdout)
    assert found["facts"]["engine"] == "exact"
    assert found["exact_share"] == 1
    rows = [(row["depth"], row["name"], row["calls"], row["waiting"]) for row in found["frames"]]
    assert rows == [
        (0, "all", 3, False),
        (1, "checkout", 1, False),
        (2, "query", 2, False),
        (2, "waiting", 2, True),
    ]
    query = found["frames"][2]
    assert (query["file"], query["line"], query["exact"]) == ("/app/shop.py", 5, True)
    assert query["self"] == query["total"] == pytest.approx(1e-4)
    assert query["untraced"] == pytest.approx(8e-5)


def test_other_profiles_have_an_estimated_tree(reqprof: Reqprof, folder: Path) -> None:
    text = body(reqprof("show", put_foreign(folder), "--tree"))
    assert "untraced" not in text
    assert "reconstructed from caller-callee edges" in text.replace("\n", " ")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--tree", "--waits"], "--tree has no rows"),
        (["--tree", "--sort", "calls"], "--tree has no rows"),
        (["--tree", "--match", "x"], "--tree has no rows"),
        (["--untraced"], "--untraced means nothing without --tree"),
        (["--threshold", "3"], "--threshold means nothing without --tree"),
        (["--no-waits"], "--no-waits means nothing without --tree"),
    ],
)
def test_options_that_do_not_go_together(
    reqprof: Reqprof, exact: Path, words: list[str], why: str
) -> None:
    result = reqprof("show", exact, *words)
    assert result.exit_code == 2
    assert why in result.stderr


def test_without_costs_there_is_nothing_to_take_away(reqprof: Reqprof, folder: Path) -> None:
    for command in (["show", put(folder), "--tree"], ["merge", folder]):
        result = reqprof(*command, "--untraced")
        assert result.exit_code == 3
        assert "leave out --untraced" in result.stderr


@pytest.mark.parametrize("form", ["--svg", "--text", "--folded"])
def test_a_merge_of_exact_profiles_says_so(reqprof: Reqprof, exact: Path, form: str) -> None:
    result = reqprof("merge", exact, form, "-o", "-")
    assert result.exit_code == 0
    assert "All stacks are exact." in (result.stderr if form == "--folded" else result.stdout)


@pytest.mark.parametrize("form", ["--svg", "--text", "--folded"])
def test_a_merge_of_both_kinds_says_how_much_is_exact(
    reqprof: Reqprof, folder: Path, exact: Path, form: str
) -> None:
    put(folder)
    result = reqprof("merge", folder, form, "-o", "-")
    said = result.stderr if form == "--folded" else result.stdout
    assert " % of the time is on exact stacks; the others are " in " ".join(said.split())


def test_a_picture_without_tracing_says_so(reqprof: Reqprof, exact: Path) -> None:
    result = reqprof("merge", exact, "--untraced", "--no-waits")
    assert SAID["untraced"] in result.stdout
    assert " 950 µs " in result.stdout
    result = reqprof("merge", exact, "--untraced", "--no-waits", "--folded", "-o", "-")
    assert [int(line.split()[-1]) for line in result.stdout.splitlines()] == [950, 80]


def test_a_damaged_tree_is_named_and_its_table_drawn(reqprof: Reqprof, folder: Path) -> None:
    bad: Any = put_waiting(folder, None, tree=section(b"\x07"), engine="exact")
    for command in (["show", bad, "--tree"], ["merge", folder, "--text"]):
        result = reqprof(*command)
        assert (
            f"{bad.name}: its tree ends within a node; drawn from its table alone" in result.stderr
        )
        assert "making.work" in result.stdout
        assert result.exit_code == 1


def test_calls_past_the_trees_limit_are_told(reqprof: Reqprof, folder: Path) -> None:
    path = put_waiting(folder, None, tree=section(), engine="exact", beyond=1234)
    said = "1,234 calls of stacks past the tree's limit: their time is shown as their callers'"
    assert said in reqprof("show", path).stdout
    assert said in reqprof("merge", folder, "--text").stdout
    assert f"{said}." in reqprof("merge", path, "--svg", "-o", "-").stdout
