"""From what a person names (folders, files, globs, URLs) to profiles, and what was left out."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reqprof.cli.talk import complain, say
from reqprof.errors import BadProfile, NotFound, ReqprofError, UsageError
from reqprof.model import UNIFORM
from reqprof.store import anywhere, index, reader, reindex
from reqprof.store.reduction import readable
from reqprof.store.stored import Stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reqprof.cli.select import Wanted
    from reqprof.model import File, Profile
    from reqprof.store.remote.folder import Folder
    from reqprof.store.remote.opened import Directory

DEFAULT_FOLDER = "profiles"
"""Where the middleware writes unless told otherwise."""

folder_or_url = click.argument(
    "folder",
    metavar="[DIR]",
    default=DEFAULT_FOLDER,
    callback=lambda _, __, name: anywhere.place(name),
)
"""The one folder that a command reads."""

untrusted = click.option(
    "--untrusted",
    is_flag=True,
    help="Read even files of ours with the slow decoder that no hostile file can crash.",
)

_NAMED = 3  # file names in a line that tells of many


class Reason(Enum):
    """Why a sound profile does not count: in words for one, and for many."""

    COPY = ("copy of a request that is already counted", "copies of requests already counted")
    NO_DURATION = (
        "profile of another tool, without a duration",
        "profiles of other tools, without durations",
    )
    NO_FACTS = (
        "profile of another tool, which no filter fits",
        "profiles of other tools, which no filter fits",
    )
    INTERRUPTED = (
        "interrupted profile, whose counts are short",
        "interrupted profiles, whose counts are short",
    )
    WATCHED = (
        "watched request, whose samples are no calls; --engine watch takes it",
        "watched requests, whose samples are no calls; --engine watch takes them",
    )
    UNSAMPLED = (
        "profile of no uniform share, which stands for itself alone",
        "profiles of no uniform share, which stand for themselves alone",
    )
    GONE = ("profile that was deleted meanwhile", "profiles that were deleted meanwhile")


@dataclass(slots=True)
class Remarks:
    """What was left out: bad files are named at once, the rest in one line for each reason."""

    bad: int = 0
    left: dict[Reason, list[File]] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The exit status as far as reading goes."""
        return 1 if self.bad else 0

    def unreadable(self, error: BadProfile) -> None:
        """Name a file that is no profile or a damaged one."""
        self.bad += 1
        complain(f"skipped {error}")

    def table_alone(self, error: BadProfile) -> None:
        """Name a file whose call tree or waits are damaged; its table is sound and drawn."""
        self.bad += 1
        complain(f"{error}; drawn from its table alone")

    def leave_out(self, path: File, reason: Reason) -> None:
        """Remember a sound file that does not count."""
        self.left.setdefault(reason, []).append(path)

    def tell(self) -> None:
        """One line for each reason, and forget."""
        for reason, paths in self.left.items():
            names = ", ".join(path.name for path in paths[:_NAMED])
            more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
            say(f"left out {len(paths):,} {reason.value[len(paths) > 1]}: {names}{more}")
        self.left.clear()


def find(names: Sequence[str], remarks: Remarks, wanted: Wanted) -> list[Stored]:
    """The profiles that ``names`` mean, each file once, by name; no name means "profiles".

    Those behind URLs need not have what is not ``wanted``. Raises NotFound for a name that is
    neither there nor a glob that matches something.
    """
    found: dict[tuple[str, str], Stored] = {}
    real_folder = lru_cache(_real_folder)  # once for each folder, not for each file
    for place in _places(names or [DEFAULT_FOLDER]):
        for stored in _stored(place, remarks, wanted):
            found.setdefault((real_folder(stored.folder), stored.name), stored)
    return sorted(found.values(), key=lambda stored: str(stored.path))


def _real_folder(folder: Path | Directory) -> str:
    return os.path.realpath(folder) if isinstance(folder, Path) else folder.url


def called(names: Sequence[str]) -> str:
    """What was read, in few words."""
    if len(names) > _NAMED:
        return f"{len(names)} paths"
    return ", ".join(names or [DEFAULT_FOLDER])


def _places(names: Iterable[str]) -> Iterator[Path | Folder]:
    for name in names:
        place = anywhere.place(name)
        if not isinstance(place, Path) or (name and place.exists()):
            yield place
        elif glob.has_magic(name):
            matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - absolute ones too
            if not matches:
                raise NotFound(f"no file or folder matches {name!r}")
            yield from map(anywhere.place, matches)
        else:
            raise _missing(name)


