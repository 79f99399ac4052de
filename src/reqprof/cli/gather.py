"""From what a person names (folders, files, globs) to profiles, and what was left out on the way."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reqprof.cli.talk import complain, say
from reqprof.errors import BadProfile, NotFound, UsageError
from reqprof.model import Profile, Stored
from reqprof.store import index, reader
from reqprof.store.stats import pstats_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reqprof.cli.select import Wanted

DEFAULT_FOLDER = "profiles"
"""Where the middleware writes unless told otherwise."""

untrusted = click.option(
    "--untrusted",
    is_flag=True,
    help="Read even files of ours with the slow decoder that no hostile file can crash.",
)

_NAMED = 3  # file names in a line that tells of many


@dataclass(slots=True)
class Remarks:
    """What was left out: bad files are named at once, the rest in one line for each reason."""

    bad: int = 0
    left: dict[str, list[Path]] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The exit status as far as reading goes."""
        return 1 if self.bad else 0

    def unreadable(self, error: BadProfile) -> None:
        """Name a file that is no profile or a damaged one."""
        self.bad += 1
        complain(f"skipped {error}")

    def leave_out(self, path: Path, reason: str) -> None:
        """Remember a sound file that does not count."""
        self.left.setdefault(reason, []).append(path)

    def tell(self) -> None:
        """One line for each reason, and forget."""
        for reason, paths in self.left.items():
            names = ", ".join(path.name for path in paths[:_NAMED])
            more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
            say(f"left out {reason}: {names}{more}")
        self.left.clear()


def find(names: Sequence[str], remarks: Remarks) -> list[Stored]:
    """The profiles that ``names`` mean, each file once, by name; no name means "profiles".

    Raises NotFound for a name that is neither there nor a glob that matches something.
    """
    found: dict[tuple[str, str], Stored] = {}
    real_folder = lru_cache(os.path.realpath)  # once for each folder, not for each file
    for path in _paths(names or [DEFAULT_FOLDER]):
        for stored in _stored(path, remarks):
            found.setdefault((real_folder(stored.path.parent), stored.path.name), stored)
    return sorted(found.values(), key=lambda stored: str(stored.path))


def _paths(names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        if Path(name).exists():
            yield Path(name)
        elif glob.has_magic(name):
            matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - absolute ones too
            if not matches:
                raise NotFound(f"no file or folder matches {name!r}")
            yield from map(Path, matches)
        else:
            raise _missing(name)


def listing(folder: Path) -> index.Found:
    """What is in one folder; raises NotFound where there is none."""
    if folder.is_file():
        raise UsageError(f"{folder} is a file, not a folder; show it with: reqprof show {folder}")
    if not folder.exists():
        raise _missing(str(folder))
    return index.find(folder)


def _missing(name: str) -> NotFound:
    if name == DEFAULT_FOLDER:
        return NotFound(f"no folder {name!r} here; name the folder that the middleware writes to")
    return NotFound(f"no file or folder {name!r}")


def find_in(folder: Path, remarks: Remarks) -> list[Stored]:
    """The profiles of one folder, in no order; those that are bad are named."""
    found = listing(folder)
    for error in found.bad:
        remarks.unreadable(error)
    return found.stored


def _stored(path: Path, remarks: Remarks) -> Iterator[Stored]:
    if path.is_dir():
        yield from find_in(path, remarks)
        return
    try:
        yield Stored(path, reader.facts(path))
    except BadProfile as error:
        remarks.unreadable(error)


def narrow(
    stored: Iterable[Stored], wanted: Wanted, remarks: Remarks, *, interrupted: bool
) -> list[Stored]:
    """Those that pass the filters, each request once; ``interrupted`` says if those count."""
    kept: list[Stored] = []
    seen: set[str] = set()
    for one in stored:
        request = one.request
        if request is None:
            if wanted.everything:
                kept.append(one)
            else:
                remarks.leave_out(one.path, "profiles of other tools, which have no facts to filter by")
        elif not wanted.takes(request):
            continue
        elif request.id in seen:
            remarks.leave_out(one.path, "copies of requests that are already counted")
        elif request.interrupted and not interrupted:
            remarks.leave_out(one.path, "interrupted profiles, whose counts are short")
        else:
            seen.add(request.id)
            kept.append(one)
    return kept


def none_left(names: Sequence[str], wanted: Wanted, looked_at: int, remarks: Remarks) -> NotFound:
    """The error for a search that ended with nothing; say it after what was left out."""
    remarks.tell()
    where = ", ".join(names or [DEFAULT_FOLDER])
    if not looked_at:
        return NotFound(f"no profiles in {where}")
    if wanted.everything:
        return NotFound(f"none of the {looked_at} profiles in {where} can be used")
    return NotFound(f"none of the {looked_at} profiles in {where} has {wanted}")


def read(
    stored: Sequence[Stored], remarks: Remarks, *, trusted: bool
) -> Iterator[Profile]:
    """The profiles themselves, one at a time, in the order in which pstats adds files up.

    A file that turns out to be bad is named and skipped.
    """
    first = None
    rest = list(stored)
    while rest and first is None:
        first = _read_one(rest.pop(0), remarks, trusted=trusted)
    if first is None:
        return
    # pstats begins with the first file that it is given, which must be one that can be read.
    yield first
    for one in pstats_order([None, *rest])[1:]:
        if (profile := _read_one(one, remarks, trusted=trusted)) is not None:
            yield profile


def _read_one(stored: Stored, remarks: Remarks, *, trusted: bool) -> Profile | None:
    try:
        return reader.read(stored.path, trusted=trusted)
    except BadProfile as error:
        remarks.unreadable(error)
    except NotFound:
        # A folder in use is pruned while we read it.
        remarks.leave_out(stored.path, "profiles that were deleted meanwhile")
    return None
