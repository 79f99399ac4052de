"""The HTML page in a browser: what a person clicks, types and reads."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reqprof.tree.node import ROOT, WAITING, Node
from reqprof.view import names
from reqprof.view.colour import shade
from reqprof.view.figures import count, percent, seconds
from reqprof.view.html import render
from tests.conftest import need
from tests.servers import ROOT as PROJECT
from tests.view.browser import Visit, chromium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from reqprof.model import Function

    Open = Callable[..., Page]

ROW = 18  # pixels of a frame
AXE = PROJECT / ".venv" / "consumers" / "node_modules" / "axe-core" / "axe.min.js"

WSGI: Function = ("/v/lib/python3.11/site-packages/flask/app.py", 1500, "wsgi_app")
SEARCH: Function = ("/srv/shop/views.py", 12, "search")
FIB: Function = ("/srv/shop/views.py", 40, "fib")
DUMPS: Function = ("/usr/lib/python3.11/json/__init__.py", 183, "dumps")
ENCODE: Function = ("~", 0, "<method 'encode' of 'str' objects>")
ORM: Function = ("/v/lib/python3.11/site-packages/sqlalchemy/orm/query.py", 7, "fetch_all")
MAKE: Function = ("<string>", 1, "make")
JOB: Function = ("/srv/shop/jobs.py", 80, "rebuild")


def frame(function: Function, self_time: float, calls: float, *children: Node) -> Node:
    return Node(function, calls, self_time, children={child.function: child for child in children})


def sample() -> Node:
    """Ten seconds: a view with libraries, recursion and a wait, and a job that is an estimate."""
    encode = frame(ENCODE, 1.75, 40)
    fib = frame(FIB, 1.0, 1, frame(FIB, 0.75, 1, frame(ENCODE, 0.25, 2)))
    dumps = frame(DUMPS, 0.5, 4, encode)
    orm = frame(ORM, 0.5, 2, frame(DUMPS, 0.25, 1))
    search = frame(SEARCH, 0.5, 2, dumps, fib, orm, frame(WAITING, 1.0, 3))
    job = frame(JOB, 1.75, 1.5, frame(FIB, 1.0, 0.5), frame(MAKE, 0.25, 4))
    for node in (job, *job.children.values()):
        node.exact, node.guessed = False, node.self_time
    tree = frame(ROOT, 0.0, 60, frame(WSGI, 0.5, 2, search), job)
    tree.add_up()
    return tree


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def visit(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a page of a tree from its file; no page may complain or load anything."""
    visits: list[Visit] = []

    def call(
        tree: Node | None = None, address: str = "", options: Any = None, **drawing: Any
    ) -> Page:
        path = tmp_path / f"{len(visits)}.html"
        path.write_text(render(tree or sample(), **drawing))
        new = Visit(browser, **(options or {}))
        visits.append(new)
        new.page.goto(path.as_uri() + (f"#{address}" if address else ""))
        settle(new.page)
        return new.page

    yield call
    for each in visits:
        assert all(url.startswith(("file:", "data:")) for url in each.requests)
        each.close()


def settle(page: Page) -> None:
    """Return when what was asked for is drawn and listed."""
    page.evaluate(
        "() => new Promise(done => setTimeout(() => requestAnimationFrame(() =>"
        " setTimeout(() => requestAnimationFrame(done)))))"
    )


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
    settle(page)


def text(page: Page, selector: str) -> str:
    return page.locator(selector).inner_text()


def crumbs(page: Page) -> list[str]:
    return text(page, "#crumbs").split(" \u203a ")


def detail(page: Page) -> dict[str, str]:
    """The facts of the selected frame, its name under an empty key."""
    panel = page.locator("#detail")
    (terms, facts) = (panel.locator("dl").first.locator(kind) for kind in ("dt", "dd"))
    found = dict(zip(terms.all_inner_texts(), facts.all_inner_texts(), strict=True))
    return {"": panel.locator("h2").first.inner_text(), **found}


