"""Where tallies are kept: two files of JSON lines for each process, beside its index.

One has the windows that are over, and grows; the other has the open one, and is replaced every few
seconds. ``docs/format.md`` describes the lines.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from reqprof.errors import BadProfile, NotFound
from reqprof.store import traffic
from reqprof.store.index import FOLDER, process_name
from reqprof.store.private import open_private, replace_private
from reqprof.store.traffic import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from reqprof.store.traffic import Window

SUFFIX: Final = ".times"
OPEN: Final = ".open.times"
"""Of the file that has the open window."""

MAX_SIZE: Final = 64 << 20
"""Bytes of one file; a larger one is not ours and is not read."""

_MOST_BYTES = 1 << 20  # then a new file, so that old ones can go


class TrafficFiles:
    """This process's two files. For the background thread alone, where the folder is there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._name = ""
        self._pid = 0
        self._written = 0

    def save(self, window: Window, *, is_over: bool) -> int:
        """Write the window; returns the bytes that the folder has more of. Raises OSError."""
        if not self._name or self._pid != os.getpid():
            self._name, self._pid, self._written = process_name(), os.getpid(), 0
        data = traffic.dump(window)
        if not is_over:
            self._replace(data)
            return 0
        self._append(data)
        self._replace(b"")
        if self._written > _MOST_BYTES:
            self._name = ""
        return len(data)

    def _append(self, data: bytes) -> None:
        with open_private(self._path(SUFFIX), os.O_APPEND) as file:
            self._written += len(data)
            if file.write(data) != len(data):
                self._name = ""  # half a line must stay the last of its file
                raise OSError("the disk took a part of it only")

    def _replace(self, data: bytes) -> None:
        path = self._path(OPEN)
        if not data:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108  Python 3.12 keeps the parts of paths
            return
        replace_private(path, data)

    def _path(self, suffix: str) -> str:
        return os.path.join(self._folder, self._name + suffix)  # noqa: PTH118


def read(folder: Path) -> list[Window]:
    """The windows of all processes that have written to the folder; what is damaged is left out."""
    return parse((path.name, _contents(path)) for path in _files(folder / FOLDER))


def parse(files: Iterable[tuple[str, bytes]]) -> list[Window]:
    """The windows in files, given by name; each counts once, however many files tell of it."""
    windows: dict[tuple[str, float], Window] = {}
    for name, data in files:
        process = name.removesuffix(OPEN).removesuffix(SUFFIX)
        found: dict[tuple[str, float], Window] = {}
        for line in data.splitlines():
            with contextlib.suppress(ValueError):  # torn by a killed process, or not ours
                window, series, tally = traffic.load(line)
                window.process = window.process or process
                known = found.setdefault((window.process, window.start), window).tallies
                known.setdefault(series, Tally()).merge(tally)
        # One that was closed a moment ago may be in both files; it is whole where it is over.
        windows = {**found, **windows} if name.endswith(OPEN) else {**windows, **found}
    return list(windows.values())


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIX))
    except OSError:
        return []  # none yet


def _contents(path: Path) -> bytes:
    from reqprof.store import reader  # only here: the served process writes, no more

    try:
        return reader.contents(path, MAX_SIZE)[0]
    except (BadProfile, NotFound):
        return b""
