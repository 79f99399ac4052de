"""Where a request waited and what pool threads did for it, as a person or a program reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reqprof.cli import functions, listing, stack, table
from reqprof.cli.listing import GAP, Column, Row
from reqprof.cli.params import format_duration
from reqprof.cli.talk import plural
from reqprof.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reqprof.cli.functions import Choice, Namer
    from reqprof.cli.talk import Screen
    from reqprof.model import Job, Place, Request, Timeline, Wait

NOTHING = "no waits are recorded: only ASGI requests await, and only reqprof records it"

UNPLACED = "at places that are not recorded"

_NARROWEST = 30
"""Columns that a stack gets, even if the row then does not fit."""

_WAIT_COLUMNS = [
    Column("waited", right=True),
    Column("times", right=True),
    Column("longest", right=True, spare=1),
    Column("file:line function, outermost first", crop="middle"),
]
_JOB_COLUMNS = [
    Column("took", right=True),
    Column("cpu", right=True),
    Column("calls", right=True),
    Column("thread", crop="middle", spare=1),
    Column("file:line(function)", crop="start"),
]


@dataclass(frozen=True, slots=True)
class Found:
    """What of a timeline is wanted, most time first."""

    own: list[Wait]
    children: list[Wait]
    jobs: list[Job]


def find(timeline: Timeline, choice: Choice) -> Found:
    """What matches; raises NotFound where there is something, but nothing that matches."""

    def fits(text: str) -> bool:
        return all(pattern.search(text) for pattern in choice.match)

    waits = [one for one in timeline.waits if fits(stack.line(stack.whole(one.stack)))]
    jobs = [job for job in timeline.jobs if fits(table.standard_name(job.function))]
    there = len(timeline.waits) + len(timeline.jobs)
    if there and not (waits or jobs):
        words = " and ".join(repr(pattern.pattern) for pattern in choice.match)
        raise NotFound(f"none of the {there} stacks and pool functions matches {words}")
    waits.sort(key=lambda one: -one.seconds)
    return Found(
        own=[one for one in waits if not one.child],
        children=[one for one in waits if one.child],
        jobs=sorted(jobs, key=lambda job: -job.wall),
    )


def lines(
    timeline: Timeline, request: Request | None, choice: Choice, screen: Screen
) -> Iterator[str]:
    """The tables line by line: the request's own waits, its child tasks', the pool's calls."""
    found = find(timeline, choice)
    tables = [
        _own(timeline, request, found.own, choice, screen),
        _children(timeline, found.children, choice, screen),
        _jobs(timeline, found.jobs, choice, screen),
    ]
    between: list[str] = []
    for lines in filter(None, map(list, tables)):
        yield from between
        yield from lines
        between = [""]
    if not between:
        yield NOTHING


def as_json(timeline: Timeline, choice: Choice) -> dict[str, object]:
    """The same rows, seconds in full."""
    found = find(timeline, choice)
    waits = [*found.own[: choice.limit or None], *found.children[: choice.limit or None]]
    return {
        "waits": [_wait_json(wait) for wait in waits],
        "jobs": [_job_json(job) for job in found.jobs[: choice.limit or None]],
    }


def stack_json(places: Sequence[Place]) -> list[dict[str, object]]:
    """A stack as JSON, outermost first."""
    return [
        {"file": file, "line": line, "name": name, "first_line": first}
        for file, first, name, line in places
    ]


def _own(
    timeline: Timeline,
    request: Request | None,
    waits: list[Wait],
    choice: Choice,
    screen: Screen,
) -> Iterator[str]:
    placed = sum(one.seconds for one in timeline.waits if not one.child)
    known = request.waited if request else None
    whole = max(placed, known or 0.0)
    if not whole or (choice.match and not waits):
        return
    if not placed:
        yield f"waited {format_duration(whole)} in all, {UNPLACED}"
        return
    amount = _amount(sum(one.seconds for one in waits), whole, choice)
    yield f"waited {amount} in all, {_how_many(waits, 'place', choice)}"
    yield from _wait_table(waits, choice, screen)
    if (rest := whole - placed) > 0.01 * whole:
        yield ""
        yield f"and {format_duration(rest)} {UNPLACED}"


def _children(
    timeline: Timeline, waits: list[Wait], choice: Choice, screen: Screen
) -> Iterator[str]:
    if not waits:
        return
    whole = sum(one.seconds for one in timeline.waits if one.child)
    amount = _amount(sum(one.seconds for one in waits), whole, choice)
    yield f"meanwhile child tasks waited {amount} added up, {_how_many(waits, 'place', choice)}"
    yield from _wait_table(waits, choice, screen)


def _wait_table(waits: list[Wait], choice: Choice, screen: Screen) -> Iterator[str]:
    waits = waits[: choice.limit or None]
    numbers = [
        [format_duration(one.seconds), f"{one.count:,}", format_duration(one.longest)]
        for one in waits
    ]
    room = _room(numbers, screen)
    tell = stack.teller(full_paths=choice.full_paths)
    rows = []
    for one, cells in zip(waits, numbers, strict=True):
        for line in stack.wrapped(tell(one.stack), room):
            rows.append(Row([*cells, line]))
            cells = [""] * len(cells)
    yield ""
    yield from listing.lines(_WAIT_COLUMNS, rows, screen)


def _room(numbers: Sequence[Sequence[str]], screen: Screen) -> int | None:
    """The columns that are left for a stack."""
    if screen.width is None:
        return None
    titles = [column.title for column in _WAIT_COLUMNS[:-1]]
    taken = sum(max(map(len, texts)) + len(GAP) for texts in zip(titles, *numbers, strict=True))
    return max(_NARROWEST, screen.width - taken)


def _jobs(timeline: Timeline, jobs: list[Job], choice: Choice, screen: Screen) -> Iterator[str]:
    if not jobs:
        return
    whole = sum(job.wall for job in timeline.jobs)
    amount = _amount(sum(job.wall for job in jobs), whole, choice)
    yield f"calls in pool threads took {amount} in all, {_how_many(jobs, 'row', choice)}"
    yield ""
    name = functions.namer(choice)
    rows = [_job_row(job, name) for job in jobs[: choice.limit or None]]
    yield from listing.lines(_JOB_COLUMNS, rows, screen)


def _job_row(job: Job, name: Namer) -> Row:
    times = [format_duration(job.wall), format_duration(job.cpu)]
    return Row([*times, f"{job.count:,}", job.thread, name(job.function)], {3: "quiet"})


def _amount(part: float, whole: float, choice: Choice) -> str:
    some = f"{format_duration(part)} of " if choice.match else ""
    return some + format_duration(whole)


def _how_many(rows: Sequence[object], noun: str, choice: Choice) -> str:
    there = plural(len(rows), noun)
    shown = len(rows[: choice.limit or None])
    return there if shown == len(rows) else f"{shown} of {there}; --limit 0 shows all"


def _wait_json(wait: Wait) -> dict[str, object]:
    return {
        "child": wait.child,
        "count": wait.count,
        "seconds": wait.seconds,
        "longest": wait.longest,
        "stack": stack_json(wait.stack),
    }


def _job_json(job: Job) -> dict[str, object]:
    file, line, name = job.function
    return {
        "file": file,
        "line": line,
        "name": name,
        "thread": job.thread,
        "calls": job.count,
        "wall": job.wall,
        "cpu": job.cpu,
    }