def table(page: Page) -> dict[str, tuple[str, str, str]]:
    """Self, total and calls by function, in the order of the rows."""
    found = {}
    for row in page.locator("#functions tbody tr").all():
        own, total, calls, name = row.locator("td").all_inner_texts()
        found[name.split("\n")[0]] = (own, total, calls)
    return found


def click_frame(page: Page, depth: int, share: float, *, flame: bool = False) -> None:
    """Click in a row, at a share of the width, in an icicle or in a flame as high as the host."""
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    y = box["height"] - depth * ROW - ROW / 2 if flame else depth * ROW + ROW / 2
    page.mouse.click(box["x"] + share * box["width"], box["y"] + y)
    settle(page)


def colour_at(page: Page, depth: int, share: float) -> str:
    """The colour of an icicle's pixel near the top of a row, where no text is."""
    return str(
        page.evaluate(
            """([x, y]) => {
                const canvas = document.getElementById("canvas");
                const ratio = devicePixelRatio;
                const [r, g, b] = canvas.getContext("2d").getImageData(
                    Math.round(x * canvas.width), Math.round(y * ratio), 1, 1).data;
                return "#" + [r, g, b].map(p => p.toString(16).padStart(2, "0")).join("");
            }""",
            [share, depth * ROW + 1.5],
        )
    )


def expected(tree: Node) -> dict[str, tuple[str, str, str]]:
    """What the table must say, from the tree: totals are of outermost frames only."""
    own: dict[Function, float] = defaultdict(float)
    total: dict[Function, float] = defaultdict(float)
    calls: dict[Function, float] = defaultdict(float)
    guessed: set[Function] = set()
    path: list[Function] = []
    for depth, node in tree.walk():
        path[depth:] = [node.function]
        if depth == 0:
            continue
        own[node.function] += node.self_time
        calls[node.function] += node.calls
        if node.function not in path[:-1]:
            total[node.function] += node.total
        if not node.exact:
            guessed.add(node.function)
    return {
        names.label(f): tuple(  # type: ignore[misc]
            ("~" if f in guessed else "") + value
            for value in (seconds(own[f]), seconds(total[f]), count(calls[f]))
        )
        for f in sorted(own, key=lambda f: -own[f])
    }


def test_the_table_has_the_numbers_of_the_tree(visit: Open) -> None:
    page = visit()
    assert table(page) == expected(sample())
    assert detail(page) == {
        "": "all",
        "total": "10.0 s (100.0 %)",
        "self": "0 s (0.0 %)",
        "calls": "60",
        "stack": "exact",
    }


def test_a_flame_stands_on_its_roots_and_turns_into_an_icicle(visit: Open) -> None:
    page = visit()
    click_frame(page, 2, 0.3, flame=True)
    assert crumbs(page) == ["all", "wsgi_app", "search"]
    press(page, "Escape", "f")
    assert "direction=icicle" in page.url
    click_frame(page, 2, 0.3)
    assert crumbs(page) == ["all", "wsgi_app", "search"]


def test_a_click_zooms_and_tells_of_the_frame(visit: Open) -> None:
    page = visit(address="direction=icicle")
    click_frame(page, 2, 0.3)
    facts = detail(page)
    assert facts == {
        "": "views.search",
        "total": "6.50 s (65.0 %)",
        "self": "500 ms (5.0 %)",
        "calls": "2",
        "per call": "3.25 s",
        "stack": "exact",
    }
    assert text(page, ".where") == "/srv/shop/views.py:12"
    click_frame(page, 3, 0.1)  # which is at the left edge now, and wider than before
    assert detail(page)[""] == "json.dumps"
    page.locator("#crumbs button", has_text="wsgi_app").click()
    assert crumbs(page) == ["all", "wsgi_app"]
    page.go_back()
    settle(page)
    assert crumbs(page) == ["all", "wsgi_app", "search", "dumps"]


def test_an_inverted_page_opens_as_an_icicle(visit: Open) -> None:
    page = visit(inverted=True)
    assert text(page, "#direction") == "Icicle ↓"
    click_frame(page, 1, 0.3)
    assert crumbs(page) == ["all", "wsgi_app"]


