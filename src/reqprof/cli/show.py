"""Show one request: its facts, then its functions as pstats prints them.

WHICH is the start of an id, a rank that `reqprof slowest` lists, such as @1, or a file or its URL,
also of one that another tool wrote.

The table has the columns of pstats: calls (9/3 where 3 of 9 were not recursive), seconds in the
function itself, that for each call, seconds including what it called, that for each primitive
call. Seconds have six digits where the whole profile holds less than one, so that short requests
can be read. On a terminal the paths of installed packages, of Python's own modules and of the
current folder are shortened; --full-paths, a pipe or a file gets them whole.

Sort keys are those of pstats, by name, unambiguous start or old number (-1 to 2), and percall and
cumpercall for the two columns per call: calls, ncalls, pcalls, time, tottime, cumulative, cumtime,
filename, module, line, name, nfl, stdname.

--waits shows where an ASGI request waited instead: its own waits, then those of its child tasks,
then its calls in pool threads, most time first. A place is a stack of `file:line function`, the
line being the one that awaits. On a terminal it has the frames of your own code, what the last of
them awaited and where that ended; --full-paths, a pipe or a file gets every frame.

--tree shows the call tree instead, widest first, with what it waited in: a coroutine or generator
is one call in it, however often it was resumed. Stacks are exact where the exact engine recorded
them, and else reconstructed from the table, which marks them as estimates. --untraced takes away
what recording added to each frame, by an estimate that only exact trees have; --no-waits leaves
out where it waited.

A format (--svg, --html, --text, ...) or a file (-o) draws the request instead, just as `reqprof
merge` draws many.

--json prints one JSON object with the facts and the same rows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from reqprof.cli import (
    captions,
    destination,
    draw,
    functions,
    gather,
    output,
    sheet,
    table,
    waits,
)
from reqprof.cli.params import parsed
from reqprof.cli.request import facts
from reqprof.cli.talk import Screen, emit, emit_json
from reqprof.cli.which import which
from reqprof.cli.wish import Wish, wishes
from reqprof.errors import UsageError
from reqprof.store import anywhere, reader

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reqprof.model import File, Profile, Timeline
    from reqprof.store.remote.folder import Folder

_OF_FUNCTIONS = ("--sort", "--callers", "--callees")


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None


@click.command(help=__doc__)
@click.argument("word", metavar="WHICH")
@click.option(
    "--dir",
    "folder",
    metavar="DIR",
    default=gather.DEFAULT_FOLDER,
    callback=lambda _, __, name: anywhere.place(name),
    show_default=True,
    help="The folder or URL that ids and ranks are looked up in.",
)
@click.option(
    "--sort",
    multiple=True,
    metavar="KEY",
    callback=parsed(table.parse_key),
    help="Repeatable: the next one orders what is equal by the one before.  [default: cumulative]",
)
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=0),
    default=30,
    show_default=True,
    help="Rows of a table; 0 for all.",
)
@click.option(
    "--match",
    multiple=True,
    metavar="REGEX",
    callback=parsed(_pattern),
    help="Only functions whose full file:line(name), or places whose whole stack, it is found in."
    " Repeatable; all must be.",
)
@click.option(
    "--callers",
    metavar="REGEX",
    callback=parsed(_pattern),
    help="Instead of the table: who called the functions that match.",
)
@click.option(
    "--callees",
    metavar="REGEX",
    callback=parsed(_pattern),
    help="Instead of the table: what the functions that match called.",
)
@click.option("--waits", "waiting", is_flag=True, help="Instead of the table: where it waited.")
@click.option("--tree", "as_tree", is_flag=True, help="Instead of the table: the call tree.")
@wishes
@click.option("--full-paths", is_flag=True, help="Shorten no paths and stacks on a terminal.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object instead of text.")
@gather.untrusted
def command(
    word: str,
    folder: Path | Folder,
    sort: tuple[str, ...],
    limit: int,
    match: tuple[re.Pattern[str], ...],
    callers: re.Pattern[str] | None,
    callees: re.Pattern[str] | None,
    waiting: bool,
    as_tree: bool,
    wish: Wish,
    full_paths: bool,
    as_json: bool,
    untrusted: bool,
) -> int:
    """Print one profile; gives the exit status."""
    narrowed = {"--sort": sort, "--match": match, "--callers": callers, "--callees": callees}
    _check(wish, {**narrowed, "--waits": waiting, "--tree": as_tree, "--json": as_json})
    file = which(word, folder)
    profile = anywhere.Reader(trusted=not untrusted)(file)
    remarks = gather.Remarks()
    if wish.is_picture:
        return _draw(profile, file, wish, remarks)
    timeline = reader.timeline(profile)
    screen = Screen.of_stdout()
    pen = draw.Pen("text", options=wish.options, damaged=remarks.table_alone)
    tree = pen.frames(profile) if as_tree else None
    choice = functions.Choice(
        sort=sort or ("cumulative",),
        limit=limit,
        match=match,
        callers=callers,
        callees=callees,
        full_paths=full_paths or screen.width is None,
    )
    if as_json:
        if tree is not None:
            body = draw.as_json(tree)
        elif waiting:
            body = waits.as_json(timeline, choice)
        else:
            body = functions.as_json(profile.stats, choice, _samples(profile))
        emit_json({**_head(profile, timeline), **body})
        return remarks.status
    emit(sheet.lines(profile, timeline, screen, full_paths=choice.full_paths, hint=not waiting))
    emit([""])
    if tree is not None:
        emit(pen.text(tree).splitlines())
    elif waiting:
        emit(waits.lines(timeline, profile.request, choice, screen))
    else:
        emit(functions.lines(profile.stats, choice, screen, _samples(profile)))
    return remarks.status


def _samples(profile: Profile) -> int | None:
    """How many there are, where the request was not traced."""
    request = profile.request
    return None if request is None or request.is_traced else request.calls


def _check(wish: Wish, given: Mapping[str, object]) -> None:
    """Raise UsageError for options that mean nothing together."""
    named = [name for name, value in given.items() if value]
    if wish.is_picture and named:
        raise UsageError(f"{named[0]} is for reading here: leave it out of a picture")
    if given["--waits"] and (wrong := [name for name in named if name in _OF_FUNCTIONS]):
        raise UsageError(f"--waits has no functions: leave out {wrong[0]}")
    if given["--tree"] and (wrong := [name for name in named if name not in ("--tree", "--json")]):
        raise UsageError(f"--tree has no rows to choose from: leave out {wrong[0]}")
    if wish.options and not (given["--tree"] or wish.is_picture):
        name = next(iter(wish.options)).replace("_", "-")
        raise UsageError(f"--{name} means nothing without --tree or a format such as --svg")


def _draw(profile: Profile, file: File, wish: Wish, remarks: gather.Remarks) -> int:
    """A picture of the one request; gives the exit status."""
    goal = destination.choose(wish, [str(file)])
    destination.check(goal, [], [file])
    pen = draw.Pen(goal.form, wish.renderer, wish.options, remarks.table_alone)
    output.deliver(pen.one(profile), goal.path)
    if goal.path is not None:
        output.wrote(goal.path, captions.alone(profile)[0])
    return remarks.status


def _head(profile: Profile, timeline: Timeline) -> dict[str, object]:
    request = profile.request
    return {
        "file": str(profile.path),
        "facts": facts(request) if request else None,
        "held_by": timeline.held_by,
        "stopped_at": waits.stack_json(timeline.stopped_at),
    }
