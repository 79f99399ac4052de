"""Tables of text: aligned, cropped to a terminal, whole where they go into a pipe or file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from reqprof.cli.talk import Screen, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

GAP = "  "
ELLIPSIS = "…"
NARROWEST = 12
"""Columns that a cropped column keeps, even if the row then does not fit."""


@dataclass(frozen=True, slots=True)
class Column:
    """``title`` heads it; ``crop`` says where text may be left out when the terminal is narrow.

    Where that does not suffice, columns with a ``spare`` number go, the lowest first.
    """

    title: str
    right: bool = False
    crop: Literal["no", "start", "middle"] = "no"
    spare: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A text for each column, and the styles (see talk.STYLES) of those that have one."""

    cells: Sequence[str]
    styles: dict[int, str] = field(default_factory=dict)


def lines(columns: Sequence[Column], rows: Sequence[Row], screen: Screen) -> Iterator[str]:
    """The table line by line, its head first; no line is wider than the screen."""
    head = Row([column.title for column in columns], dict.fromkeys(range(len(columns)), "head"))
    table = [Row([printable(cell) for cell in row.cells], row.styles) for row in (head, *rows)]
    places = _places(columns, table, screen.width)
    for row in table:
        yield _line(columns, row, places, screen)


def crop(text: str, width: int, where: Literal["no", "start", "middle"]) -> str:
    """``text`` in at most ``width`` columns of a terminal, what is missing shown by an ellipsis."""
    if where == "no" or cells(text) <= width:
        return text
    tail_room = width - 1 if where == "start" else (width - 1) // 2
    tail = _take(text[::-1], tail_room)[::-1]
    head = _take(text, width - 1 - cells(tail)) if where == "middle" else ""
    return head + ELLIPSIS + tail


def cells(text: str) -> int:
    """The columns that ``text`` takes on a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _take(text: str, width: int) -> str:
    """As much of the beginning of ``text`` as fits."""
    if text.isascii():
        return text[:width]
    end = 0
    while end < len(text) and (width := width - cells(text[end])) >= 0:
        end += 1
    return text[:end]


def _places(
    columns: Sequence[Column], table: Sequence[Row], limit: int | None
) -> list[tuple[int, int]]:
    """Which columns to show and how wide, the most that ``limit`` allows."""
    widths = [max(cells(row.cells[at]) for row in table) for at in range(len(columns))]
    places = list(enumerate(widths))
    if limit is None:
        return places
    spares = sorted((column.spare, at) for at, column in enumerate(columns) if column.spare)
    least = [
        min(NARROWEST, width) if column.crop != "no" else width
        for column, width in zip(columns, widths, strict=True)
    ]
    while spares and _total(least[at] for at, _ in places) > limit:
        gone = spares.pop(0)[1]
        places = [place for place in places if place[0] != gone]
    return _squeeze(places, columns, limit)


def _squeeze(
    places: list[tuple[int, int]], columns: Sequence[Column], limit: int
) -> list[tuple[int, int]]:
    """The columns that can be cropped made narrower, the widest first, until all fit."""
    widths = dict(places)
    soft = [at for at in widths if columns[at].crop != "no"]
    while soft and _total(widths.values()) > limit:
        widest = max(soft, key=lambda at: widths[at])
        if widths[widest] == 1:
            break
        widths[widest] -= 1
    return list(widths.items())


def _total(widths: Iterable[int]) -> int:
    widths = list(widths)
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _line(
    columns: Sequence[Column], row: Row, places: Sequence[tuple[int, int]], screen: Screen
) -> str:
    parts = []
    for at, width in places:
        column = columns[at]
        text = crop(row.cells[at], width, column.crop)
        pad = " " * (width - cells(text))
        painted = screen.paint(text, row.styles.get(at, ""))
        parts.append(pad + painted if column.right else painted + pad)
    if not columns[places[-1][0]].right:
        parts[-1] = parts[-1].rstrip(" ")
    return GAP.join(parts)