def test_keys_select_zoom_and_go_back(visit: Open) -> None:
    page = visit()
    page.locator("#canvas").focus()
    press(page, "ArrowUp")
    assert detail(page)[""] == "app.wsgi_app"
    assert text(page, "#spoken") == "app.wsgi_app, 70.0 %"
    press(page, "ArrowRight")
    assert detail(page)[""] == "jobs.rebuild"
    press(page, "ArrowLeft", "ArrowUp", "ArrowUp", "Enter")
    assert crumbs(page) == ["all", "wsgi_app", "search", "dumps"]
    press(page, "ArrowDown")
    assert detail(page)[""] == "views.search"
    press(page, "Backspace")
    assert crumbs(page) == ["all", "wsgi_app"]
    press(page, "0")
    assert crumbs(page) == ["all"]
    press(page, "+")
    assert window_of(page) == pytest.approx((0.2, 0.8))
    press(page, "-")
    hash_with(page, "window=", there=False)
    press(page, "ArrowUp", "Escape", "v")
    assert page.input_value("#mode") == "inverted"
    press(page, "Escape")
    assert page.input_value("#mode") == "stacks"


def test_arrows_select_and_do_not_zoom(visit: Open) -> None:
    page = visit(address="direction=icicle")
    press(page, "ArrowDown", "ArrowDown")
    assert detail(page)[""] == "views.search"
    click_frame(page, 1, 0.9)  # which is where it was
    assert detail(page)[""] == "jobs.rebuild"


def hash_with(page: Page, text: str, *, there: bool = True) -> None:
    """Wait until the address has the text, or has it no more."""
    deadline = time.monotonic() + 10
    while (text in page.evaluate("location.hash")) != there:
        assert time.monotonic() < deadline
        settle(page)


def window_of(page: Page) -> tuple[float, float]:
    """The part of the whole that is looked at, when it has come to rest."""
    hash_with(page, "window=")
    found = re.search(r"window=([\de.-]+?)\.\.([\de.-]+)", page.evaluate("location.hash"))
    assert found is not None
    return float(found[1]), float(found[2])


def test_back_returns_to_the_window_that_was_left(visit: Open) -> None:
    page = visit(address="direction=icicle")
    press(page, "+")
    click_frame(page, 2, 0.3)  # at once, before the window has been written
    page.go_back()
    settle(page)
    assert window_of(page) == pytest.approx((0.2, 0.8))
    assert crumbs(page) == ["all"]


def test_a_deep_zoom_is_kept(visit: Open) -> None:
    page = visit()
    press(page, *["+"] * 25)
    low, high = window_of(page)
    assert 0 < high - low < 1e-5
    press(page, "d")
    assert window_of(page) == (low, high)


def test_help_opens_on_a_question_mark(visit: Open) -> None:
    page = visit()
    press(page, "?")
    assert page.locator("#keys").is_visible()
    press(page, "v")  # means nothing in there
    page.keyboard.press("Escape")
    assert not page.locator("#keys").is_visible()
    assert page.evaluate("location.hash") == ""


def test_search_marks_and_says_the_share(visit: Open) -> None:
    page = visit(address="direction=icicle")
    press(page, "/")
    page.keyboard.type("^views\\.(fib|nothing)$")
    settle(page)
    # The outermost frames: 2 s below search, 1 s below the job.
    assert text(page, "#matched") == "30.0 % matched"
    assert list(table(page)) == ["views.fib"]
    plain = colour_at(page, 1, 0.3)
    press(page, "Enter")
    assert detail(page)["total"] == "2.00 s (20.0 %)"
    press(page, "Enter")
    assert detail(page)["total"] == "1.00 s (10.0 %)"
    assert colour_at(page, 2, 0.5) != plain
    press(page, "Escape")
    assert text(page, "#matched") == ""
    assert "query" not in page.evaluate("location.hash")


def test_search_counts_capitals_only_where_there_are_any(visit: Open) -> None:
    page = visit()
    for query, share in (("FIB", "no match"), ("fib", "30.0 % matched")):
        page.fill("#search", query)
        settle(page)
        assert text(page, "#matched") == share


