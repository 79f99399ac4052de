"""Add many profiles up into one picture, table or profile.

PATH is a folder of profiles, a file, or a quoted glob; files of any tool that writes cProfile's
format will do ("profiles" if not given). One tree is built for each profile and the trees are
added, which is truer than a tree of the added profiles. A request counts once, however many
copies of its file there are. Profiles stamped as interrupted are left out, and so, under a filter,
are those of other tools, which have no facts. What an async request waited stands as frames of its
own above what awaited; --no-waits leaves it out. Partial ones, of requests that still ran after
max_duration, count as far as they go, and their number is told.

The format is the one asked for, or that of -o FILE's extension (.svg, .prof, .txt, .folded), or
text. Without -o it goes to stdout, but never a picture or a profile to a terminal: those go to a
file in the current folder, named after the one that was read (profiles.svg).

--prof gives what pstats.Stats makes of the files in the order of their names, as a plain file.

--each makes one picture of each request in the folder -o and an index.html, worst first.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import click

from reqprof.cli import captions, destination, draw, each, gather, output
from reqprof.cli.draw import Pen
from reqprof.cli.select import Wanted, filters
from reqprof.cli.talk import plural, progress
from reqprof.errors import ReqprofError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reqprof.cli.draw import Caption
    from reqprof.model import Profile

FORMATS = ("svg", "prof", "text", "folded")


@click.command(help=__doc__)
@click.argument("names", metavar="[PATH]...", nargs=-1)
@click.option("--svg", is_flag=True, help="A flame graph.")
@click.option("--prof", is_flag=True, help="One profile, for pstats, snakeviz and the like.")
@click.option("--text", is_flag=True, help="A call tree to read here.")
@click.option("--folded", is_flag=True, help="Folded stacks, for flamegraph.pl and the like.")
@click.option("-o", "out", metavar="FILE", help="Where to; - is stdout.")
@click.option("--each", "singly", is_flag=True, help="One picture of each request, into -o FOLDER.")
@click.option(
    "--renderer",
    type=click.Choice(["reqprof", "flameprof"]),
    default="reqprof",
    show_default=True,
    help="flameprof draws --svg and --folded as its own command does, from added profiles.",
)
@click.option(
    "--width", metavar="N", type=click.IntRange(min=1), help="Pixels of a picture, columns of text."
)
@click.option("--row-height", metavar="N", type=click.IntRange(min=1), help="Pixels of a frame.")
@click.option("--font-size", metavar="N", type=click.IntRange(min=1), help="Pixels.")
@draw.threshold
@draw.untraced
@draw.no_waits
@click.option(
    "--log-mult",
    metavar="N",
    type=click.IntRange(min=1),
    help="What flameprof's folded stacks count in a second, 1000000 if not given.",
)
@gather.untrusted
@filters
def command(
    names: tuple[str, ...],
    out: str | None,
    singly: bool,
    renderer: str,
    untrusted: bool,
    wanted: Wanted,
    **options: object,
) -> int:
    """Merge; gives the exit status."""
    names = names or (gather.DEFAULT_FOLDER,)
    flags = {name: bool(options.pop(name)) for name in FORMATS}
    if renderer == "flameprof" and out is None and not any(flags.values()):
        flags["svg"] = True
    goal = (destination.choose_folder if singly else destination.choose)(flags, out, names)
    given = {name: value for name, value in options.items() if value is not None}
    remarks = gather.Remarks()
    pen = Pen(goal.form, renderer, given, remarks.table_alone)

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
        return captions.title(names, tally), tally.notes(wanted)

    if singly and goal.path is not None:
        failed = _draw_each(tally.watch(profiles), goal.path, pen, caption)
    else:
        output.deliver(pen.many(tally.watch(profiles), caption), goal.path)
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
    suffix = destination.SUFFIXES[pen.form]
    made, failed = each.write(profiles, folder, suffix, pen.one)
    index = each.write_index(made, folder, *caption())
    output.wrote(index, plural(len(made), "picture") + ", worst first")
    return failed
