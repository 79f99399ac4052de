"""Add many profiles up into one picture, table or profile.

PATH is a folder of profiles, a file, or a quoted glob; files of any tool that writes cProfile's
format will do ("profiles" if not given). One tree is built for each profile and the trees are
added, which is truer than a tree of the added profiles. A request counts once, however many
copies of its file there are. Profiles stamped as interrupted are left out, and so, under a filter,
are those of other tools, which have no facts.

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
from reqprof.cli.captions import Tally
from reqprof.cli.select import Wanted, filters
from reqprof.cli.talk import progress
from reqprof.errors import ReqprofError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from reqprof.cli.destination import Destination
    from reqprof.model import Profile


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
    help="flameprof draws an SVG as it always did, from the edges of the added profiles.",
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
    **flags: bool,
) -> int:
    """Merge; gives the exit status."""
    names = names or (gather.DEFAULT_FOLDER,)
    goal = _goal(names, out, singly, renderer, flags)
    remarks = gather.Remarks()
    found = gather.find(names, remarks)
    destination.check(goal, names, [stored.path for stored in found])
    chosen = gather.narrow(found, wanted, remarks, interrupted=False)
    remarks.tell()
    if not chosen:
        raise gather.none_left(names, wanted, len(found), remarks)
    tally = Tally()
    read = gather.read(chosen, remarks, trusted=not untrusted)
    profiles = tally.watch(progress(read, len(chosen), "Reading profiles"))
    profiles = _some(profiles, len(chosen))

    def caption() -> tuple[str, list[str]]:
        return captions.title(names, tally), tally.notes(wanted)

    if singly and goal.path is not None:
        status = _write_each(profiles, goal.path, goal.format, renderer, caption)
    else:
        output.deliver(draw.many(profiles, goal.format, renderer, caption), goal.path)
        status = 0
        if goal.path is not None:
            output.wrote(goal.path, tally.summary())
    remarks.tell()
    return status or remarks.status


def _goal(
    names: Sequence[str], out: str | None, singly: bool, renderer: str, flags: dict[str, bool]
) -> Destination:
    if renderer == "flameprof" and out is None:
        flags = flags if any(flags.values()) else {"svg": True}
    choose = destination.choose_folder if singly else destination.choose
    goal = choose(flags, out, names)
    if renderer == "flameprof" and goal.format != "svg":
        raise UsageError(f"--renderer flameprof draws SVG, not {goal.format}: drop one of the two")
    return goal


def _some(profiles: Iterator[Profile], found: int) -> Iterator[Profile]:
    """The same, or an error where not one could be read, so that nothing is written then."""
    first = next(profiles, None)
    if first is None:
        raise ReqprofError(f"none of the {found} profiles can be read")
    return chain((first,), profiles)


def _write_each(
    profiles: Iterator[Profile], folder: Path, form: str, renderer: str, caption: draw.Caption
) -> int:
    """The pictures and their page; gives the exit status."""
    suffix = destination.SUFFIXES[form]
    made, failed = each.write(
        profiles, folder, suffix, lambda profile: draw.one(profile, form, renderer)
    )
    index = each.write_index(made, folder, *caption())
    output.wrote(index, f"{len(made)} pictures, worst first")
    return 1 if failed else 0
