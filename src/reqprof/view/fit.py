"""Making text fit a number of columns, wide and combining characters counted as they are drawn."""

from __future__ import annotations

from unicodedata import combining, east_asian_width


def columns(text: str) -> int:
    """The width of a text in characters of a monospaced font."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, room: float) -> str:
    """The text, or as much of its beginning as fits into ``room`` columns with an ellipsis."""
    if columns(text) <= room:
        return text
    while text and columns(text) > room - 1:
        text = text[:-1]
    return f"{text}…" if text else ""


def cut_left(text: str, room: float) -> str:
    """The text, or as much of its end as fits into ``room`` columns with an ellipsis."""
    if columns(text) <= room:
        return text
    while text and columns(text) > room - 1:
        text = text[1:]
    return f"…{text}" if text else ""
