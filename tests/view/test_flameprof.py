"""The drawing of the flameprof package, with one clear line where it fails."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from reqprof.errors import ReqprofError
from reqprof.view.flameprof import render
from tests.tree.tables import NAMES, load

if TYPE_CHECKING:
    from reqprof.model import Entry, Function

FAILS = {"deep.prof", "ed.prof", "empty.prof", "single.prof", "zero.prof"}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FAILS])
def test_recorded_inputs_are_drawn(name: str) -> None:
    pytest.importorskip("flameprof")
    ElementTree.fromstring(render(load(name)).encode())
    assert all(
        line.rpartition(" ")[2].isdigit() for line in render(load(name), format="log").splitlines()
    )


@pytest.mark.parametrize("name", sorted(FAILS))
def test_its_crashes_become_one_line(name: str) -> None:
    pytest.importorskip("flameprof")
    with pytest.raises(ReqprofError, match=r"flameprof cannot draw this profile \([^\n]+\)"):
        render(load(name))


def test_counted_edges_become_one_line() -> None:
    pytest.importorskip("flameprof")
    a, b = ("a.py", 1, "a"), ("b.py", 1, "b")
    stats: dict[Function, Entry] = {
        a: (1, 1, 1.0, 2.0, {}),
        b: (1, 1, 1.0, 1.0, {a: 1}),  # type: ignore[dict-item]
    }
    with pytest.raises(ReqprofError, match="TypeError"):
        render(stats)


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flameprof", None)
    with pytest.raises(ReqprofError, match="pip install flameprof"):
        render(load("loc.prof"))