def listing(folder: Path | Folder) -> index.Found:
    """What is in one folder, or behind a URL; raises NotFound where there is none."""
    if not isinstance(folder, Path):
        return folder.found()
    check_folder(folder)
    found = index.find(folder)
    reindex.add(folder, found.lacking)
    return found


def check_folder(folder: Path) -> None:
    """Raises UsageError for a file, and NotFound where there is nothing."""
    if folder.is_file():
        raise UsageError(f"{folder} is a file, not a folder; show it with: reqprof show {folder}")
    if not folder.exists():
        raise _missing(str(folder))


def files(names: Sequence[str]) -> tuple[list[File], list[BadProfile]]:
    """The files that ``names`` mean, as :func:`find`, none of which is opened.

    The others are bundles that cannot be read.
    """
    found: dict[str, File] = {}
    bad: list[BadProfile] = []
    for place in _places(names or [DEFAULT_FOLDER]):
        if isinstance(place, Path):
            inside = [place / name for name in index.names(place)] if place.is_dir() else [place]
            for file in inside:
                found.setdefault(os.path.abspath(file), file)  # noqa: PTH100  follows no link
        else:
            there, unread = place.files()
            found |= {str(file): file for file in there}
            bad += unread
    return sorted(found.values(), key=str), bad


def _missing(name: str) -> NotFound:
    if name == DEFAULT_FOLDER:
        hint = "name the one that the middleware writes to (show takes --dir)"
        return NotFound(f"no folder {name!r} here; {hint}")
    return NotFound(f"no file or folder {name!r}")


def find_in(folder: Path | Folder, remarks: Remarks) -> list[Stored]:
    """The profiles of one folder, in no order; those that are bad are named."""
    return _sound(listing(folder), remarks)


def _sound(found: index.Found, remarks: Remarks) -> list[Stored]:
    for error in found.bad:
        remarks.unreadable(error)
    return found.stored


def _stored(place: Path | Folder, remarks: Remarks, wanted: Wanted) -> Iterator[Stored]:
    if not isinstance(place, Path):
        yield from _sound(place.found(wanted.since, wanted.until), remarks)
    elif place.is_dir():
        yield from find_in(place, remarks)
    else:
        try:
            yield Stored(place.parent, place.name, reader.facts(place))
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
                remarks.leave_out(one.path, Reason.NO_FACTS)
        elif not wanted.takes(request):
            continue
        elif request.id in seen:
            remarks.leave_out(one.path, Reason.COPY)
        elif request.interrupted and not interrupted:
            remarks.leave_out(one.path, Reason.INTERRUPTED)
        else:
            seen.add(request.id)
            kept.append(one)
    return _alike(kept, remarks)


def _alike(stored: list[Stored], remarks: Remarks) -> list[Stored]:
    """Without those that were sampled, where others were traced: their counts do not add up."""
    sampled = {id(one) for one in stored if one.request and not one.request.is_traced}
    if not 0 < len(sampled) < len(stored):
        return stored
    for one in stored:
        if id(one) in sampled:
            remarks.leave_out(one.path, Reason.WATCHED)
    return [one for one in stored if id(one) not in sampled]


def none_left(names: Sequence[str], wanted: Wanted, found: int, remarks: Remarks) -> ReqprofError:
    """The error for a search that came to nothing among the ``found`` profiles."""
    where = called(names)
    if not found and remarks.bad:
        return ReqprofError(f"no profile in {where} can be read")
    if not found:
        return NotFound(f"no profiles in {where}")
    if wanted.everything:
        return NotFound(f"none of the {found} profiles in {where} can be used here")
    return NotFound(f"none of the {found} profiles in {where} has {wanted}")


def uniform_share(stored: Iterable[Stored], remarks: Remarks) -> list[Stored]:
    """Those that were chosen by chance alone, so that they can stand for all."""
    kept: list[Stored] = []
    for one in stored:
        if one.request is not None and one.request.kept in UNIFORM:
            kept.append(one)
        else:
            remarks.leave_out(one.path, Reason.UNSAMPLED)
    return kept


def read(stored: Sequence[Stored], remarks: Remarks, *, trusted: bool) -> Iterator[Profile]:
    """The profiles themselves, one at a time, in the order in which pstats adds files up.

    A file that turns out to be bad is named and skipped.
    """
    return readable(
        [one.path for one in stored],
        anywhere.Reader(trusted=trusted),
        remarks.unreadable,
        # A folder in use is pruned while we read it.
        lambda path: remarks.leave_out(path, Reason.GONE),
    )
