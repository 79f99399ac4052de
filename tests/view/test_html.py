"""The HTML page: what it holds, under which policy, and that nothing in it can do harm."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reqprof.tree.build import build
from reqprof.tree.merge import merge
from reqprof.tree.node import REST, ROOT, Node
from reqprof.view.html import render
from tests.tree.tables import NAMES, deep, function, load, wide

if TYPE_CHECKING:
    from pathlib import Path

    from reqprof.model import Function

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=12)


class Parsed(HTMLParser):
    """The scripts, styles, policy and text of a page, and every attribute that could act."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {"script": [], "style": [], "title": [], "h1": []}
        self.inside = ""
        self.policy = ""
        self.acting: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""
        self.acting += [name for name in given if name.startswith("on") or name == "style"]
        self.acting += [f"{name}={given[name]}" for name in ("src", "href") if name in given]
        if tag in self.texts:
            self.inside = tag
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self.inside:
            self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts[self.inside][-1] += data


def data_of(page: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Parsed(page).texts["script"][0])
    return found


DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def unpacked(column: str | list[float]) -> list[float]:
    """The numbers of a column: in base 32, least digit first, and 32 more where another follows."""
    if not isinstance(column, str):
        return column
    quantities = re.findall(r"[g-z0-9+/]*[A-Za-f]", column)
    assert "".join(quantities) == column
    return [
        sum(DIGITS.index(digit) % 32 * 32**k for k, digit in enumerate(quantity))
        for quantity in quantities
    ]


def frames_of(data: dict[str, Any], subject: int = 0) -> dict[str, list[float]]:
    frames = dict(data["subjects"][subject]["frames"])
    size = frames.pop("size")
    found = {name: unpacked(column) for name, column in frames.items()}
    assert {len(column) for column in found.values()} == {size}
    return found


def back(data: dict[str, Any], subject: int = 0) -> list[tuple[int, str, float, float]]:
    """Depth, name, self nanoseconds and calls of each frame."""
    frames = frames_of(data, subject)
    names = [data["functions"]["label"][int(number)] for number in frames["fn"]]
    depths = accumulate((int(1 - ends) for ends in frames["ends"][1:]), initial=0)
    return list(zip(depths, names, frames["self"], frames["calls"], strict=True))


def one(name: str, file: str = "/srv/shop.py") -> Node:
    f = (file, 12, name)
    return Node(ROOT, 3, 0.0, 2.0, True, {f: Node(f, 3, 2.0, 2.0)})


def test_only_its_own_script_and_style_may_run() -> None:
    page = Parsed(render(one("search")))
    (_, script), (style,) = page.texts["script"], page.texts["style"]

    def told(text: str) -> str:
        return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"

    assert page.policy == (
        f"default-src 'none'; script-src {told(script)}; style-src {told(style)};"
        " base-uri 'none'; form-action 'none'"
    )
    assert page.acting == []


def test_it_loads_nothing() -> None:
    assert not re.search(r"https?://|@import|url\(|import\(|fetch\(|XMLHttp", render(one("f")))


@pytest.mark.parametrize("name", NAMES)
def test_recorded_inputs_keep_their_time(name: str) -> None:
    tree = build(load(name))
    times = frames_of(data_of(render(tree, title=name)))["self"]
    assert sum(times) == pytest.approx(tree.total * 1e9, abs=len(times))


def test_trees_of_any_size_stay_bounded() -> None:
    assert len(back(data_of(render(wide(120_000), threshold=0)))) == 100_000
    assert max(depth for depth, *_ in back(data_of(render(deep())))) == 1001


def test_siblings_come_widest_first_and_the_remainder_last() -> None:
    tree = Node(ROOT, 4, 0.0, 100.0)
    for name, time in (("small", 1.0), ("wide", 92.0), ("tiny", 0.001), ("middle", 6.999)):
        tree.children[function(name)] = Node(function(name), 1, time, time)
    tree.children[REST] = Node(REST, 0, 50.0, 50.0)
    tree.total = sum(child.total for child in tree.children.values())
    labels = [name for _, name, _, _ in back(data_of(render(tree)))]
    assert labels == ["all", "wide.wide", "middle.middle", "small.small", "tiny.tiny", "…"]


def test_an_estimate_says_how_much_of_it_is_one() -> None:
    guessed = one("search")
    (node,) = guessed.children.values()
    node.exact, node.guessed = False, node.self_time
    data = data_of(render(merge([guessed, one("search"), one("search")])))
    assert frames_of(data)["doubt"] == [0, 334]
    assert data["subjects"][0]["trust"].startswith("66.7 % of the time is on exact stacks")
    assert "doubt" not in frames_of(data_of(render(one("search"))))


def test_routes_and_requests_have_trees_of_their_own() -> None:
    data = data_of(
        render(
            merge([one("f"), one("g")]),
            routes={"/f": one("f"), "/<script>": one("g")},
            requests={"1.2 s GET /f": one("f"), "1.1 s GET /g": one("g")},
        )
    )
    said = [(each["group"], each["name"]) for each in data["subjects"]]
    assert said == [
        ("", "all requests"),
        ("Routes", "/f"),
        ("Routes", "/<script>"),
        ("Slowest requests", "1.2 s GET /f"),
        ("Slowest requests", "1.1 s GET /g"),
    ]
    assert back(data, 2) == [(0, "all", 0, 3), (1, "shop.g", 2_000_000_000, 3)]


