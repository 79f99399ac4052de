"""Requests that were watched: their samples are told as such, and never added to calls."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from reqprof.model import Timeline
from reqprof.record.watch.samples import Samples
from reqprof.store import reader
from reqprof.store.caps import Caps
from reqprof.store.writer import Writer
from reqprof.tree.node import REST
from reqprof.tree.plateaus import plateaus
from reqprof.tree.profile import tree_of
from reqprof.tree.recursion import merged
from tests.cli import making
from tests.record.test_samples import frames
from tests.view.browser import Visit, chromium

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from reqprof.tree.node import Node

    Reqprof = Callable[..., Result]

SEEN = [
    *[("ab", True)] * 3,
    *[("acb", True)] * 10,
    *[("acb", False)] * 5,
    *[("aab", True)] * 4,
    *[("abab", True)] * 2,
]


def put_watched(folder: Path, **facts: object) -> str:
    """Write what a watched request leaves; its id."""
    found, moment = Samples(0.0), 0.0
    for text, at_work in SEEN:
        moment += 0.02
        found.add(frames(text), moment, at_work=at_work)
    stats = found.finish()
    engine = {"engine": "watch", "chosen": "watch", "kept": "watch", "builtins": False}
    request = making.request(**{"calls": found.count, "cost": 0.0, **engine, **facts})
    caps = Caps(max_files=None, max_bytes=None, min_free=None)
    Writer(folder, caps).write(stats, request, None, Timeline(), found.calltree())
    return request.id


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two watched requests."""
    for number in range(2):
        put_watched(tmp_path / "profiles", duration=2.0 + number)
    return tmp_path / "profiles"


@pytest.fixture
def tree(folder: Path) -> Node:
    return tree_of(reader.read(next(folder.glob("*.prof"))))


def test_slowest_says_that_they_were_watched(reqprof: Reqprof, folder: Path) -> None:
    making.put(folder, duration=1.0)
    rows = reqprof("slowest", folder).stdout.splitlines()
    assert ["watched" in row for row in rows[1:]] == [True, True, False]
    only = reqprof("slowest", folder, "--engine", "watch").stdout.splitlines()
    assert len(only) == 3
    assert only[1:] == rows[1:3]
    routes = json.loads(reqprof("slowest", folder, "--by", "route", "--json").stdout)
    assert [(row["count"], row["traced"]) for row in routes] == [(3, 1)]


def test_show_says_samples(reqprof: Reqprof, folder: Path) -> None:
    said = reqprof("show", "@1", "--dir", folder).stdout
    assert "24 samples, taken from outside: it ran as if unprofiled" in said
    assert "engine    watch, Python 3.11.7" in said
    assert "24 samples, which stand for 0.480000 seconds" in said
    assert "function calls" not in said
    rows = [line.split() for line in said.splitlines() if "shop.py" in line]
    assert [(row[0], row[1], row[5]) for row in rows] == [
        ("24", "0.000000", "/srv/shop.py:1(a)"),
        ("24", "0.480000", "/srv/shop.py:2(b)"),
        ("15", "0.000000", "/srv/shop.py:3(c)"),
    ]
    shown = json.loads(reqprof("show", "@1", "--dir", folder, "--json").stdout)
    assert shown["samples"] == 24
    assert not {"total_calls", "primitive_calls"} & shown.keys()


def test_the_tree_says_samples(reqprof: Reqprof, folder: Path) -> None:
    said = reqprof("show", "@1", "--dir", folder, "--tree").stdout
    assert "480 ms, 100 ms of it waiting, in 24 samples of 3 functions" in said
    assert " calls" not in said.replace("calls are samples", "")
    assert "Sampled from outside" in said
    plateau = said.partition("Widest plateaus")[2]
    # As many as fell on the function itself, however often it is on a stack.
    assert " 1  79.2 %   380 ms       19  shop.b" in plateau
    assert " 1  20.8 %   100 ms        5  shop.b" in plateau.partition("Longest waits")[2]


def test_waits_can_be_left_out(reqprof: Reqprof, folder: Path) -> None:
    said = reqprof("merge", folder, "--no-waits", "--text").stdout
    assert "760 ms in 38 samples of 3 functions" in said
    assert "waiting" not in said


def test_a_merge_takes_the_traced_ones_and_says_so(reqprof: Reqprof, folder: Path) -> None:
    traced = making.put(folder)
    done = reqprof("merge", folder)
    assert done.exit_code == 0
    assert "1 request\n" in done.stdout
    assert "shop" not in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "left out 2 watched requests, whose samples are no calls; --engine watch takes them: "
    )
    assert traced.name not in line


def test_a_merge_of_watched_ones_alone_takes_them(reqprof: Reqprof, folder: Path) -> None:
    making.put(folder)
    asked = reqprof("merge", folder, "--engine", "watch")
    assert asked.stderr == ""
    assert "Only engine watch." in asked.stdout
    assert "960 ms, 200 ms of it waiting, in 48 samples of 3 functions" in asked.stdout
    assert "2 that took long, watched: not a fair average." in asked.stdout


@pytest.mark.parametrize("form", ["--svg", "--html", "--speedscope", "--folded", "--callgrind"])
def test_every_form_takes_them(reqprof: Reqprof, folder: Path, form: str) -> None:
    done = reqprof("merge", folder, form)
    assert done.exit_code == 0
    assert "shop" in done.stdout


def test_a_drawing_says_samples(reqprof: Reqprof, folder: Path) -> None:
    drawn = reqprof("merge", folder, "--svg").stdout
    assert "48 samples" in drawn
    assert "Sampled from outside" in drawn
    assert " call" not in drawn.replace("calls are samples", "")


def test_recursion_counts_no_sample_twice(tree: Node) -> None:
    (a,) = merged(tree).children.values()
    assert (a.function[2], a.calls) == ("a", 24)
    assert sum(node.counted for _, node in merged(tree).walk()) == 24
    assert [(one.function[2], one.calls) for one in plateaus(tree)] == [("b", 19), ("b", 5)]
    assert all(node.sampled for _, node in merged(tree).walk() if node.function != REST)


def test_a_page_says_samples(reqprof: Reqprof, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "watched.html"
    assert reqprof("merge", folder, "--html", "-o", path).exit_code == 0
    with chromium() as browser:
        visit = Visit(browser)
        visit.page.goto(path.as_uri())
        assert functions(visit) == {"shop.b": "48", "shop.a": "48", "shop.c": "30"}
        assert visit.page.locator("#functions th").nth(2).inner_text() == "Samples"
        visit.page.goto(f"{path.as_uri()}#mode=inverted")
        assert "Sampled from outside" in visit.page.locator("body").inner_text()
        assert visit.complaints == []
        visit.context.close()


def functions(visit: Visit) -> dict[str, str]:
    """The samples of each function, as the table has them."""
    found = {}
    for row in visit.page.locator("#functions tbody tr").all():
        _, _, samples, name = row.locator("td").all_inner_texts()
        if "shop" in name:
            found[name.split("\n")[0]] = samples
    return found