def test_what_is_no_expression_is_told(visit: Open) -> None:
    page = visit()
    page.fill("#search", "fib(")
    settle(page)
    assert "Unterminated group" in text(page, "#matched")
    assert page.get_attribute("#search", "aria-invalid") == "true"
    assert len(table(page)) == 9


def test_a_sandwich_has_callers_and_callees(visit: Open) -> None:
    page = visit(address="direction=icicle")
    page.locator("#functions").get_by_role("button", name="json.dumps").click()
    settle(page)
    # Callers above the function: wsgi_app and search and orm, widest first.
    assert detail(page) == {
        "": "json.dumps",
        "total": "2.50 s (25.0 %)",
        "self": "750 ms (7.5 %)",
        "calls": "5",
        "stack": "exact",
    }
    above = 3  # rows of callers
    click_frame(page, above + 1, 0.3)
    assert detail(page)[""] == "str.encode"
    press(page, "0")
    click_frame(page, above - 1, 0.95)
    assert crumbs(page) == ["fetch_all"]
    assert detail(page)["calls"] == "2"


def test_callers_are_those_of_every_frame(visit: Open) -> None:
    page = visit(address="direction=icicle")
    page.locator("#functions").get_by_role("button", name="views.fib").click()
    press(page, "c")
    assert page.input_value("#mode") == "callers"
    click_frame(page, 1, 0.1)
    assert detail(page) == {
        "": "views.search",
        "total": "2.00 s (20.0 %)",
        "calls": "2",
        "per call": "1.00 s",
        "stack": "exact",
    }
    press(page, "0")
    click_frame(page, 1, 0.9)
    assert detail(page)[""] == "jobs.rebuild"
    assert detail(page)["stack"] == "an estimate"


def test_the_panel_names_callers_with_their_shares(visit: Open) -> None:
    page = visit(address="direction=icicle")
    page.locator("#functions").get_by_role("button", name="views.fib").click()
    settle(page)
    assert page.locator("#detail li").all_inner_texts() == [
        "66.7 % views.search",
        "33.3 % jobs.rebuild",
    ]


def test_inverted_has_self_times_below_their_callers(visit: Open) -> None:
    page = visit(address="direction=icicle&mode=inverted")
    click_frame(page, 1, 0.02)
    # Self time of fib, in one frame: recursion is merged before.
    assert detail(page)[""] == "views.fib"
    assert detail(page)["total"] == "2.75 s (27.5 %)"
    click_frame(page, 2, 0.1)
    assert detail(page)["total"] == "1.75 s (17.5 %)"


def many_callers(exact: bool) -> Node:
    """A function of a hundredth of a percent with two callers, beside one of all the rest."""
    tiny = [frame(("/srv/a.py", 9, "tiny"), 0.0005, 1) for _ in "ab"]
    ones = [
        frame(("/srv/a.py", n, name), 0.0, 1, one)
        for n, name, one in zip((1, 2), "ab", tiny, strict=True)
    ]
    tree = frame(ROOT, 0.0, 5, *ones, frame(JOB, 10.0, 1))
    for _, node in tree.walk():
        node.exact = exact or node is tree
        node.guessed = 0.0 if node.exact else node.self_time
    tree.add_up()
    return tree


@pytest.mark.parametrize("exact", [True, False])
def test_callers_of_a_small_function_are_told_apart(visit: Open, exact: bool) -> None:
    page = visit(many_callers(exact), address="direction=icicle")
    page.locator("#functions").get_by_role("button", name="a.tiny").click()
    press(page, "c")
    for share, name in ((0.2, "a.a"), (0.8, "a.b")):
        click_frame(page, 1, share)
        assert detail(page)[""] == name
        assert detail(page)["stack"] == ("exact" if exact else "an estimate")
        press(page, "0")
    assert detail(page)["stack"] == ("exact" if exact else "an estimate")


def test_from_a_sandwich_the_keys_lead_to_its_callers(visit: Open) -> None:
    page = visit()
    page.locator("#functions").get_by_role("button", name="json.dumps").click()
    settle(page)
    press(page, "ArrowDown")
    assert crumbs(page) == ["search"]
    press(page, "Escape")
    assert page.input_value("#mode") == "stacks"


