"""Find profiles without opening them: append-only files of facts, one per process, beside them.

The index is a cache. What it lacks is read from the profiles' own trailers.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from reqprof.errors import BadProfile, NotFound
from reqprof.store.facts import dump_line, to_facts
from reqprof.store.format import SUFFIX
from reqprof.store.private import make_private
from reqprof.store.stats import collector_paused

if TYPE_CHECKING:
    from pathlib import Path

    from reqprof.model import Request
    from reqprof.store.quick import Glance, Lines
    from reqprof.store.stored import Stored

FOLDER: Final = ".reqprof"
"""Inside the folder of the profiles."""

HOST: Final = socket.gethostname()

MAX_SIZE: Final = 256 << 20
"""Bytes of one index file; a larger one is not ours and is not read."""


@dataclass(frozen=True, slots=True)
class Found:
    """The profiles of a folder in the order of their names, and those that cannot be used.

    ``lacking`` are those of the first that have no line in the index.
    """

    stored: list[Stored]
    bad: list[BadProfile]
    lacking: list[Stored]


def line(name: str, size: int, request: Request) -> bytes:
    """The index line, newline included, of the profile ``name`` of ``size`` bytes.

    Raises ValueError for a name that is a path or hidden, and for a fact that is not finite.
    """
    if not is_name(name):
        raise ValueError(f"{name!r} is not the name of a profile in the folder")
    return dump_line({"file": name, "size": size, **to_facts(request)}) + b"\n"


def is_name(name: str) -> bool:
    """Whether a profile can be called that: no path, and nothing hidden."""
    return name.endswith(SUFFIX) and name[0] != "." and not any(char in name for char in "/\\\0")


def host_name() -> str:
    """That of this machine, fit for the name of a file."""
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in HOST)[:40]


def process_name() -> str:
    """A name for files that this process alone writes, other than any before."""
    return f"{host_name()}-{os.getpid()}-{os.urandom(4).hex()}"


def prepare(folder: Path) -> None:
    """Make the folder beside the profiles; raises OSError where that is impossible."""
    beside = folder / FOLDER
    make_private(beside)
    if beside.is_symlink():  # in a folder that is not ours alone, such as /tmp
        raise NotADirectoryError(f"{beside} is a symbolic link; reqprof follows none")


def find(folder: Path) -> Found:
    """Every ``*.prof`` of a folder, not of those in it, with its facts; hidden ones are left out.

    What an index line says of a file is believed; damage elsewhere in the file shows when it is
    read. Raises :class:`NotFound` where the folder is not there or cannot be listed.
    """
    # Only here: the served process writes lines, no more.
    from reqprof.store import reader
    from reqprof.store.stored import Stored

    plain = names(folder)
    with collector_paused():
        # In the order of the lines, as they lie in memory: in that of the names it takes twice as
        # long.
        lines = _known(folder).items()
        listed = [Stored(folder, name, *line) for name, line in lines if plain.get(name)]
        found = Found(listed, [], [])
        rest = plain.keys() - {one.name for one in listed} if len(listed) < len(plain) else ()
        for name in sorted(rest):
            try:
                stored = Stored(folder, name, reader.facts(folder / name))
            except BadProfile as error:
                found.bad.append(error)
            except NotFound:
                pass  # deleted since the folder was listed
            else:
                found.stored.append(stored)
                if plain[name]:
                    found.lacking.append(stored)
        found.stored.sort(key=attrgetter("name"))
    return found


def names(folder: Path) -> dict[str, bool]:
    """The names of the profiles; true for plain files, for which alone the index may speak.

    Raises :class:`NotFound` where the folder is not there or cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            return {
                name: entry.is_file(follow_symlinks=False)
                for entry in entries
                if (name := entry.name).endswith(SUFFIX) and name[0] != "."
            }
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{folder}: no such folder") from None
    except OSError as error:
        raise NotFound(f"{folder}: cannot be listed: {error.strerror or error}") from None


def files(folder: Path) -> list[Path]:
    """Those that hold the lines of a folder's profiles."""
    try:
        return sorted(path for path in (folder / FOLDER).iterdir() if path.suffix == ".jsonl")
    except OSError:
        return []  # none yet


def _known(folder: Path) -> dict[str, tuple[Glance, Lines, int]]:
    """By the name of a file what the index says of it, in few facts, and where its line is."""
    from reqprof.store import quick, reader

    known: dict[str, tuple[Glance, Lines, int]] = {}
    for path in files(folder):
        with suppress(BadProfile, NotFound):
            for line in quick.glances(reader.contents(path, MAX_SIZE)[0]):
                glance = line[0]
                other = known.setdefault(glance.file, line)
                # A name of the user's own may have been used before: the last one counts.
                if other is not line and other[0].start <= glance.start:
                    known[glance.file] = line
    return known
