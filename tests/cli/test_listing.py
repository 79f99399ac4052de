"""Tables of text on narrow and on endless pages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqprof.cli.listing import Column, Row, cells, crop, lines
from reqprof.cli.talk import Screen

COLUMNS = [
    Column("rank"),
    Column("when", spare=1),
    Column("took", right=True),
    Column("route", crop="middle"),
]
texts = st.text(st.characters(codec="utf-8"), max_size=60)
rows = st.lists(st.tuples(texts, texts, texts, texts).map(lambda cells: Row(cells)), max_size=6)


def test_columns_are_aligned_and_the_last_has_no_blanks_behind() -> None:
    table = [Row(["@1", "noon", "1.50s", "/a"]), Row(["@10", "noon", "9ms", "/longer"])]

    assert list(lines(COLUMNS, table, Screen())) == [
        "rank  when   took  route",
        "@1    noon  1.50s  /a",
        "@10   noon    9ms  /longer",
    ]


@given(rows)
def test_without_a_width_nothing_is_cropped(table: list[Row]) -> None:
    printed = list(lines(COLUMNS, table, Screen()))

    assert len(printed) == len(table) + 1
    assert not any("…" in line for line in printed if "…" not in str(table))


@given(st.text(max_size=60), st.integers(min_value=40, max_value=120))
def test_no_line_is_wider_than_the_terminal(route: str, width: int) -> None:
    table = [Row(["@1", "2026-07-01", "1.50s", route])]

    assert all(cells(line) <= width for line in lines(COLUMNS, table, Screen(width)))


def test_a_narrow_terminal_crops_the_route_then_drops_spare_columns() -> None:
    table = [Row(["@1", "noonnoon", "1.50s", "/api/v1/users/{id}/orders"])]

    assert list(lines(COLUMNS, table, Screen(40)))[1] == "@1    noonnoon  1.50s  /api/v1/…}/orders"
    assert list(lines(COLUMNS, table, Screen(27)))[1] == "@1    1.50s  /api/v1…orders"


@pytest.mark.parametrize(
    ("text", "where", "cropped"),
    [
        ("/api/users", "middle", "/api/users"),
        ("/api/v1/users", "middle", "/api/…sers"),
        ("/api/v1/users", "start", "…i/v1/users"),
        ("日本語日本語日本語", "middle", "日本…本語"),
    ],
)
def test_cropped_text_shows_where_it_was_cut(text: str, where: str, cropped: str) -> None:
    assert crop(text, 10 if where == "middle" else 11, where) == cropped  # type: ignore[arg-type]


@given(
    st.text(max_size=40),
    st.integers(min_value=1, max_value=40),
    st.sampled_from(["start", "middle"]),
)
def test_cropped_text_fits(text: str, width: int, where: str) -> None:
    assert cells(crop(text, width, where)) <= width  # type: ignore[arg-type]


def test_what_a_client_sent_cannot_steer_the_terminal() -> None:
    table = [Row(["@1", "", "", "/\x1b[2J\r\n\x9b/\u202e/\udce9"])]

    (line,) = list(lines(COLUMNS, table, Screen()))[1:]

    assert line.endswith(r"/\x1b[2J\r\n\x9b/\u202e/\udce9")


def test_styles_are_painted_only_on_a_screen_with_colour() -> None:
    table = [Row(["@1", "noon", "1s", "/a"], {3: "bad"})]

    assert list(lines(COLUMNS, table, Screen(80, colour=True)))[1].endswith("\x1b[31m/a\x1b[0m")
    assert "\x1b" not in "".join(lines(COLUMNS, table, Screen(80)))
