"""The examples under real servers and their own traffic: the slow spots that were planted there are
the widest frames of the picture, as a browser draws it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.conftest import need, need_module
from tests.servers import ROOT, served
from tests.view.browser import chromium

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


REQUESTS = 480


class Example(NamedTuple):
    name: str
    server: str
    app: str
    variable: str
    planted: dict[str, str]  # route to function


EXAMPLES = [
    Example(
        "flask_app",
        "gunicorn",
        "flask_app.shop:app",
        "SHOP_PROFILES",
        {"/authors": "shelves_author_by_author", "/search": "snippet_by_backtracking"},
    ),
    Example(
        "starlette_app",
        "uvicorn",
        "starlette_app.trams:app",
        "TRAMS_PROFILES",
        {"/api/lines": "lines_stop_by_stop", "/api/closures": "closure_by_backtracking"},
    ),
]


def reqprof(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "reqprof", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


@pytest.fixture(scope="module", params=EXAMPLES, ids=lambda example: example.name)
def example(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Example, Path]:
    """An example and the folder of the profiles that its traffic left."""
    found: Example = request.param
    for package in ("flask", "sqlalchemy", "starlette", "websockets"):
        need_module(package)
    folder = tmp_path_factory.mktemp(found.name) / "profiles"
    environ = {found.variable: str(folder)}
    with served(found.server, found.app, environ=environ, folder=ROOT / "examples") as address:
        script = ROOT / "examples" / found.name / "traffic.py"
        url = f"http://{address[0]}:{address[1]}"
        # One client: what is measured is the example, not how its requests wait for each other.
        # Many requests: one that the machine stops for a while must not outweigh a planted spot.
        options = ["--requests", str(REQUESTS), "--clients", "1"]
        subprocess.run([sys.executable, script, url, *options], check=True, timeout=300)
    return found, folder


def test_one_profile_for_each_request(example: tuple[Example, Path]) -> None:
    _, folder = example
    rows = json.loads(reqprof("slowest", folder, "-n", "0", "--json"))
    assert len([row for row in rows if row.get("path") != "/ready"]) == REQUESTS


def test_the_planted_routes_are_the_slowest(example: tuple[Example, Path]) -> None:
    found, folder = example
    rows = json.loads(reqprof("slowest", folder, "--by", "route", "--json"))
    ran = {
        row["route"]: row["p50"] for row in rows if row["route"] in found.planted or row["count"]
    }
    slowest = sorted(ran, key=lambda route: -ran[route])
    assert set(found.planted) <= set(slowest[:4])


class Frame(NamedTuple):
    title: str
    left: float
    right: float

    @property
    def width(self) -> float:
        return self.right - self.left

    def over(self, other: Frame) -> bool:
        return self.left < other.right and other.left < self.right


@pytest.fixture(scope="module")
def frames(example: tuple[Example, Path], tmp_path_factory: pytest.TempPathFactory) -> list[Frame]:
    """The frames of the merged picture as Chromium lays them out.

    Without waits: those of the examples last as long on every machine, and work does not.
    """
    found, folder = example
    picture = tmp_path_factory.mktemp("picture") / f"{found.name}.svg"
    reqprof("merge", folder, "--no-waits", "--svg", "-o", picture)
    return list(drawn(picture))


def drawn(picture: Path) -> Iterator[Frame]:
    script = """() => [...document.querySelectorAll('title')].map(title => {
        const box = title.parentElement.getBoundingClientRect();
        return [title.textContent, box.left, box.right]})"""
    with chromium() as browser:
        page = browser.new_page()
        page.goto(picture.as_uri())
        need("a browser that draws SVG", page.locator("rect").count() > 0)
        for title, left, right in page.evaluate(script):
            yield Frame(title, left, right)


def test_the_planted_spots_are_the_widest_frames(
    example: tuple[Example, Path], frames: list[Frame]
) -> None:
    """Wider than anything of the example's own that is not above or below one of them."""
    found, _ = example
    whole = max(frame.right for frame in frames) - min(frame.left for frame in frames)
    planted = []
    for function in found.planted.values():
        named = [frame for frame in frames if re.search(rf"\b{function}\b", frame.title)]
        planted.append(max(named, key=lambda frame: frame.width))
        assert planted[-1].width > 0.1 * whole
    narrowest = min(frame.width for frame in planted)
    own = [frame for frame in frames if f"{found.name}/" in frame.title]
    others = [frame for frame in own if not any(frame.over(spot) for spot in planted)]
    assert others
    assert not [frame for frame in others if frame.width >= narrowest]
