"""Add many profiles up into one picture, table or profile.

PATH is a folder of profiles, a file, a quoted glob or a URL such as s3://bucket/profiles; files of
any tool that writes cProfile's format will do ("profiles" if not given). One tree is built for
each profile and the trees are added, which is truer than a tree of the added profiles. A request
counts once, however many copies of its file there are. Profiles stamped as interrupted are left
out, and so, under a filter, are those of other tools, which have no facts. What an async request
waited stands as frames of its own above what awaited; --no-waits leaves it out. Partial ones, of
requests that still ran after max_duration, count as far as they go, and their number is told.

The format is the one asked for, or that of -o FILE's extension (.svg, .html, .txt, .folded,
.speedscope.json, .pb.gz, .callgrind, .prof), or text. Without -o it goes to stdout, but what no
person can read never goes to a terminal: that goes to a file in the current folder, named after
the one that was read (profiles.svg).

--html has all requests in one page, and each route and the slowest requests by themselves; so has
--speedscope each route. --prof gives what pstats.Stats makes of the files in the order of their
names, as a plain file.

--each makes one picture of each request, of any of these kinds, in the folder -o and an index.html,
worst first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import click

from reqprof.cli import adding, captions, destination, each, gather, output
from reqprof.cli.draw import Pen
from reqprof.cli.select import Wanted, filters
from reqprof.cli.talk import plural, progress
from reqprof.cli.wish import Wish, wishes
from reqprof.errors import ReqprofError, UsageError
from reqprof.store.anywhere import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reqprof.model import Profile
    from reqprof.store.stored import Stored


@click.command(help=__doc__)
@click.argument("names", metavar="[PATH]...", nargs=-1)
@wishes
@click.option("--each", "singly", is_flag=True, help="One picture of each request, into -o FOLDER.")
@click.option(
    "--weighted", is_flag=True, help="Count each sampled request for as many as it stands for."
)
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(1, 256),
    help="Processes to read with; one for each core from a thousand profiles on.",
)
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Read on the Dask cluster of the scheduler at tcp://...; its workers must see the files.",
)
@gather.untrusted
@filters
def command(
    names: tuple[str, ...],
    wish: Wish,
    singly: bool,
    weighted: bool,
    jobs: int | None,
    dask: str | None,
    untrusted: bool,
    wanted: Wanted,
) -> int:
    """Merge; gives the exit status."""
    if weighted and singly:
        raise UsageError("--weighted means nothing to --each: a picture has one request")
    if jobs and dask:
        raise UsageError("--jobs is for this machine: leave it out of --dask")
    names = names or (gather.DEFAULT_FOLDER,)
    goal = destination.choose_folder(wish) if singly else destination.choose(wish, names)
    remarks = gather.Remarks()
    pen = Pen(goal.form, wish.renderer, wish.options, remarks.table_alone)
    if (jobs or dask) and (singly or pen.streams):
        what = "--each" if singly else f"--{pen.form}"
        raise UsageError(f"--jobs and --dask mean nothing to {what}, which adds nothing up")

    found = gather.find(names, remarks, wanted)
    destination.check(goal, names, [stored.path for stored in found])
    stored = gather.narrow(found, wanted, remarks, interrupted=False)
    if weighted:
        stored = gather.uniform_share(stored, remarks)
    remarks.tell()
    if not stored:
        raise gather.none_left(names, wanted, len(found), remarks)

    chosen = _Chosen(
        stored=stored,
        names=names,
        wanted=wanted,
        remarks=remarks,
        trusted=not untrusted,
        weighted=weighted,
    )
    if singly and goal.path is not None:
        failed = _draw_each(chosen, goal.path, pen)
    else:
        failed = 0
        drawn, tally = _draw(chosen, pen, adding.Workers(jobs, dask))
        output.deliver(drawn, goal.path)
        if goal.path is not None:
            output.wrote(goal.path, tally.summary())
    remarks.tell()
    return 1 if failed else remarks.status


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """The profiles to merge, and how to read them."""

    stored: list[Stored]
    names: tuple[str, ...]
    wanted: Wanted
    remarks: gather.Remarks
    trusted: bool
    weighted: bool

    def one_by_one(self, tally: captions.Tally) -> Iterator[Profile]:
        """Those that can be read, counted; raises ReqprofError where there is none."""
        read = gather.read(self.stored, self.remarks, trusted=self.trusted)
        profiles = progress(read, len(self.stored), "Reading profiles")
        first = next(profiles, None)
        if first is None:  # told now, so that nothing is written
            raise ReqprofError(f"none of the {len(self.stored)} profiles can be read")
        return tally.watch(chain((first,), profiles))

    def caption(self, pen: Pen, tally: captions.Tally) -> tuple[str, list[str]]:
        """Title and notes, once all is counted."""
        title = pen.options.get("title", captions.title(self.names, tally))
        return str(title), tally.notes(self.wanted)


def _draw(chosen: _Chosen, pen: Pen, workers: adding.Workers) -> tuple[str | bytes, captions.Tally]:
    """All of them in one, and what they are."""
    if pen.streams:
        tally = captions.Tally(weighted=chosen.weighted)
        profiles = chosen.one_by_one(tally)
        caption = partial(chosen.caption, pen, tally)
        count = len(chosen.stored)
        return pen.stream(profiles, caption, count, weighted=chosen.weighted), tally
    empty = partial(adding.Counted, pen.total(weighted=chosen.weighted), weighted=chosen.weighted)
    read = Reader(trusted=chosen.trusted, table_only=pen.table_only)
    added = adding.add_up(chosen.stored, empty, chosen.remarks, read, workers)
    return pen.sum(added.sum, partial(chosen.caption, pen, added.tally)), added.tally


def _draw_each(chosen: _Chosen, folder: Path, pen: Pen) -> int:
    """The pictures and their page; gives the number of those that could not be drawn."""
    tally = captions.Tally()
    suffix = destination.suffix_of(pen.form)
    made, failed = each.write(chosen.one_by_one(tally), folder, suffix, pen.one)
    index = each.write_index(made, folder, *chosen.caption(pen, tally))
    output.wrote(index, plural(len(made), "picture") + ", worst first")
    return failed
