"""Delete profiles from a folder until what is left fits.

DIR is the folder that the middleware writes to ("profiles" if not given). What is older than
--max-age goes, then the oldest until no more than --max-files and --max-bytes are left; requests
that failed and the slowest of each route go last. The --keep-slowest ones stay whatever else is
asked. The index and the tallies of all requests count as bytes, and go with the oldest. Only files
that reqprof wrote are ever deleted.

Try it with --dry-run first: it deletes nothing and prints the files that would go, one a line.

Exit status: 1 where what is asked could not be reached, with the reason.
"""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from reqprof.cli import gather
from reqprof.cli.asking import folder_argument, writing
from reqprof.cli.params import parsed
from reqprof.cli.talk import complain, emit, plural, printable, progress, say
from reqprof.durations import as_seconds
from reqprof.errors import ReqprofError
from reqprof.sizes import format_size, parse_size
from reqprof.store import prune
from reqprof.store.caps import Caps
from reqprof.store.census import Census, Held, remove
from reqprof.store.turn import Turn

if TYPE_CHECKING:
    from pathlib import Path

_PATIENCE = 30.0  # seconds; a process that writes there prunes for some milliseconds at a time


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ValueError(f"{text!r:.40} is no number of profiles from 1")
    return int(text)


def _some(text: str) -> int:
    if not (size := parse_size(text)):
        raise ValueError("no bytes at all: not even the index fits")
    return size


@click.command(help=__doc__)
@folder_argument
@click.option(
    "--max-bytes",
    metavar="SIZE",
    callback=parsed(_some),
    help="200MB, 1.5GiB; a plain number is bytes.",
)
@click.option("--max-files", metavar="N", callback=parsed(_count), help="So many profiles at most.")
@click.option(
    "--max-age",
    metavar="DURATION",
    callback=parsed(lambda text: as_seconds("it", text)),
    help="How old a profile may be: 12h, 7d.",
)
@click.option(
    "--keep-slowest",
    metavar="N",
    callback=parsed(_count),
    help="Keep the N slowest requests, whatever the caps say.",
)
@click.option("--dry-run", is_flag=True, help="Delete nothing; print what would go.")
def command(
    folder: Path,
    max_bytes: int | None,
    max_files: int | None,
    max_age: float | None,
    keep_slowest: int | None,
    dry_run: bool,
) -> int:
    """Prune; gives the exit status."""
    if max_bytes is max_files is max_age is None:
        raise click.UsageError("say what is too much: --max-bytes, --max-files or --max-age")
    gather.check_folder(folder)
    caps = Caps(max_files, max_bytes, None, max_age)
    alone = nullcontext(True) if dry_run else Turn(folder).taken(_PATIENCE)
    with writing(folder, "nothing can be deleted"), alone as mine:
        if not mine:
            raise ReqprofError(f"{folder}: other processes are pruning it all the time; try again")
        return _prune(folder, caps, keep_slowest or 0, dry=dry_run)


def _prune(folder: Path, caps: Caps, keep_slowest: int, *, dry: bool) -> int:
    census = Census(folder)
    files = census.ours(census.profiles())
    slowest = prune.slowest(files, census, keep_slowest)
    gone, left = prune.plan(census, files, caps, time.time(), slowest)
    index = prune.old_index(census, left) if gone else []
    beside = {*census.left_behind, *prune.old_tallies(census, caps), *index}
    everything = [*gone, *sorted(beside, key=lambda file: file.name)]
    size = prune.size(left) + census.size_beside() - prune.size(beside)
    if dry:
        emit(printable(file.path) for file in everything)
    else:
        for file in progress(everything, len(everything), "Deleting"):
            remove(file)
    freed = f"{plural(len(gone), 'profile')} of {len(files):,}, {format_size(prune.size(gone))}"
    say(f"{'would delete' if dry else 'deleted'} {freed}; {len(left):,} stay, {format_size(size)}")
    return _shortcomings([] if dry else everything, caps, len(left), size)


def _shortcomings(deleted: list[Held], caps: Caps, count: int, size: int) -> int:
    """Say what of the work was not to be done; gives the exit status."""
    there = [file for file in deleted if os.path.lexists(file.path)]
    if there:
        complain(f"{plural(len(there), 'file')} cannot be deleted, such as {there[0].path}")
    elif caps.passed(count, size):
        complain(
            "what stays is more than asked: what --keep-slowest keeps, and the index;"
            " `reqprof reindex` takes out of that what tells of deleted files"
        )
    else:
        return 0
    return 1
