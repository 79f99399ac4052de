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

from reqprof.errors import UsageError
from reqprof.tree.build import build
from reqprof.tree.merge import merge
from reqprof.tree.node import REST, ROOT, WAITING, Node
from reqprof.view.colour import HATCH, PAGE, shade, warm
from reqprof.view.scheme import SCHEMES
from reqprof.view.svg import render
from tests.tree.oracle import Event, as_called
from tests.tree.strategies import TRACES
from tests.tree.tables import NAMES, chain, deep, function, load, wide
from tests.view.contrast import contrast

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


def check_geometry(document: Element, *, inverted: bool = False) -> None:
    """The frames of a row never overlap, and stand on (or hang from) frames of the row before."""
    rows: dict[float, list[tuple[float, float]]] = defaultdict(list)
    for rect in frames(document):
        x, width = float(rect.attrib["x"]), float(rect.attrib["width"])
        assert width > 0
        rows[float(rect.attrib["y"])].append((x, x + width))
    before: list[tuple[float, float]] = [(10.0, float(document.attrib["width"]) - 10)]
    for y in sorted(rows, reverse=not inverted):
        row = sorted(rows[y])
        for (_, right), (left, _) in pairwise(row):
            assert left >= right - 0.011
        for left, right in row:
            assert any(a - 0.011 <= left and right <= b + 0.61 for a, b in before)
        before = row


def check_no_gaps(document: Element) -> None:
    """From the left edge of each frame on, those above it stand side by side."""
    rows: dict[float, list[tuple[float, float]]] = defaultdict(list)
    for rect in frames(document):
        x, width = float(rect.attrib["x"]), float(rect.attrib["width"])
        rows[float(rect.attrib["y"])].append((x, x + width))
    for below, above in pairwise(sorted(rows, reverse=True)):
        edges = sorted(left for left, _ in rows[below])
        for left, _ in rows[above]:
            # At a frame's edge, or right after a neighbour, but for the line between the two.
            assert any(abs(left - edge) < 0.011 for edge in edges) or any(
                -0.011 < left - right < 0.62 for _, right in rows[above]
            )


def colours(document: Element) -> dict[str, dict[str, str]]:
    """The fills of the style sheet by what they are for: by day, by night."""
    day, night = str(document.findtext(f"{SVG}style")).split(
        "@media screen and (prefers-color-scheme:dark)"
    )
    fill = re.compile(r"([.\w]+)\{fill:(#\w{6})\}")
    return {"day": dict(fill.findall(day)), "night": dict(fill.findall(night))}


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_recorded_inputs_are_drawn(name: str, inverted: bool) -> None:
    document = parse(render(build(load(name)), title=name, inverted=inverted))
    assert document.tag == f"{SVG}svg"
    assert sum(1 for _ in document.iter()) < 6000
    check_geometry(document, inverted=inverted)


@pytest.mark.parametrize("colors", SCHEMES)
def test_trees_of_any_size_stay_bounded(colors: str) -> None:
    for tree in (wide(100_000), deep()):
        document = parse(render(tree, colors=colors, threshold=0, notes=["many notes"] * 5000))
        assert 1000 < sum(1 for _ in document.iter()) < 6000 or tree is deep()
        check_geometry(document)


@settings(max_examples=150, deadline=None)
@given(
    TRACES,
    st.none() | st.floats(0, 50),
    st.booleans(),
    st.integers(1, 3000),
    st.sampled_from(SCHEMES),
)
def test_frames_never_leave_gaps_or_overflow(
    trace: list[Event], threshold: float | None, inverted: bool, width: int, colors: str
) -> None:
    svg = render(
        as_called(trace), threshold=threshold, inverted=inverted, width=width, colors=colors
    )
    document = parse(svg)
    check_geometry(document, inverted=inverted)
    if not inverted:
        check_no_gaps(document)


