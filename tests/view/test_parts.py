"""Figures, colours, fitting and the registry: the small parts of every view."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqprof.errors import UsageError
from reqprof.view import FORMATS, by_name, format_of
from reqprof.view.colour import HEAT, INK, heat, oklch, shade, warm
from reqprof.view.figures import count, percent, seconds
from reqprof.view.fit import columns, cut, cut_left
from tests.view.contrast import contrast, luminance


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0 s"),
        (1e-9, "0.00 µs"),
        (7.891e-6, "7.89 µs"),
        (0.000456, "456 µs"),
        (0.00099999, "1.00 ms"),
        (0.0456, "45.6 ms"),
        (0.9994, "999 ms"),
        (0.99951, "1.00 s"),
        (1.234, "1.23 s"),
        (12345, "12,345 s"),
    ],
)
def test_seconds_have_three_digits(value: float, expected: str) -> None:
    assert seconds(value) == expected


def test_percent_of_nothing_is_all_of_it() -> None:
    assert percent(1, 8) == "12.5 %"
    assert percent(0, 0) == "100.0 %"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0"), (7, "7"), (1234, "1,234"), (0.01, "<0.1"), (0.44, "0.4"), (2.0, "2"), (12.6, "13")],
)
def test_counts(value: float, expected: str) -> None:
    assert count(value) == expected


@given(st.text(max_size=8))
def test_text_can_be_read_on_every_colour(package: str) -> None:
    """WCAG asks for 4.5 at least."""
    fill = shade(package)
    assert contrast(fill.light, INK.light) > 7
    assert contrast(fill.dark, INK.dark) > 4.5


@given(st.text(max_size=8), st.floats(0, 1))
def test_text_can_be_read_on_the_colours_of_names_and_of_heat(name: str, share: float) -> None:
    for fill in (warm(name), heat(share)):
        assert contrast(fill.light, INK.light) >= 4.5
        assert contrast(fill.dark, INK.dark) >= 4.5


def test_heat_grows_with_the_share() -> None:
    shares = [0, 0.0009, 0.001, 0.005, 0.02, 0.05, 0.1, 0.9]
    light = [luminance(heat(share).light) for share in shares]
    assert light == sorted(light, reverse=True)
    assert len(set(light)) == len(HEAT)
    assert heat(-1e-18) == heat(0)


@pytest.mark.parametrize("package", ["", "app", "stdlib", "C", "waiting"])
def test_text_can_be_read_on_the_fixed_colours(package: str) -> None:
    assert contrast(shade(package).light, INK.light) > 7
    assert contrast(shade(package).dark, INK.dark) > 4.5


def test_a_package_keeps_its_colour() -> None:
    assert shade("flask") == shade("flask")
    together = ["app", "stdlib", "C", "flask", "werkzeug", "jinja2", "sqlalchemy", "markupsafe"]
    assert len({shade(package).light for package in together}) == len(together)


def test_oklch_of_known_colours() -> None:
    assert oklch(1, 0, 0) == "#ffffff"
    assert oklch(0, 0, 0) == "#000000"
    assert oklch(0.62796, 0.25768, 29.234) == "#ff0000"


@given(st.text(max_size=20), st.integers(0, 12))
def test_cut_text_fits(text: str, room: int) -> None:
    assert columns(cut(text, room)) <= room
    assert columns(cut_left(text, room)) <= room


def test_cut_keeps_the_right_end() -> None:
    assert cut("abcdef", 4) == "abc…"
    assert cut_left("abcdef", 4) == "…def"
    assert columns("搜a\u0301") == 3


def test_a_name_of_a_megabyte_is_cut_at_once() -> None:
    name = "名" * 1_000_000
    assert cut(name, 11) == "名名名名名…"
    assert cut_left(name, 11) == "…名名名名名"


def test_every_format_has_a_view_and_extensions_of_its_own() -> None:
    seen: set[str] = set()
    for name, one in FORMATS.items():
        assert callable(by_name(name))
        for extension in one.extensions:
            assert format_of(Path(f"x{extension.upper()}")) == name
        assert seen.isdisjoint(one.extensions)
        seen.update(one.extensions)


def test_unknown_formats_are_wrong_usage() -> None:
    with pytest.raises(UsageError, match="no format 'gif': choose one of svg, html, text"):
        by_name("gif")
    with pytest.raises(UsageError, match=r"x\.gif has the extension '\.gif', .* use \.svg"):
        format_of(Path("x.gif"))
    with pytest.raises(UsageError, match="picture has no extension"):
        format_of(Path("picture"))


def test_durations_grow_with_their_words() -> None:
    """No step between units goes backwards."""
    units = {"µs": 1e-6, "ms": 1e-3, "s": 1.0}
    values = [10 ** (e / 50) for e in range(-350, 150)]
    read = [seconds(v).replace(",", "").split() for v in values]
    numbers = [float(number) * units[unit] for number, unit in read]
    assert all(a <= b * 1.0001 for a, b in pairwise(numbers))