def test_a_sandwich_of_what_is_gone_becomes_the_stacks(visit: Open) -> None:
    slow = frame(ROOT, 0.0, 1, frame(SEARCH, 4.0, 1))
    slow.add_up()
    page = visit(routes={"/a": sample(), "/b": slow})
    page.locator("#functions").get_by_role("button", name="json.dumps").click()
    settle(page)
    page.select_option("#subject", label="/b")
    settle(page)
    assert page.input_value("#mode") == "stacks"
    assert crumbs(page) == ["all"]


def test_the_notes_of_all_are_not_those_of_a_part(visit: Open) -> None:
    slow = frame(ROOT, 0.0, 1, frame(SEARCH, 4.0, 1))
    slow.add_up()
    page = visit(routes={"/a": sample(), "/b": slow}, notes=["241 requests, 14.0 s"])
    assert "241 requests" in text(page, ".notes")
    page.select_option("#subject", label="/b")
    settle(page)
    assert text(page, ".notes") == "/b: 4.00 s. All stacks are exact."


def test_what_was_merged_has_a_line_of_its_own(visit: Open) -> None:
    tree = frame(ROOT, 0.0, 1, frame(JOB, 9.0, 1), frame(FIB, 0.4, 1), frame(SEARCH, 0.6, 1))
    tree.add_up()
    page = visit(tree, threshold=10.0)
    assert list(table(page)) == ["jobs.rebuild", "callees too small to show one by one"]
    assert table(page)["callees too small to show one by one"][:2] == ("1.00 s", "1.00 s")


def test_recursion_is_merged_and_totals_stay(visit: Open) -> None:
    page = visit()
    assert "13 frames" in page.evaluate("document.getElementById('canvas').ariaLabel")
    assert table(page) == expected(sample())


def test_hiding_what_is_between_merges_what_is_left(visit: Open) -> None:
    inner = frame(SEARCH, 1.0, 3)
    tree = frame(ROOT, 0.0, 6, frame(SEARCH, 1.0, 1, frame(WSGI, 1.0, 2, inner)))
    tree.add_up()
    page = visit(tree, address="direction=icicle&framework=hide")
    assert table(page) == {"views.search": ("3.00 s", "3.00 s", "4")}
    press(page, "ArrowDown", "ArrowDown")
    assert crumbs(page) == ["all", "search"]


@pytest.mark.parametrize(
    ("kind", "folded", "gone"),
    [
        ("generated", "[generated]", "make"),
        ("framework", "[flask]", "app.wsgi_app"),
        ("package", "[sqlalchemy]", "query.fetch_all"),
        ("stdlib", "[stdlib]", "json.dumps"),
        ("C", "[C]", "str.encode"),
    ],
)
def test_libraries_fold_and_hide(visit: Open, kind: str, folded: str, gone: str) -> None:
    page = visit()
    whole = table(page)
    for how in ("fold", "hide"):
        page.locator("#library summary").click()
        page.select_option(f"[data-kind={kind}]", how)
        settle(page)
        page.keyboard.press("Escape")
        rows = table(page)
        assert gone not in rows
        assert detail(page)["total"] == "10.0 s (100.0 %)"
        if how == "fold":
            assert rows[folded] == whole[gone]
        else:
            assert folded not in rows
        page.locator("h1").click()


def test_hidden_time_counts_for_the_caller(visit: Open) -> None:
    page = visit(address="C=hide&stdlib=hide&package=hide")
    assert table(page)["views.search"] == ("3.50 s", "6.50 s", "2")
    assert table(page)["views.fib"][0] == "~3.00 s"


def test_a_column_sorts_and_sorts_back(visit: Open) -> None:
    page = visit()
    heads = page.locator("#functions th")
    page.locator("[data-sort=name]").click()
    settle(page)
    assert list(table(page)) == sorted(table(page))
    assert heads.nth(3).get_attribute("aria-sort") == "ascending"
    page.locator("[data-sort=name]").click()
    settle(page)
    assert list(table(page)) == sorted(table(page), reverse=True)
    page.locator("[data-sort=total]").click()
    settle(page)
    assert next(iter(table(page))) == "app.wsgi_app"
    assert heads.nth(1).get_attribute("aria-sort") == "descending"
    assert heads.nth(3).get_attribute("aria-sort") is None