@pytest.mark.parametrize("threshold", [0, 0.01, 0.1, 1, 5, 20, 50])
@pytest.mark.parametrize("inverted", [False, True])
def test_any_threshold_keeps_the_geometry(threshold: float, inverted: bool) -> None:
    document = parse(render(wide(3000), threshold=threshold, inverted=inverted))
    check_geometry(document, inverted=inverted)
    if not inverted:
        check_no_gaps(document)
    whole = float(frames(document)[0].attrib["width"])
    for rect in frames(document):
        if threshold >= 0.1 and rect.attrib["class"] != "r":
            assert float(rect.attrib["width"]) >= whole * threshold / 100 - 0.62


def test_an_icicle_has_its_root_at_the_top_below_the_legend() -> None:
    tree = build(chain(3))
    for inverted in (False, True):
        document = parse(render(tree, inverted=inverted))
        ys = [float(rect.attrib["y"]) for rect in frames(document)]
        assert ys == sorted(ys, reverse=not inverted)
        others = [
            float(element.attrib["y"])
            for element in document
            if element.tag in {f"{SVG}rect", f"{SVG}text"} and "class" in element.attrib
            and "y" in element.attrib and element.find(f"{SVG}title") is None
        ]  # fmt: skip
        assert max(others) < min(ys)
    assert texts(parse(render(tree)))[0] == "Flame graph"
    assert texts(parse(render(tree, inverted=True)))[0] == "Icicle graph"


def test_recursion_is_merged_and_it_is_said() -> None:
    f, g = function("f"), function("g")
    tree = Node(ROOT, 3, 0.0, 3.0)
    outer = tree.children[f] = Node(f, 1, 1.0, 3.0)
    middle = outer.children[f] = Node(f, 1, 1.0, 2.0)
    middle.children[g] = Node(g, 1, 1.0, 1.0)
    document = parse(render(tree))
    assert [said(rect).split("\n")[::2] for rect in frames(document)] == [
        ["all", ],
        ["f.f", "total 3.00 s (100.0 %), self 2.00 s, 2 calls"],
        ["g.g", "total 1.00 s (33.3 %), self 1.00 s, 1 call"],
    ]  # fmt: skip
    assert any("Recursion is merged" in text for text in texts(document))
    assert "Recursive calls" not in render(one("search"))


def frames_fill(document: Element, time: str) -> dict[str, str]:
    fills = colours(document)[time]
    return {
        said(rect).split("\n")[0]: fills[f".{rect.attrib['class']}"] for rect in frames(document)
    }


@pytest.mark.parametrize("colors", SCHEMES)
@pytest.mark.parametrize("time", ["day", "night"])
def test_every_label_can_be_read(colors: str, time: str) -> None:
    """WCAG 2.2, 1.4.3: a contrast of at least 4.5, on functions of 300 packages and more."""
    tree = Node(ROOT)
    for number in range(300):
        f = (f"/lib/python3.11/site-packages/p{number}/x.py", 1, f"f{number}")
        tree.children[f] = Node(f, 1, 1.1**-number)
    for f in (function("own"), ("~", 0, "<built-in method builtins.len>"), WAITING, REST):
        tree.children[f] = Node(f, 1, 0.5)
    tree.add_up()
    fills = colours(parse(render(tree, colors=colors, threshold=0)))[time]
    page, hatch = (PAGE.light, HATCH.light) if time == "day" else (PAGE.dark, HATCH.dark)
    of_frames = {fill for name, fill in fills.items() if name.startswith(".p") and name != ".page"}
    assert len(of_frames) > 5
    for fill in of_frames | {page, hatch}:
        assert contrast(fill, fills["text"]) >= 4.5
    for heading in (".t", ".m"):
        assert contrast(page, fills[heading]) >= 4.5


def test_dark_is_for_screens_alone() -> None:
    """Whatever the system prefers, what is printed is dark on white."""
    style = str(parse(render(one("search"))).findtext(f"{SVG}style"))
    (media,) = re.findall(r"@media[^{]*", style)
    assert media == "@media screen and (prefers-color-scheme:dark)"
    assert "print" not in style


