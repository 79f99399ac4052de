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

import marshal
from typing import TYPE_CHECKING

import click

from reqprof.cli import captions, destination, each, gather, output
from reqprof.cli.select import Wanted, filters
from reqprof.cli.talk import progress
from reqprof.errors import ReqprofError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
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
    if renderer == "flameprof" and not any(flags.values()) and (singly or out is None):
        flags["svg"] = True
    choose = destination.choose_folder if singly else destination.choose
    goal = choose(flags, out, names)
    if renderer == "flameprof" and goal.format != "svg":
        raise UsageError(f"--renderer flameprof draws SVG, not {goal.format}: drop one of the two")
    job = Job(names or (gather.DEFAULT_FOLDER,), wanted, goal, renderer)
    return job.run(trusted=not untrusted, singly=singly)