def test_a_long_table_opens_on_demand(visit: Open) -> None:
    tree = frame(
        ROOT, 0.0, 1, *(frame(("/srv/a.py", line, f"f{line}"), 1.0, 1) for line in range(150))
    )
    tree.add_up()
    page = visit(tree)
    assert len(table(page)) == 100
    page.get_by_role("button", name="Show all 150 functions").click()
    settle(page)
    assert len(table(page)) == 150


def test_plateaus_are_the_most_self_time_and_lead_there(visit: Open) -> None:
    page = visit()
    rows = page.locator("#plateaus li").all_inner_texts()
    assert rows[0].split("\n")[:3] == [
        "views.fib 27.5 %, ~2.75 s",
        "1.75 s search",
        "1.00 s rebuild",
    ]
    assert page.locator("#waits li").all_inner_texts() == [
        "views.search 10.0 %, 1.00 s\n1.00 s wsgi_app"
    ]
    assert page.locator("#waits-head").is_visible()
    page.locator("#plateaus .stack .link").first.click()
    settle(page)
    assert crumbs(page) == ["all", "wsgi_app", "search", "fib"]


def test_subjects_are_chosen_by_name(visit: Open) -> None:
    slow = frame(ROOT, 0.0, 1, frame(SEARCH, 4.0, 1))
    slow.add_up()
    page = visit(routes={"/a": sample(), "/b": slow}, requests={"x": sample(), "4.00 s": slow})
    page.select_option("#subject", label="/b")
    settle(page)
    assert table(page) == {"views.search": ("4.00 s", "4.00 s", "1")}
    page.select_option("#subject", label="4.00 s")
    settle(page)
    assert "subject=4" in page.url
    page.reload()
    settle(page)
    assert table(page) == {"views.search": ("4.00 s", "4.00 s", "1")}


def test_the_address_keeps_the_view(visit: Open) -> None:
    page = visit(address="direction=icicle")
    click_frame(page, 2, 0.3)
    page.fill("#search", "fib")
    page.select_option("#colour", "exactness")
    page.locator("#theme").click()
    settle(page)
    page.reload()
    settle(page)
    assert crumbs(page) == ["all", "wsgi_app", "search"]
    assert page.input_value("#search") == "fib"
    assert page.input_value("#colour") == "exactness"
    assert page.evaluate("document.documentElement.dataset.theme") == "light"


@pytest.mark.parametrize(
    "address",
    [
        *("at=99.7", "subject=7&mode=sandwich&fn=-4", "window=2..1", "window=NaN..1", "%%%"),
        *("colour=x&sort=", "toString=1&constructor=2&__proto__=3", "mode=callers&fn=99"),
    ],
)
def test_an_address_that_makes_no_sense_shows_everything(visit: Open, address: str) -> None:
    page = visit(address=address)
    assert crumbs(page) == ["all"]
    assert len(table(page)) == 9


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_exactness_and_theme_have_their_colours(visit: Open, scheme: str) -> None:
    page = visit(address="direction=icicle&colour=exactness", options={"color_scheme": scheme})
    exact, guessed = colour_at(page, 1, 0.3), colour_at(page, 1, 0.9)
    assert (exact, guessed) == {
        "light": ("#bfe3c4", "#f6c79f"),
        "dark": ("#27543a", "#6b4018"),
    }[scheme]
    page.evaluate("document.getElementById('theme').click()")
    settle(page)
    assert colour_at(page, 1, 0.3) == "#bfe3c4"


def test_the_theme_follows_the_system_while_the_page_is_open(visit: Open) -> None:
    page = visit(address="direction=icicle&colour=exactness")
    page.emulate_media(color_scheme="dark")
    settle(page)
    assert colour_at(page, 1, 0.3) == "#27543a"


