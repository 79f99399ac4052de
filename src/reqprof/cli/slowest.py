"""Rank the requests, worst first, those without a profile too.

DIR is the folder that the middleware writes to ("profiles" if not given), or a URL that profiles
were shipped to, such as s3://bucket/profiles. The rank in the first
column, such as @3, counts all of DIR, whatever the filters, and `reqprof show @3` takes it, as it
takes an id or the first digits of one. All times are UTC. On a terminal rows are cut to its width;
into a pipe or file they are whole.

A ~ stands before an estimate: a route that was guessed from the path, or what a traced request
would have taken without tracing. What it did take is in the next column, which is empty for
requests that have no profile, as they were only timed. Of those the slowest of each route in
every five minutes are known.

--by route gives one row for each route, the one that took most in all first, and counts every
request, profiled or not. Its percentiles are nearest-rank, to 1 %: p95 is what 95 % of the requests
do not exceed. --since and --until are to five minutes there. With a filter that is of single
requests (a label, a status such as 404, --slower-than) it counts those of the other listing alone.

--json prints one JSON array of the same rows, with all facts, and times in seconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from reqprof.cli import gather
from reqprof.cli.listing import Column, Row, lines
from reqprof.cli.params import format_duration
from reqprof.cli.ranking import outline_of, rank, request_of, summarise
from reqprof.cli.request import GUESSED, facts, method, note, route, status
from reqprof.cli.select import Wanted, filters
from reqprof.cli.talk import Screen, emit, emit_json, say
from reqprof.cli.traffic import Traffic, by_route
from reqprof.store.stored import Stored

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from reqprof.cli.ranking import Known
    from reqprof.cli.traffic import Route
    from reqprof.model import Request
    from reqprof.store.remote.folder import Folder
    from reqprof.store.traffic import Tally

ESTIMATE = "~"

WIDE = 100
"""Columns from which a whole date and a whole id leave enough for the route."""

COLUMNS = [
    Column("rank"),
    Column("id", spare=2),
    Column("UTC", spare=1),
    Column("took", right=True),
    Column("traced", right=True, spare=4),
    Column("method", spare=3),
    Column("status"),
    Column("route", crop="middle"),
]
ROUTE_COLUMNS = [
    Column("count", right=True),
    Column("traced", right=True, spare=4),
    Column("p50", right=True, spare=3),
    Column("p95", right=True),
    Column("p99", right=True, spare=1),
    Column("max", right=True, spare=2),
    Column("total", right=True),
    Column("route", crop="middle"),
]


@click.command(help=__doc__)
@gather.folder_or_url
@click.option(
    "-n",
    "limit",
    type=click.IntRange(min=0),
    metavar="N",
    default=20,
    show_default=True,
    help="Rows; 0 for all.",
)
@click.option("--by", type=click.Choice(["route"]), help="One row for each route.")
@click.option("--json", "as_json", is_flag=True, help="A JSON array instead of a table.")
@filters
def command(
    folder: Path | Folder, limit: int, by: str | None, as_json: bool, wanted: Wanted
) -> int:
    """Print the ranking; gives the exit status."""
    remarks = gather.Remarks()
    stored = gather.find_in(folder, remarks)
    traffic = Traffic.of(folder)
    ranked = rank(stored, traffic.slowest(), remarks)
    chosen = _chosen(ranked, wanted)
    error = None if chosen else gather.none_left([str(folder)], wanted, len(stored), remarks)
    remarks.tell()
    if error and not as_json:
        raise error
    if by:
        _print_routes(_routes(traffic, ranked, wanted), limit, as_json)
    else:
        _print_requests(
            [(number + 1, ranked[number]) for number in chosen[: limit or None]], as_json
        )
        _tell_of_rest(len(chosen), limit, "requests")
    if error:
        raise error
    return remarks.status


def _chosen(ranked: Sequence[Known], wanted: Wanted) -> Sequence[int]:
    """Where those are that pass the filters."""
    if wanted.everything:
        return range(len(ranked))
    return [number for number, one in enumerate(ranked) if wanted.takes(request_of(one))]


def _routes(traffic: Traffic, ranked: Sequence[Known], wanted: Wanted) -> dict[Route, Tally]:
    if wanted.fits_tallies:
        stored = (one for one in ranked if isinstance(one, Stored))
        # Without a filter few facts are enough: to read them all takes most of the time.
        profiled = map(outline_of if wanted.everything else request_of, stored)
        found = traffic.routes(profiled, wanted)
        if found:
            return found
    return by_route(filter(wanted.takes, map(request_of, ranked)))


def _print_requests(ranked: Sequence[tuple[int, Known]], as_json: bool) -> None:
    if as_json:
        emit_json(
            [
                {
                    "rank": number,
                    "file": str(one.path) if isinstance(one, Stored) else None,
                    "untraced": request_of(one).untraced,
                    **facts(request_of(one)),
                }
                for number, one in ranked
            ]
        )
        return
    screen = Screen.of_stdout()
    wide = screen.width is None or screen.width >= WIDE
    clock = "%Y-%m-%dT%H:%M:%SZ" if wide else _clock([request_of(one).start for _, one in ranked])
    emit(lines(COLUMNS, [_row(*one, clock, wide) for one in ranked], screen))


def _tell_of_rest(number: int, limit: int, what: str) -> None:
    if limit and number > limit:
        say(f"{limit} of {number} {what}; -n 0 shows all")


def _clock(starts: Sequence[float]) -> str:
    """How to write the times in little room: without the day where it is the same for all."""
    days = {datetime.fromtimestamp(start, UTC).date() for start in starts}
    return "%H:%M:%S" if len(days) == 1 else "%m-%d %H:%M:%S"


def _row(number: int, known: Known, clock: str, wide: bool) -> Row:
    request = request_of(known)
    remark = note(request)
    estimate = ESTIMATE if request.untraced != request.duration else ""
    cells = [
        f"@{number}",
        request.id if wide else request.id[:8],
        datetime.fromtimestamp(request.start, UTC).strftime(clock),
        f"{estimate}{format_duration(request.untraced)}",
        _measured(known, request),
        method(request),
        status(request),
        f"{route(request)} ({remark})" if remark else route(request),
    ]
    failed = request.exception or (request.status or 0) >= 500
    styles = {6: "bad", 7: "bad"} if failed else {7: "quiet"} if request.guessed else {}
    return Row(cells, {1: "quiet", 2: "quiet", 4: "quiet"} | styles)


def _measured(known: Known, request: Request) -> str:
    """How long a profiled request took with what measured it."""
    if not isinstance(known, Stored):
        return ""
    return format_duration(request.duration) if request.is_traced else "watched"


def _print_routes(routes: Mapping[Route, Tally], limit: int, as_json: bool) -> None:
    every = summarise(routes)
    summaries = every[: limit or None]
    _tell_of_rest(len(every), limit, "routes")
    if as_json:
        emit_json([summary.as_json() for summary in summaries])
        return
    rows = [
        Row(
            [
                str(one.count),
                str(one.traced or ""),
                *map(format_duration, (one.p50, one.p95, one.p99, one.max, one.total)),
                f"{GUESSED}{one.route}" if one.guessed else one.route,
            ],
            {1: "quiet"} | ({7: "quiet"} if one.guessed else {}),
        )
        for one in summaries
    ]
    emit(lines(ROUTE_COLUMNS, rows, Screen.of_stdout()))
