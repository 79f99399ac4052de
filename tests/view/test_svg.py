"""The SVG is well formed, harmless, bounded, true to the tree, and readable."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.tree.build import build
from reqprof.tree.merge import merge
from reqprof.tree.node import REST, ROOT, Node
from reqprof.view.svg import render
from tests.tree.tables import NAMES, deep, function, load, wide

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from reqprof.model import Stats

SVG = "{http://www.w3.org/2000/svg}"
ANYTHING = st.text(st.characters(exclude_categories=()), max_size=12)


def parse(svg: str) -> Element:
    """The document, which must be encodable too."""
    return ElementTree.fromstring(svg.encode())


def frames(document: Element) -> list[Element]:
    return [rect for rect in document.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]


def said(rect: Element) -> str:
    return str(rect.findtext(f"{SVG}title"))


def texts(document: Element) -> list[str]:
    return ["".join(text.itertext()) for text in document.iter(f"{SVG}text")]


def one(name: str, file: str = "/srv/shop.py", line: int = 12) -> Node:
    """A tree of one function that took two seconds."""
    f = (file, line, name)
    return Node(ROOT, 3, 0.0, 2.0, True, {f: Node(f, 3, 2.0, 2.0)})


def guessed() -> Node:
    tree = one("search")
    for node in tree.children.values():
        node.exact, node.guessed = False, node.self_time
    return tree


def check_geometry(document: Element) -> None:
    """The frames of a row never overlap, and stand on frames of the row below."""
    rows: dict[float, list[tuple[float, float]]] = defaultdict(list)
    for rect in frames(document):
        x, width = float(rect.attrib["x"]), float(rect.attrib["width"])
        assert width > 0
        rows[float(rect.attrib["y"])].append((x, x + width))
    below: list[tuple[float, float]] = [(10.0, 1190.0)]
    for y in sorted(rows, reverse=True):
        row = sorted(rows[y])
        for (_, right), (left, _) in pairwise(row):
            assert left >= right - 0.011
        for left, right in row:
            assert any(a - 0.011 <= left and right <= b + 0.61 for a, b in below)
        below = row


@pytest.mark.parametrize("name", NAMES)
def test_recorded_inputs_are_drawn(name: str) -> None:
    document = parse(render(build(load(name)), title=name))
    assert document.tag == f"{SVG}svg"
    assert sum(1 for _ in document.iter()) < 6000
    check_geometry(document)


def test_trees_of_any_size_stay_bounded() -> None:
    for tree in (wide(100_000), deep()):
        document = parse(render(tree))
        assert 1000 < sum(1 for _ in document.iter()) < 6000 or tree is deep()
        check_geometry(document)


def test_widths_are_in_proportion() -> None:
    f, g = function("f"), function("g")
    tree = Node(ROOT, 2, 0.0, 4.0)
    tree.children = {f: Node(f, 1, 1.0, 1.0), g: Node(g, 1, 3.0, 3.0)}
    rects = {said(rect).split("\n")[0]: rect.attrib for rect in frames(parse(render(tree)))}
    assert float(rects["g.g"]["width"]) == pytest.approx(3 / 4 * 1180 - 0.6, abs=0.1)
    assert float(rects["f.f"]["x"]) == pytest.approx(10 + 3 / 4 * 1180, abs=0.1)
    assert float(rects["f.f"]["y"]) == float(rects["g.g"]["y"]) < float(rects["all"]["y"])


def test_a_frame_says_what_is_known_of_it() -> None:
    (_, rect) = frames(parse(render(one("search"))))
    assert said(rect) == (
        "shop.search\n/srv/shop.py:12\ntotal 2.00 s (100.0 %), self 2.00 s, 3 calls"
    )


def test_estimates_and_the_picture_say_so() -> None:
    document = parse(render(guessed()))
    assert said(frames(document)[1]).endswith("\nan estimate")
    assert any("reconstructed from caller-callee edges" in text for text in texts(document))


def test_a_sum_of_both_kinds_says_how_much_is_exact() -> None:
    document = parse(render(merge([guessed(), one("search"), one("search")])))
    assert said(frames(document)[1]).endswith("\n33.3 % of its self time is an estimate")
    assert any(text.startswith("66.7 % of the time is on exact stacks") for text in texts(document))


def test_what_tracing_added_is_told_where_it_is_known() -> None:
    tree = one("search")
    (node,) = tree.children.values()
    node.overhead = 0.5
    document = parse(render(tree))
    for frame in frames(document):
        assert said(frame).endswith("\nabout 1.50 s without tracing")


def test_an_exact_picture_makes_no_excuse() -> None:
    assert "reconstructed" not in render(one("search"))
    assert "All stacks are exact." in render(one("search"))


def test_small_frames_are_merged_and_it_is_said() -> None:
    tree = Node(ROOT, 100, 0.0, 110.0)
    for i in range(100):
        f = function(f"f{i}")
        tree.children[f] = Node(f, 1, 0.01, 0.01)
    big = function("big")
    tree.children[big] = Node(big, 1, 109.0, 109.0)
    document = parse(render(tree))
    assert [said(rect).split("\n")[0] for rect in frames(document)] == [
        "all",
        "big.big",
        "callees too small or too deep to show",
    ]
    assert any("Hatched: callees" in text for text in texts(document))
    assert len(frames(parse(render(tree, threshold=0)))) == 102


def test_title_and_notes_are_shown_and_told_to_screen_readers() -> None:
    document = parse(render(guessed(), title="GET /cart", notes=["12 requests", "Python 3.11"]))
    assert texts(document)[:3] == ["GET /cart", "12 requests", "Python 3.11"]
    assert document.attrib["role"] == "img"
    named = {element.get("id"): element.text for element in document}
    title, description = (named[i] for i in document.attrib["aria-labelledby"].split())
    assert title == "GET /cart"
    assert description is not None
    assert "12 requests" in description
    assert "Most self time: shop.search 100.0 %" in description


def test_the_legend_names_the_app_first_then_the_greatest() -> None:
    tree = Node(ROOT, 3, 0.0, 6.0)
    for name, time in (("flask", 2.0), ("jinja2", 3.0)):
        f = (f"/lib/python3.11/site-packages/{name}/x.py", 1, "f")
        tree.children[f] = Node(f, 1, time, time)
    tree.children[function("f")] = Node(function("f"), 1, 1.0, 1.0)
    assert texts(parse(render(tree)))[2:5] == ["app", "jinja2", "flask"]


def test_long_notes_are_wrapped() -> None:
    lines = texts(parse(render(guessed(), notes=["word " * 100], width=400)))
    assert max(len(line) for line in lines) < 62


def test_options_set_the_size() -> None:
    document = parse(render(one("search"), width=800, row_height=30, font_size=14))
    assert document.attrib["width"] == "800"
    assert float(frames(document)[0].attrib["height"]) == 29
    assert "font:14px" in str(document.findtext(f"{SVG}style"))


def test_a_profile_without_time_says_so() -> None:
    assert "No time was recorded." in " ".join(texts(parse(render(build(load("zero.prof"))))))
    assert "No time was recorded." in " ".join(texts(parse(render(merge([])))))


@settings(max_examples=150, deadline=None)
@given(ANYTHING, ANYTHING, ANYTHING)
def test_names_can_do_no_harm(name: str, file: str, title: str) -> None:
    """Whatever they hold, the document stays well formed and has nothing active in it."""
    stats: Stats = {(file, 1, name): (1, 1, 1.0, 1.0, {})}
    document = parse(render(build(stats), title=title, notes=[name]))
    for element in document.iter():
        assert element.tag.removeprefix(SVG) in {
            "svg", "title", "desc", "style", "defs", "pattern", "path", "rect", "text",
        }  # fmt: skip
        assert not any(key.startswith("on") or "href" in key for key in element.attrib)
        assert (element.text or "").replace("\n", "").isprintable()


@pytest.mark.parametrize("name", ["xss.prof", "ctl.prof", "sur.prof"])
def test_hostile_names_are_shown_as_text(name: str) -> None:
    svg = render(build(load(name)))
    assert "<script" not in svg
    assert not re.search(r"<[^>]*\son\w+=", svg)
    shown = {"xss.prof": "alert(1)", "ctl.prof": r"f\x00\x1b\x08", "sur.prof": r"a\udce9"}[name]
    assert shown in svg


def test_marks_that_reorder_text_are_spelled_out() -> None:
    svg = render(one("evil\u202egnp.exe\u2066"))
    assert not {"\u202e", "\u2066"} & set(svg)
    assert r"evil\u202egnp.exe\u2066" in svg


@pytest.mark.parametrize("name", ["search", "搜索" * 40, "a" * 500, "é" * 300])
@pytest.mark.parametrize("share", [0.01, 0.03, 0.1, 0.5])
def test_labels_fit_their_frames(name: str, share: float) -> None:
    f = ("/srv/shop.py", 1, name)
    tree = Node(ROOT, 1, 1 - share, 1.0, True, {f: Node(f, 1, share, share)})
    (*_, label) = texts(parse(render(tree)))
    if not label.startswith("all"):
        wide_ones = sum(c >= "\u2e80" for c in label)
        assert (len(label) + wide_ones) * 11 * 0.6 <= share * 1180


def test_the_remainder_is_hatched() -> None:
    tree = Node(ROOT, 1, 0.0, 1.0, True, {REST: Node(REST, 0, 1.0, 1.0, False)})
    assert frames(parse(render(tree)))[1].attrib["class"] == "r"