def test_the_picture_is_as_sharp_as_the_screen_and_follows_its_size(visit: Open) -> None:
    page = visit(options={"device_scale_factor": 2})
    size = "[canvas.width, canvas.clientWidth]"
    drawn, shown = page.evaluate(size)
    assert drawn == 2 * shown
    page.set_viewport_size({"width": 1000, "height": 500})
    settle(page)
    assert page.evaluate(size)[1] < shown
    assert page.evaluate(size)[0] == 2 * page.evaluate(size)[1]


def test_wheel_with_control_zooms_where_the_pointer_is(visit: Open) -> None:
    page = visit(address="direction=icicle")
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 30)
    page.evaluate("heard = 0; addEventListener('wheel', () => { heard += 1; })")
    page.keyboard.down("Control")
    for turned in range(1, 9):
        page.mouse.wheel(0, -60)
        page.wait_for_function(f"heard === {turned}")  # or a busy browser adds two up
    page.keyboard.up("Control")
    press(page, "d")  # writes the window at once
    low, high = window_of(page)
    assert high - low < 0.05
    assert low < 0.9 < high
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 30, steps=5)
    page.mouse.up()
    press(page, "d")  # writes the window at once
    assert window_of(page)[0] > low


def test_a_drag_ends_where_the_button_is_released(visit: Open) -> None:
    page = visit(address="direction=icicle&window=0.2..0.6")
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 300, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 100)
    page.mouse.move(box["x"] + 200, 3)
    page.mouse.up()
    press(page, "d")
    before = window_of(page)
    page.mouse.move(box["x"] + 100, box["y"] + 100, steps=3)
    press(page, "d")
    assert window_of(page) == before != (0.2, 0.6)


def test_two_fingers_zoom(visit: Open) -> None:
    page = visit(address="direction=icicle", options={"has_touch": True})
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *places: int) -> None:
        points = [{"x": x, "y": 250, "id": number} for number, x in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 300, 400)
    for spread in range(0, 101, 20):
        touch("touchMove", 300 - spread, 400 + spread)
    touch("touchEnd")
    low, high = window_of(page)
    assert high - low == pytest.approx(1 / 3, abs=0.1)


def test_the_tip_tells_of_the_frame_below_the_pointer(visit: Open) -> None:
    page = visit(address="direction=icicle")
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + ROW * 1.5)
    assert text(page, "#tip").split("\n") == [
        "jobs.rebuild",
        "jobs.py:80",
        "total 3.00 s (30.0 %), self 1.75 s, 1.5 calls",
        "an estimate",
    ]
    page.mouse.move(5, 5)
    assert page.locator("#tip").is_hidden()


def test_the_place_can_be_copied(visit: Open) -> None:
    page = visit(address="direction=icicle", options={"permissions": ["clipboard-write"]})
    click_frame(page, 2, 0.3)
    page.get_by_role("button", name="Copy /srv/shop/views.py:12").click()
    page.get_by_text("Copied").wait_for()