def heated() -> Node:
    """Functions of more and more self time, two of them with one name, and a wait."""
    tree = Node(ROOT, 7)
    for name, time in (("cold", 0.0005), ("warm", 0.02), ("hot", 0.3)):
        f = function(name)
        tree.children[f] = Node(f, 1, time)
        tree.children[f].children[function("twin")] = Node(function("twin"), 1, 0.001)
    tree.children[WAITING] = Node(WAITING, 1, 0.6765)
    tree.add_up()
    return tree


def test_by_name_a_function_keeps_its_colour() -> None:
    document = parse(render(heated(), colors="hash"))
    fills = colours(document)["day"]
    twins = {
        fills[f".{rect.attrib['class']}"]
        for rect in frames(document)
        if said(rect).startswith("twin.")
    }
    assert twins == {warm("twin.twin").light}
    assert texts(document)[2:4] == [
        "A colour for each function, the same in every picture.",
        "waiting",
    ]


def test_by_self_time_more_is_stronger() -> None:
    document = parse(render(heated(), colors="self", threshold=0))
    for time in ("day", "night"):
        fill = frames_fill(document, time)
        steps = [fill["cold.cold"], fill["warm.warm"], fill["hot.hot"]]
        assert len(set(steps)) == 3
        assert fill["waiting"] not in steps
    assert texts(document)[2:10] == [
        "Self time, from this share of the whole:",
        "0 %", "0.1 %", "0.3 %", "1 %", "3 %", "10 %",
        "waiting",
    ]  # fmt: skip


@pytest.mark.parametrize("colors", SCHEMES)
def test_waits_and_the_root_look_the_same_in_every_scheme(colors: str) -> None:
    fill = frames_fill(parse(render(heated(), colors=colors)), "day")
    assert fill["waiting"] == shade("waiting").light
    assert fill["all"] == shade("").light


def test_unknown_colours_are_wrong_usage() -> None:
    with pytest.raises(UsageError, match="no colours 'red': choose one of package, hash, self"):
        render(one("search"), colors="red")


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


@pytest.mark.parametrize("font_size", [5, 11, 40])
def test_a_row_is_as_high_as_its_font(font_size: int) -> None:
    document = parse(render(one("search"), font_size=font_size))
    assert float(frames(document)[0].attrib["height"]) == font_size + 6


@pytest.mark.parametrize("row_height", [1, 2])
def test_the_lowest_rows_can_be_seen(row_height: int) -> None:
    document = parse(render(one("search"), row_height=row_height))
    assert float(frames(document)[0].attrib["height"]) >= 0.75


def test_a_profile_without_time_says_so() -> None:
    assert "No time was recorded." in " ".join(texts(parse(render(build(load("zero.prof"))))))
    assert "No time was recorded." in " ".join(texts(parse(render(merge([])))))


@settings(max_examples=150, deadline=None)
@given(ANYTHING, ANYTHING, ANYTHING, st.sampled_from(SCHEMES))
def test_names_can_do_no_harm(name: str, file: str, title: str, colors: str) -> None:
    """Whatever they hold, the document stays well formed and has nothing active in it."""
    stats: Stats = {(file, 1, name): (1, 1, 1.0, 1.0, {})}
    document = parse(render(build(stats), title=title, notes=[name], colors=colors))
    for element in document.iter():
        assert element.tag.removeprefix(SVG) in {
            "svg", "title", "desc", "style", "defs", "pattern", "path", "rect", "text",
        }  # fmt: skip
        assert not any(key.startswith("on") or "href" in key for key in element.attrib)
        assert (element.text or "").replace("\n", "").isprintable()


def test_what_is_too_small_to_see_is_left_out_and_it_is_said() -> None:
    tree = Node(ROOT, 2, 1.0, 1.00001)
    f = function("f")
    tree.children[f] = Node(f, 1, 0.00001, 0.00001)
    document = parse(render(tree))
    assert len(frames(document)) == 1
    assert "Callees too small to see are left out." in texts(document)[1]


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
