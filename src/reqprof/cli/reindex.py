"""Make the index of a folder anew from its profiles.

DIR is the folder that the middleware writes to ("profiles" if not given). The index saves listings
from opening each profile; without it they read the profiles' last bytes, which takes longer and
finds the same. So this is never needed for a right answer: it makes listings fast again where
profiles were copied in, or the index was deleted or damaged. Processes may go on writing meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reqprof.cli import gather
from reqprof.cli.asking import folder_argument, writing
from reqprof.cli.talk import plural, progress, say
from reqprof.store import reindex

if TYPE_CHECKING:
    from pathlib import Path


@click.command(help=__doc__)
@folder_argument
def command(folder: Path) -> int:
    """Make it; gives the exit status."""
    gather.check_folder(folder)
    remarks = gather.Remarks()
    with writing(folder, "no index can be written"):
        indexed, there = reindex.rebuild(
            folder,
            lambda names: progress(names, len(names), "Reading profiles"),
            remarks.unreadable,
        )
    others = f"; {there - indexed:,} have no facts" if there > indexed else ""
    say(f"indexed {plural(indexed, 'profile')} of {folder}{others}")
    return remarks.status
