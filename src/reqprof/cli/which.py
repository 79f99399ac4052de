"""The one profile that a person means by an id, a rank or a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from reqprof.cli.gather import Remarks, listing
from reqprof.cli.params import format_duration
from reqprof.cli.ranking import rank
from reqprof.cli.request import brief, method, route
from reqprof.cli.traffic import Traffic
from reqprof.errors import NotFound, UsageError
from reqprof.store import anywhere
from reqprof.store.stored import Stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reqprof.model import File, Request
    from reqprof.store.remote.folder import Folder

_RANK = re.compile(r"@(\d{1,12})", re.ASCII)
_ID = re.compile(r"[0-9a-f]{1,12}")
_NAMED = 5  # candidates in a line


def which(word: str, folder: Path | Folder) -> File:
    """The file that ``word`` means: a path or URL, a rank such as @1, a file's name, an id's start.

    Raises NotFound where there is none, UsageError where an id's start fits several, BadProfile
    where it can be read in the name of a damaged file.
    """
    named = anywhere.file(word)
    if not isinstance(named, Path) or named.is_file():
        return named
    if word and Path(word).is_dir():
        raise UsageError(f"{word} is a folder; list what is in it with: reqprof slowest {word}")
    if match := _RANK.fullmatch(word):
        return _by_rank(int(match[1]), folder)
    if isinstance(folder, Path) and Path(word).name == word and (folder / word).is_file():
        return folder / word
    if not _ID.fullmatch(word.lower()):
        raise NotFound(f"no file {word!r}, and it is no rank such as @1 and no start of an id")
    return _by_id(word.lower(), folder)


def _by_rank(number: int, folder: Path | Folder) -> File:
    ranked = rank(listing(folder).stored, Traffic.of(folder).slowest(), Remarks())
    if not 1 <= number <= len(ranked):
        raise NotFound(f"no rank @{number} in {folder}, which has {len(ranked)} requests")
    found = ranked[number - 1]
    if not isinstance(found, Stored):
        raise _only_timed(found)
    return found.path


def _by_id(start: str, folder: Path | Folder) -> File:
    found = listing(folder)
    fitting = {
        one.known.id: one
        for one in reversed(found.stored)
        if one.known is not None and one.known.id.startswith(start)
    }
    for error in found.bad:
        if not fitting and re.search(rf"_{start}[0-9a-f]*\.prof$", error.path.name):
            raise error
    if not fitting:
        timed = [one for one in Traffic.of(folder).slowest() if one.id.startswith(start)]
        if len(timed) == 1:
            raise _only_timed(timed[0])
        raise NotFound(
            f"no request in {folder} has an id that begins with {start!r};"
            f" list them with: reqprof slowest {folder}"
        )
    if len(fitting) > 1:
        candidates = [fitting[name] for name in sorted(fitting)]
        raise UsageError(f"{start!r} could be {_some(candidates)}; give more digits")
    return next(iter(fitting.values())).path


def _only_timed(request: Request) -> NotFound:
    took = format_duration(request.duration)
    name = f"{request.id} ({method(request)} {route(request)})"
    return NotFound(f"{name} took {took}; it was timed only, there is no profile of it")


def _some(candidates: Sequence[Stored]) -> str:
    names = [brief(stored) for stored in candidates[:_NAMED]]
    more = len(candidates) - _NAMED
    return ", ".join(names) + (f" or {more} more" if more > 0 else "")
