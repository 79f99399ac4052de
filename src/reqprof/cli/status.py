"""Show what each process that writes to a folder does, and what goes wrong.

DIR is the folder that the middleware writes to ("profiles" if not given). One row for each process
and middleware: how long ago it was heard, the requests that it has timed, those that it profiled,
or watched, the profiles that are stored, not kept, or lost; requests that were skipped, though
chosen; what it has written; its rate, as a budget leaves it, and what profiling cost of the
process's CPU in the last minute, where there is a budget. Processes say so every five seconds, from
their first request on. Below are the reasons, added over the rows, and the last trouble of each
process.

A process that was not heard for 15 seconds has ended, or hangs: --all lists it too. --watch shows
it all anew every two seconds, until Ctrl-C.

--json prints one JSON array with all that the processes say; times are seconds since 1970, UTC.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from reqprof.cli import gather
from reqprof.cli.listing import Column, Row, lines
from reqprof.cli.params import format_duration
from reqprof.cli.talk import Screen, emit, emit_json, plural, printable, say
from reqprof.errors import NotFound, UsageError
from reqprof.sizes import format_size
from reqprof.store import status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reqprof.store.status import Status

SILENT: Final = 15.0
"""Seconds after which a process is thought to have ended."""

EVERY: Final = 2.0

COLUMNS = [
    Column("process", crop="start"),
    Column("heard", right=True, spare=6),
    Column("timed", right=True),
    Column("profiled", right=True),
    Column("watched", right=True, spare=8),
    Column("stored", right=True),
    Column("not kept", right=True, spare=5),
    Column("lost", right=True),
    Column("skipped", right=True),
    Column("failed", right=True, spare=4),
    Column("in flight", right=True, spare=2),
    Column("written", right=True, spare=3),
    Column("rate", right=True, spare=1),
    Column("cost", right=True, spare=7),
]
LOST = ("dropped", "unwritten")


@click.command(help=__doc__)
@click.argument(
    "folder", metavar="[DIR]", default=gather.DEFAULT_FOLDER, type=click.Path(path_type=Path)
)
@click.option("--watch", is_flag=True, help="Show it anew every two seconds.")
@click.option("--all", "everyone", is_flag=True, help="Those too that were not heard for long.")
@click.option("--json", "as_json", is_flag=True, help="A JSON array instead of a table.")
def command(folder: Path, watch: bool, everyone: bool, as_json: bool) -> int:
    """Print it; gives the exit status."""
    if watch and as_json:
        raise UsageError("--watch is for people; call --json again and again instead")
    if watch:
        _watch(folder, everyone=everyone)
    found = _found(folder, time.time(), everyone=everyone)
    if as_json:
        emit_json([asdict(one) for one in found])
    else:
        emit(_page(found, time.time(), Screen.of_stdout()))
    return 0


def _watch(folder: Path, *, everyone: bool) -> None:
    while True:
        screen = Screen.of_stdout()
        try:
            page = _page(_found(folder, time.time(), everyone=everyone), time.time(), screen)
        except NotFound as error:  # it may begin any moment
            page = [str(error)]
        if screen.width is not None:
            click.clear()
        emit(page)
        time.sleep(EVERY)


def _found(folder: Path, moment: float, *, everyone: bool) -> list[Status]:
    """Those to be shown; raises NotFound where there are none."""
    if folder.is_file():
        raise UsageError(f"{folder} is a file, not a folder")
    if not folder.exists():
        raise NotFound(f"no folder {str(folder)!r}; name the one that the middleware writes to")
    found = status.read(folder)
    alive = [one for one in found if moment - one.written <= SILENT]
    if not found:
        raise NotFound(
            f"no process has written to {folder} yet; they begin with their first request"
        )
    if not alive and not everyone:
        last = max(one.written for one in found)
        raise NotFound(
            f"no process of {folder} was heard for {format_duration(moment - last)};"
            f" --all lists {plural(len(found), 'process', 'processes')} of before"
        )
    if len(alive) < len(found) and not everyone:
        say(f"{len(found) - len(alive)} more not heard for long; --all lists them")
    return found if everyone else alive


def _page(found: Sequence[Status], moment: float, screen: Screen) -> list[str]:
    table = list(lines(COLUMNS, [_row(one, moment) for one in found], screen))
    return [*table, *_reasons(found), *_troubles(found)]


def _row(one: Status, moment: float) -> Row:
    heard = max(0.0, moment - one.written)
    counts = one.counters
    lost = sum(counts.get(name, 0) for name in LOST)
    failed = _sum(counts, "failed_")
    cells = [
        _name(one),
        format_duration(heard),
        f"{one.timed:,}",
        f"{counts.get('profiled', 0):,}",
        f"{counts.get('watched', 0):,}",
        f"{counts.get('stored', 0):,}",
        f"{counts.get('not_kept', 0):,}",
        f"{lost:,}",
        f"{_sum(counts, 'skipped_'):,}",
        f"{failed:,}",
        f"{one.in_flight:,}",
        format_size(one.stored_bytes),
        "paused" if one.paused else "a callable" if one.rate is None else f"{one.rate:.3g}",
        "" if one.cost is None else f"{one.cost:.1%}",
    ]
    styles = {at: "bad" for at, number in ((7, lost), (9, failed)) if number}
    styles |= {1: "bad"} if heard > SILENT else {}
    return Row(cells, styles | ({12: "bad"} if one.paused else {}))


def _name(one: Status) -> str:
    return f"{one.host}:{one.pid}"


def _sum(counters: dict[str, int], prefix: str) -> int:
    return sum(count for name, count in counters.items() if name.startswith(prefix))


def _reasons(found: Sequence[Status]) -> list[str]:
    """All that is no matter of course, by name."""
    usual = ("profiled", "stored", "watched")
    total: Counter[str] = Counter()
    for one in found:
        total.update({name: count for name, count in one.counters.items() if name not in usual})
    told = [f"{name} {count:,}" for name, count in sorted(total.items()) if count]
    return ["", printable(", ".join(told))] if told else []


def _troubles(found: Sequence[Status]) -> list[str]:
    told = []
    for one in found:
        if one.trouble is not None:
            clock = datetime.fromtimestamp(one.trouble.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            told.append(f"{_name(one)} at {clock}: {one.trouble.counter}: {one.trouble.why}")
    return ["", "last trouble", *map(printable, told)] if told else []
