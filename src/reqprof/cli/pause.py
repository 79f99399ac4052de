"""Have every process that writes to a folder stop profiling.

DIR is the folder that the middleware writes to ("profiles" if not given). Processes notice within a
second or two, those that start later at once, and profile nothing until `reqprof resume`, whoever
asks for it: rates, tokens, `reqprof arm`. They watch nothing either. Requests go on being timed;
those that are just being profiled are stored as they are, marked partial. `reqprof status` shows
who is paused.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import click

from reqprof.cli.asking import folder_argument, prepare, processes, tell_of_processes, writing
from reqprof.cli.params import format_duration, parsed
from reqprof.cli.talk import say
from reqprof.durations import parse_duration
from reqprof.store import orders

if TYPE_CHECKING:
    from pathlib import Path


@click.command(help=__doc__)
@folder_argument
@click.option(
    "--for",
    "seconds",
    metavar="DURATION",
    callback=parsed(parse_duration),
    help="How long: 90s, 10m, 2h. Until `reqprof resume` unless given.",
)
def command(folder: Path, seconds: float | None) -> int:
    """Ask for it; gives the exit status."""
    prepare(folder)
    with writing(folder):
        orders.pause(folder, math.inf if seconds is None else time.time() + seconds)
    alive = tell_of_processes(folder)
    until = "" if seconds is None else f" for {format_duration(seconds)}"
    say(f"paused {processes(alive)}{until}; end it with: reqprof resume {folder}")
    return 0
