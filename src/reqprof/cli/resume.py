"""Have the processes that were paused profile again.

DIR is the folder that the middleware writes to ("profiles" if not given). They notice within a
second that `reqprof pause` holds no longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reqprof.cli.asking import folder_argument, prepare, processes, tell_of_processes, writing
from reqprof.cli.talk import say
from reqprof.store import orders

if TYPE_CHECKING:
    from pathlib import Path


@click.command(help=__doc__)
@folder_argument
def command(folder: Path) -> int:
    """Take the pause back; gives the exit status."""
    prepare(folder)
    with writing(folder):
        was_paused = orders.resume(folder)
    if was_paused:
        say(f"resumed {processes(tell_of_processes(folder))}")
    else:
        say(f"{folder} was not paused")
    return 0