def test_one_route_and_one_request_would_repeat_the_whole() -> None:
    data = data_of(render(one("f"), routes={"/f": one("f")}, requests={"GET /f": one("f")}))
    assert [each["name"] for each in data["subjects"]] == ["everything"]


def test_kinds_of_packages_are_told_apart() -> None:
    files = {
        "/srv/shop.py": "app",
        "/v/lib/python3.11/site-packages/flask/app.py": "framework",
        "/v/lib/python3.11/site-packages/sqlalchemy/orm.py": "package",
        "/usr/lib/python3.11/json/__init__.py": "stdlib",
        "~": "C",
        "<string>": "generated",
    }
    for file, kind in files.items():
        data = data_of(render(one("f", file)))
        package = data["packages"][data["functions"]["package"][1]]
        assert package["kind"] == kind


@pytest.mark.parametrize(
    ("files", "places"),
    [
        (("/srv/shop/app.py", "/srv/shop/data/db.py"), ["app.py:1", "data/db.py:1"]),
        (("/app.py", "/shop/db.py"), ["/app.py:1", "/shop/db.py:1"]),  # as in a container
        (("/app.py",), ["/app.py:1"]),
        (("app.py", "/shop/db.py"), ["app.py:1", "db.py:1"]),
    ],
)
def test_places_are_told_from_the_apps_own_folder(
    files: tuple[str, ...], places: list[str]
) -> None:
    tree = Node(ROOT, 1, 0.0, 1.0 * len(files))
    for number, file in enumerate(files):
        function = (file, 1, f"f{number}")
        tree.children[function] = Node(function, 1, 1.0, 1.0)
    told = data_of(render(tree))["functions"]["place"]
    assert sorted(place for place in told if "py" in place) == sorted(places)


@settings(max_examples=60, deadline=None)
@example("", "/", "", "0")
@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_any_names_stay_text(name: str, file: str, title: str, route: str) -> None:
    page = render(
        one(name, file), title=title, notes=[title], routes={route: one(name), "": one(name)}
    )
    parsed = Parsed(page)
    page.encode()
    assert len(parsed.texts["script"]) == 2
    assert parsed.acting == []
    assert parsed.texts["title"] == parsed.texts["h1"]
    assert all(character.isprintable() for character in parsed.texts["title"][0])
    assert "</" not in parsed.texts["script"][0]


@pytest.mark.parametrize("hostile", ["</script><script>x()</script>", "<!--<script>", "]]>"])
def test_no_name_ends_the_data(hostile: str) -> None:
    data = data_of(render(one(hostile), title=hostile, routes={hostile: one("f"), "": one("f")}))
    assert data["functions"]["label"][1] == f"shop.{hostile}"
    assert data["subjects"][1]["name"] == hostile


def test_source_is_there_only_when_it_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(
        "import os\n\n\ndef search(text):\n\treturn text  # <b>\n\n\ndef other(): ...\n"
    )
    f = (str(file), 4, "search")
    tree = Node(ROOT, 3, 0.0, 2.0, True, {f: Node(f, 3, 2.0, 2.0)})
    assert data_of(render(tree))["source"] == {}
    lines = ["def search(text):", "    return text  # <b>"]
    assert data_of(render(tree, source=True))["source"] == {"1": {"first": 4, "lines": lines}}


def test_source_of_methods_and_lambdas_begins_with_their_decorators(tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(
        "class Shop:\n    @staticmethod\n    async def search():\n        return 1\n\n"
        "    key = lambda self: (\n        1)\n"
    )
    found = sourced((str(file), 2, "search"), (str(file), 6, "<lambda>"))
    assert found == {
        "search": ["    @staticmethod", "    async def search():", "        return 1"],
        "<lambda>": ["    key = lambda self: (", "        1)"],
    }


def sourced(*functions: Function) -> dict[str, list[str]]:
    """The lines in the page by function."""
    tree = Node(ROOT, 3, 0.0, 2.0, True, {f: Node(f, 3, 2.0, 2.0) for f in functions})
    found = data_of(render(tree, source=True))
    names = found["functions"]["short"]
    return {names[int(number)]: each["lines"] for number, each in found["source"].items()}


def test_code_that_is_no_such_function_stays_out(tmp_path: Path) -> None:
    """A file that has changed since, and one that a hostile profile names."""
    file = tmp_path / "settings.py"
    file.write_text("SECRET = 'hunter2'\n\n\ndef other():\n    pass\n")
    for first, name in ((1, "innocent"), (1, "<module>"), (4, "wanted"), (3, "other"), (2, "")):
        assert sourced((str(file), first, name)) == {}
    assert sourced((str(file), 4, "other")) == {"other": ["def other():", "    pass"]}


@pytest.mark.parametrize("name", ["gone.py", "secret.txt", "folder.py", "binary.py", "late.py"])
def test_source_that_cannot_be_had_is_left_out(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.txt").write_text("a\nb\nc\nd\ne\n")
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "binary.py").write_bytes(b"\x00\xff\xfe" * 20)
    (tmp_path / "late.py").write_text("x = 1\n")
    f = (str(tmp_path / name), 4, "search")
    tree = Node(ROOT, 3, 0.0, 2.0, True, {f: Node(f, 3, 2.0, 2.0)})
    assert data_of(render(tree, source=True))["source"] == {}


def test_the_page_is_ascii_whatever_is_in_it() -> None:
    page = render(one("größe", "/srv/日本.py"), title="Größe « »", notes=["naïve"])
    assert page.isascii()
    assert "Gr&#246;&#223;e" in page
    assert back(data_of(page))[1][1] == "日本.größe"
