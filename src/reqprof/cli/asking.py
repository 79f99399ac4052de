"""What the commands share that ask something of running processes, through the folder."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reqprof.cli import gather
from reqprof.cli.params import format_duration
from reqprof.cli.status import SILENT
from reqprof.cli.talk import plural, say
from reqprof.errors import NotFound, UsageError
from reqprof.store import orders, status
from reqprof.store.index import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

folder_argument = click.argument(
    "folder", metavar="[DIR]", default=gather.DEFAULT_FOLDER, type=click.Path(path_type=Path)
)


def prepare(folder: Path) -> None:
    """Make ready to write there, what is over swept away; raises NotFound or UsageError."""
    if folder.is_file():
        raise UsageError(f"{folder} is a file, not a folder")
    if not folder.is_dir():
        raise NotFound(f"no folder {str(folder)!r}; name the one that the middleware writes to")
    orders.sweep(folder, time.time())


@contextmanager
def writing(folder: Path, vain: str = "nothing can be asked there") -> Iterator[None]:
    """Inside, a folder that cannot be written is a NotFound that says what to do."""
    try:
        with _as_owner(folder):
            yield
    except OSError as error:
        denied = isinstance(error, PermissionError)
        hint = "; run this as the user that the service runs as" if denied else ""
        why = f"{error.strerror or error}{hint}"
        raise NotFound(f"{folder}: {vain}: {why}") from None


def tell_of_processes(folder: Path) -> int:
    """How many processes will do what is asked; says so where there is none."""
    moment = time.time()
    alive = sum(moment - one.written <= SILENT for one in status.read(folder))
    if not alive:
        say(
            f"no process of {folder} was heard in the last {format_duration(SILENT)}:"
            " it begins with its first request"
        )
    return alive


def processes(alive: int) -> str:
    """So many, or those that will come."""
    return plural(alive, "process", "processes") if alive else "each process to come"


@contextmanager
def _as_owner(folder: Path) -> Iterator[None]:
    """Inside, root is the folder's owner, whose processes must read and delete what is written."""
    own = (os.geteuid(), os.getegid()) if hasattr(os, "geteuid") else (1, 1)
    inner = folder / FOLDER
    found = (inner if inner.is_dir() else folder).stat()
    if own[0] or not found.st_uid:
        yield
        return
    os.setegid(found.st_gid)
    os.seteuid(found.st_uid)
    try:
        yield
    finally:
        os.seteuid(own[0])
        os.setegid(own[1])
