"""Add many profiles up into one picture, table or profile.

PATH is a folder of profiles, a file, or a quoted glob; files of any tool that writes cProfile's
format will do ("profiles" if not given). One tree is built for each profile and the trees are
added, which is truer than a tree of the added profiles. A request counts once, however many
copies of its file there are. Profiles stamped as interrupted are left out, and so, under a filter,
are those of other tools, which have no facts. What an async request waited stands as frames of its
own above what awaited; --no-waits leaves it out. Partial ones, of requests that still ran after
max_duration, count as far as they go, and their number is told.

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

from itertools import chain
from typing import TYPE_CHECKING

import click

from reqprof.cli import captions, destination, each, gather, output
from reqprof.cli.draw import Pen
from reqprof.cli.select import Wanted, filters
from reqprof.cli.talk import plural, progress
from reqprof.cli.wish import Wish, wishes
from reqprof.errors import ReqprofError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reqprof.cli.draw import Caption
    from reqprof.model import Profile


@click.command(help=__doc__)
@click.argument("names", metavar="[PATH]...", nargs=-1)
@wishes
@click.option("--each", "singly", is_flag=True, help="One picture of each request, into -o FOLDER.")
@gather.untrusted
@filters
def command(
    names: tuple[str, ...], wish: Wish, singly: bool, untrusted: bool, wanted: Wanted
) -> int:
    """Merge; gives the exit status."""
    names = names or (gather.DEFAULT_FOLDER,)
    goal = destination.choose_folder(wish) if singly else destination.choose(wish, names)
    remarks = gather.Remarks()
    pen = Pen(goal.form, wish.renderer, wish.options, remarks.table_alone)

    found = gather.find(names, remarks)
    destination.check(goal, names, [stored.path for stored in found])
    chosen = gather.narrow(found, wanted, remarks, interrupted=False)
    remarks.tell()
    if not chosen:
        raise gather.none_left(names, wanted, len(found), remarks)

    tally = captions.Tally()
    read = gather.read(chosen, remarks, trusted=not untrusted)
    profiles = _some(progress(read, len(chosen), "Reading profiles"), len(chosen))

    def caption() -> tuple[str, list[str]]:
        title = wish.options.get("title", captions.title(names, tally))
        return str(title), tally.notes(wanted)

    if singly and goal.path is not None:
        failed = _draw_each(tally.watch(profiles), goal.path, pen, caption)
    else:
        drawn = pen.many(tally.watch(profiles), caption, len(chosen))
        output.deliver(drawn, goal.path)
        failed = 0
        if goal.path is not None:
            output.wrote(goal.path, tally.summary())
    remarks.tell()
    return 1 if failed else remarks.status


def _some(profiles: Iterator[Profile], found: int) -> Iterator[Profile]:
    """The same, or an error where not one can be read, so that nothing is written then."""
    first = next(profiles, None)
    if first is None:
        raise ReqprofError(f"none of the {found} profiles can be read")
    return chain((first,), profiles)


def _draw_each(profiles: Iterator[Profile], folder: Path, pen: Pen, caption: Caption) -> int:
    """The pictures and their page; gives the number of those that could not be drawn."""
    made, failed = each.write(profiles, folder, destination.suffix_of(pen.form), pen.one)
    index = each.write_index(made, folder, *caption())
    output.wrote(index, plural(len(made), "picture") + ", worst first")
    return failed
