"""Lines of the index for profiles that have none: of a folder, or of those that a listing met."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from reqprof.errors import BadProfile, NotFound
from reqprof.store import index, reader
from reqprof.store.private import replace_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from reqprof.model import Request
    from reqprof.store.stored import Stored

WORTH = 100
"""Profiles without a line from which a listing adds theirs: fewer are read in no time."""

_LINES = 1000  # in a file, so that those of old profiles can go whole, as the writer's do
_NEW = 60.0  # seconds in which a profile's own process may be about to add its line


class _Line(NamedTuple):
    written: float  # when the profile was, in seconds since 1970
    text: bytes


def rebuild(
    folder: Path,
    watched: Callable[[Sequence[str]], Iterable[str]],
    unreadable: Callable[[BadProfile], None],
) -> tuple[int, int]:
    """Replace the index of a folder; returns how many profiles have a line, and how many are there.

    ``watched`` goes through their names, and may show how far. What other processes write to the
    index meanwhile stays. Raises NotFound where the folder is not there, OSError where nothing can
    be written.
    """
    before = {path: path.stat().st_size for path in index.files(folder)}
    names = sorted(index.names(folder))
    lines: list[_Line] = []
    for name in watched(names):
        try:
            request = reader.facts(folder / name)
        except BadProfile as error:
            unreadable(error)
        except NotFound:
            continue  # deleted meanwhile
        else:
            lines += _lines(folder, [(name, request)])
    _save(folder, lines)
    for path, size in before.items():
        with suppress(OSError):
            if path.stat().st_size == size:
                path.unlink()
    return len(lines), len(names)


def add(folder: Path, lacking: Sequence[Stored]) -> None:
    """Give profiles that a listing had to open lines of their own, where that is worth it.

    Nothing is written to a folder of another user, and what cannot be written is left.
    """
    late = time.time() - _NEW
    known = [(one.name, one.known) for one in lacking if one.known and one.known.start < late]
    if len(known) < WORTH or not hasattr(os, "geteuid"):
        return
    with suppress(OSError):
        if folder.stat().st_uid == os.geteuid():
            _save(folder, list(_lines(folder, known)))


def _lines(folder: Path, known: Iterable[tuple[str, Request | None]]) -> Iterator[_Line]:
    for name, request in known:
        with suppress(OSError, ValueError):  # gone meanwhile, or a fact that JSON has no word for
            status = (folder / name).lstat()
            if request is not None:
                yield _Line(status.st_mtime, index.line(name, status.st_size, request))


def _save(folder: Path, lines: list[_Line]) -> None:
    index.prepare(folder)
    lines.sort()
    for start in range(0, len(lines), _LINES):
        some = lines[start : start + _LINES]
        path = folder / index.FOLDER / f"{index.process_name()}.jsonl"
        replace_private(str(path), b"".join(line.text for line in some))
        # A file goes when it is older than every profile that is left.
        os.utime(path, (some[-1].written, some[-1].written))