def test_source_is_shown_where_it_is_in_the_page(visit: Open, tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text("def search(text):\n    return '<b>' + text\n")
    f = (str(file), 1, "search")
    tree = frame(ROOT, 0.0, 1, frame(f, 2.0, 1))
    tree.add_up()
    page = visit(tree, address="direction=icicle", source=True)
    click_frame(page, 1, 0.3)
    assert text(page, "#detail pre") == "1  def search(text):\n2      return '<b>' + text"


def test_what_tracing_added_is_told_where_it_is_known(visit: Open) -> None:
    tree = sample()
    tree.children[WSGI].overhead = 0.25
    assert detail(visit(tree))["untraced"] == "about 9.75 s, an estimate"
    assert "untraced" not in detail(visit())


@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_has_room_for_all_of_it(visit: Open, width: int) -> None:
    page = visit(
        options={"viewport": {"width": width, "height": 700}}, title="profiles/ — " + "x" * 60
    )
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert len(table(page)) == 9
    page.locator("#library summary").click()
    page.select_option("[data-kind=C]", "hide")
    settle(page)
    assert "str.encode" not in table(page)


def test_deep_stacks_scroll_and_keep_their_place(visit: Open) -> None:
    chain = frame(("/srv/a.py", 300, "f300"), 1.0, 1)
    for line in range(299, 0, -1):
        chain = frame(("/srv/a.py", line, f"f{line}"), 0.0, 1, chain)
    tree = frame(ROOT, 0.0, 1, chain)
    tree.add_up()
    page = visit(tree)
    host = "document.getElementById('flame')"
    assert page.evaluate(f"{host}.scrollTop + {host}.clientHeight") == 301 * ROW
    press(page, *["ArrowUp"] * 60)
    assert detail(page)[""] == "a.f60"
    assert page.evaluate(f"{host}.scrollTop") < (301 - 60) * ROW


def test_an_empty_profile_says_so_and_does_not_fail(visit: Open) -> None:
    page = visit(Node(ROOT), address="direction=icicle")
    assert table(page) == {}
    assert text(page, "#trust") == "No time was recorded."
    assert page.locator("#plateaus").is_hidden()
    assert colour_at(page, 0, 0.9) == shade("").light
    press(page, "+", "-")
    assert "NaN" not in page.url
    press(page, "f")
    assert detail(page)["total"] == "0 s (100.0 %)"
    press(page, "ArrowUp", "v", "a", "f", "n")
    assert crumbs(page) == ["all"]


def audit(page: Page) -> list[str]:
    """What axe-core finds that is serious or worse."""
    need("axe-core (scripts/consumers)", AXE.exists())
    # Its own script may not run in the page under the page's policy, but a debugger's may.
    page.evaluate(AXE.read_text() + "; 0")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {[node['target'] for node in one['nodes']]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "address", ["", "query=fib&at=1.2", "mode=sandwich&fn=2&colour=self", "query=("]
)
def test_no_barrier_that_axe_knows(visit: Open, scheme: str, address: str) -> None:
    page = visit(
        address=address,
        options={"color_scheme": scheme},
        routes={"/a": sample(), "/b": sample()},
    )
    assert audit(page) == []
    page.keyboard.press("?")
    assert audit(page) == []


ANYTHING = st.text(st.characters(exclude_categories=()), max_size=12)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(ANYTHING, min_size=1, max_size=8, unique=True), ANYTHING)
def test_any_names_are_shown_as_they_are(visit: Open, given_names: list[str], title: str) -> None:
    functions = [(f"/srv/{name}.py", 1, name) for name in given_names]
    tree = frame(ROOT, 0.0, 1, *(frame(f, 1.0, 1) for f in functions))
    tree.add_up()
    page = visit(tree, title=title, routes=dict.fromkeys(given_names, tree))
    shown = [row.text_content() for row in page.locator("#functions td .link").all()]
    assert sorted(filter(None, shown)) == sorted(names.label(f) for f in functions)
    assert page.locator("h1").text_content() == names.clean(title)
    options = page.locator("#subject option").all_text_contents()
    if len(given_names) > 1:
        assert options[1:] == [names.clean(name) for name in given_names]


VALUES = [0, 1e-9, 7.89e-6, 0.000456, 0.00099999, 0.0456, 0.9994, 0.99951, 1.234, 12345, 1e6]
TIES = [0.002125, 0.0625, 2.125, 10.25, 0.01025, 1.005, 8.345, 100.5]


def test_figures_in_the_page_are_those_of_the_command(visit: Open) -> None:
    """A person compares them; halves are rounded alike too."""
    small, rest = 1 / 16, 15 / 16
    functions = {("/srv/a.py", n, f"f{n}"): value for n, value in enumerate(VALUES + TIES)}
    tree = frame(ROOT, 0.0, 1, *(frame(f, value, value) for f, value in functions.items()))
    tree.add_up()
    page = visit(tree)
    said = {name: (own, calls) for name, (own, _, calls) in table(page).items()}
    assert said == {
        names.label(f): (seconds(value), count(value)) for f, value in functions.items()
    }
    halves = frame(ROOT, 0.0, 1, frame(FIB, small, 1), frame(JOB, rest, 1))
    halves.add_up()
    page = visit(halves, address="direction=icicle")
    click_frame(page, 1, 0.99)
    assert detail(page)["total"] == f"{seconds(small)} ({percent(small, 1)})"
