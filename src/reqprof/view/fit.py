"""Making text fit a number of columns, wide and combining characters counted as they are drawn."""

from __future__ import annotations

from itertools import accumulate, takewhile
from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

if TYPE_CHECKING:
    from collections.abc import Iterable


def columns(text: str) -> int:
    """The width of a text in characters of a monospaced font."""
    return len(text) if text.isascii() else sum(map(_width, text))


def cut(text: str, room: float) -> str:
    """The text, or as much of its beginning as fits into ``room`` columns with an ellipsis."""
    if columns(text) <= room:
        return text
    kept = _fitting(text, room - 1)
    return f"{text[:kept]}…" if kept else ""


def cut_left(text: str, room: float) -> str:
    """The text, or as much of its end as fits into ``room`` columns with an ellipsis."""
    if columns(text) <= room:
        return text
    kept = _fitting(reversed(text), room - 1)
    return f"…{text[-kept:]}" if kept else ""


def _fitting(characters: Iterable[str], room: float) -> int:
    """How many of the characters fit, in one pass, for a name may be a megabyte."""
    return sum(
        1 for _ in takewhile(lambda width: width <= room, accumulate(map(_width, characters)))
    )


def _width(character: str) -> int:
    if combining(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1
