"""Sizes as arguments: bytes, or what people write."""

from __future__ import annotations

import pytest

from reqprof.sizes import format_size, parse_size

pytestmark = pytest.mark.recording


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("17 b", 17),
        ("200MB", 200_000_000),
        ("1.5 GiB", 3 << 29),
        ("64m", 64 << 20),
        (" 2kB ", 2000),
        (".5k", 512),
        ("1e6", 1_000_000),
        ("3TB", 3 * 10**12),
    ],
)
def test_a_size_is_bytes_or_has_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1", "1 xB", "nan", "inf", "1ib", "1e999", "\u0661MB"])
def test_what_is_none_is_refused_with_its_value(text: str) -> None:
    with pytest.raises(ValueError, match="is no size") as caught:
        parse_size(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_600, "1 MB"), (1.5e9, "1.5 GB")],
)
def test_three_digits_are_shown(size: float, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize("size", [0, 7, 1_230, 45_600_000, 7_890_000_000, 1_000_000_000_000])
def test_what_is_shown_is_taken_back(size: int) -> None:
    assert parse_size(format_size(size)) == size
