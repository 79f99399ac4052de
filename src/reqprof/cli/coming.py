"""The requests that an order has had, as they come, and their lines on a terminal."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from reqprof.cli.listing import Column, Row, lines
from reqprof.cli.params import format_duration
from reqprof.cli.request import method, note, route, status
from reqprof.cli.talk import Screen, emit
from reqprof.store import claims
from reqprof.store.control import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reqprof.store.claims import Taken
    from reqprof.store.control import Order

LOST: Final = 30.0
"""Seconds until a place is free again that was taken, and no profile came of it."""

WIDE: Final = 100
"""Columns from which a whole date and a whole id leave enough for the route."""

COLUMNS = [
    Column("id", spare=5),
    Column("UTC", spare=3),
    Column("took", right=True),
    Column("traced", right=True, spare=2),
    Column("method", spare=4),
    Column("status"),
    Column("route", crop="middle"),
    Column("file", spare=1),
]


class Coming:
    """What comes of one order; ``taken`` has all that came, in the order of their coming."""

    def __init__(self, folder: Path, order: Order) -> None:
        self.taken: list[Taken] = []
        self.pending = 0  # that have ended, and are not stored yet
        self._folder = folder / FOLDER
        self._order = order
        self._seen: set[int] = set()

    def new(self) -> Iterator[Taken]:
        """Those that have come since the last time."""
        self.pending = 0
        for number, path in claims.find(self._folder, self._order).items():
            if number in self._seen:
                continue
            taken = claims.read(path)
            if taken is None:
                self.pending += 1
                _give_back(path)
                continue
            self._seen.add(number)
            self.taken.append(taken)
            yield taken


def _give_back(path: Path) -> None:
    """The place of a process that was killed in the midst of storing."""
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > LOST:
            path.unlink()


class Listing:
    """A table whose lines are printed one by one; no line is wider than the terminal."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._screen = Screen.of_stdout()
        wide = self._screen.width is None or self._screen.width >= WIDE
        self._clock = "%Y-%m-%dT%H:%M:%SZ" if wide else "%H:%M:%S"
        self._id = 12 if wide else 8
        # What makes the columns as wide as later lines may need.
        self._rows = [Row(["", "", "~12.3ms", "12.3ms", "", "", "", ""])]

    def add(self, taken: Taken) -> None:
        """Print the line of one more, after the head where it is the first."""
        self._rows.append(self._row(taken))
        head, _, *rows = lines(COLUMNS, self._rows, self._screen)
        emit([head, *rows] if len(rows) == 1 else rows[-1:])

    def _row(self, taken: Taken) -> Row:
        request = taken.request
        remark = note(request)
        estimate = "~" if request.untraced != request.duration else ""
        cells = [
            request.id[: self._id],
            datetime.fromtimestamp(request.start, UTC).strftime(self._clock),
            f"{estimate}{format_duration(request.untraced)}",
            format_duration(request.duration),
            method(request),
            status(request),
            f"{route(request)} ({remark})" if remark else route(request),
            str(self._folder / taken.file),
        ]
        failed = request.exception or (request.status or 0) >= 500
        styles = {5: "bad", 6: "bad"} if failed else {6: "quiet"} if request.guessed else {}
        return Row(cells, {0: "quiet", 1: "quiet", 3: "quiet", 7: "quiet"} | styles)
