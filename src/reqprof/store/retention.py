"""Caps on what a folder may hold: files, bytes, and the room left on its disk."""

from __future__ import annotations

import math
import os
import re
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reqprof.store import naming
from reqprof.store.format import MAGIC, SUFFIX
from reqprof.store.index import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

TEMPORARY = ".reqprof-"
"""How the name of a file begins that is still being written."""

MAX_FILES = 10_000
MAX_BYTES = 1 << 30
MIN_FREE = 0.05

_TEMPORARY = re.compile(re.escape(TEMPORARY) + r"[0-9a-f]{12}-[0-9]+-[0-9]+")
_INDEX_FILE = re.compile(
    r"[A-Za-z0-9-]+-[0-9]+-[0-9a-f]{8}\.(jsonl|times|(open\.times|status)(-[0-9a-f]{8})?)"
)
_STALE_SECONDS = 3600.0
_SLACK = 20  # pruning stops a twentieth below the cap, so that not every write prunes
_TIMES = 10  # tallies take no more than a tenth of the cap
_RESCAN = 100  # what other processes wrote is counted every hundredth of a cap


@dataclass(frozen=True, slots=True)
class Caps:
    """At most ``max_files`` profiles and ``max_bytes``; ``min_free`` is a share of the disk, 0-1.

    ``None`` lifts a cap.
    """

    max_files: int | None = MAX_FILES
    max_bytes: int | None = MAX_BYTES
    min_free: float | None = MIN_FREE

    def __post_init__(self) -> None:
        for name in ("max_files", "max_bytes"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise ValueError(f"{name} must be a whole number from 1, or None; got {value!r}")
        free = self.min_free
        if free is not None and not (isinstance(free, (int, float)) and 0 <= free < 1):
            raise ValueError(f"min_free is a share of the disk from 0 to below 1; got {free!r}")


@dataclass(slots=True)
class _File:
    path: str
    size: int
    written: float


class Retention:
    """Keeps one folder under its caps, oldest profile first. For the writer thread alone."""

    def __init__(self, folder: Path, caps: Caps) -> None:
        self.folder = folder
        self.caps = caps
        self._files = self._bytes = 0
        # Since the last scan; before the first one anything may be there.
        self._new_files = self._new_bytes = math.inf
        self._pruned = 0
        # Whether a file whose name does not tell is ours, by name and time of writing.
        self._verdicts: dict[tuple[str, int], bool] = {}

    def wrote(self, size: int) -> int:
        """Take note of a new profile, which takes ``size`` bytes with its line in the index.

        Returns how many files had to go since the last call.
        """
        self._files += 1
        self._bytes += size
        self._new_files += 1
        self._new_bytes += size
        if self._over(self._files, self._bytes) or self._scan_is_due():
            self._prune()
        pruned, self._pruned = self._pruned, 0
        return pruned

    def grew(self, size: int) -> None:
        """Take note of ``size`` bytes that were written beside the profiles."""
        self._bytes += size
        self._new_bytes += size
        if self._over(self._files, self._bytes) or self._scan_is_due():
            self._prune()

    def has_room(self) -> bool:
        """Whether the disk has ``min_free`` left; prunes first where it has not."""
        if not self._disk_short():
            return True
        self._prune()
        return not self._disk_short()

    def _over(self, files: int, size: int, *, low: bool = False) -> bool:
        """Whether that is more than the caps allow or, with ``low``, than pruning leaves."""
        return any(
            cap is not None and number > (cap - cap // _SLACK if low else cap)
            for number, cap in ((files, self.caps.max_files), (size, self.caps.max_bytes))
        )

    def _scan_is_due(self) -> bool:
        most_files, most_bytes = self.caps.max_files or MAX_FILES, self.caps.max_bytes or MAX_BYTES
        return self._new_files > most_files // _RESCAN or self._new_bytes > most_bytes // _RESCAN

    def _disk_short(self) -> bool:
        free = self.caps.min_free
        if not free:
            return False
        disk = shutil.disk_usage(self.folder)
        return disk.free < disk.total * free

    def _prune(self) -> None:
        files, index = self._scan()
        index -= self._trim_times()
        if self._over(len(files), index + _size(files)) or self._disk_short():
            # A name may lie: only what carries our trailer is counted, and ours to delete.
            files = [file for file in files if _has_trailer(file.path)]
            files.sort(key=lambda file: (file.written, file.path))
            index -= self._remove_oldest(files, index)
        self._files, self._bytes = len(files), index + _size(files)
        self._new_files = self._new_bytes = 0

    def _remove_oldest(self, files: list[_File], index: int) -> int:
        """Take what is too much from disk and ``files``; returns what that saves of the index."""
        count, total, done = len(files), index + _size(files), 0
        over, short = self._over(count, total), self._disk_short()
        for file in files:
            # One look at the disk per file: it fills and empties for others' reasons too.
            if not self._over(count - done, total, low=over) and not (short and self._disk_short()):
                break
            # What cannot be removed has gone already, or is another user's to prune.
            self._pruned += _unlink(file.path)
            total -= file.size
            done += 1
        del files[:done]
        return self._trim_index(files) if done else 0

    def _scan(self) -> tuple[list[_File], int]:
        """The folder's profiles of ours, and the bytes of what serves them."""
        files: list[_File] = []
        verdicts: dict[tuple[str, int], bool] = {}
        now = time.time()
        with os.scandir(self.folder) as entries:
            for entry in entries:
                try:
                    if not entry.is_file(follow_symlinks=False):
                        continue
                    status = entry.stat(follow_symlinks=False)
                except OSError:
                    continue  # another process pruned it just now
                if entry.name.endswith(SUFFIX) and self._ours(entry, status.st_mtime_ns, verdicts):
                    files.append(_File(entry.path, status.st_size, status.st_mtime))
                elif now - status.st_mtime > _STALE_SECONDS and _TEMPORARY.fullmatch(entry.name):
                    _unlink(entry.path)
        self._verdicts = verdicts
        return files, sum(size for _, size, _ in self._index_files())

    def _ours(
        self, entry: os.DirEntry[str], written: int, verdicts: dict[tuple[str, int], bool]
    ) -> bool:
        if naming.is_default(entry.name):
            return True
        key = entry.name, written
        known = self._verdicts.get(key)
        verdicts[key] = _has_trailer(entry.path) if known is None else known
        return verdicts[key]

    def _index_files(self) -> list[tuple[str, int, float]]:
        """Path, size and time of writing."""
        folder = self.folder / FOLDER
        found: list[tuple[str, int, float]] = []
        if folder.is_symlink():
            return found  # whatever it leads to is not ours
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if _INDEX_FILE.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                        status = entry.stat(follow_symlinks=False)
                        found.append((entry.path, status.st_size, status.st_mtime))
        except OSError:
            pass  # no index yet, or one trimmed meanwhile
        return found

    def _trim_index(self, kept: list[_File]) -> int:
        """Remove index files last written before the oldest profile left; returns their bytes."""
        # A line is written after its profile: such a file has none of those that are left.
        oldest = kept[0].written if kept else math.inf
        return sum(
            size
            for path, size, written in self._index_files()
            if written < oldest and _unlink(path)
        )

    def _trim_times(self) -> int:
        """Remove the oldest tallies where they take a tenth of the cap; returns their bytes."""
        # Where few requests are profiled, or none, no profile's end would be theirs.
        most = (self.caps.max_bytes or MAX_BYTES) // _TIMES
        times = [file for file in self._index_files() if ".times" in file[0]]
        times.sort(key=lambda file: file[2], reverse=True)
        gone = total = 0
        for path, size, _ in times:
            total += size
            if total > most and _unlink(path):
                gone += size
        return gone


def _size(files: list[_File]) -> int:
    return sum(file.size for file in files)


def _has_trailer(path: str) -> bool:
    """Whether the file ends as reqprof's files do."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  Python 3.12 keeps the parts of paths
            file.seek(-len(MAGIC), os.SEEK_END)
            return file.read() == MAGIC
    except OSError:
        return False


def _unlink(path: str) -> bool:
    try:
        os.unlink(path)  # noqa: PTH108  a plain call is half the price of a Path
    except OSError:
        return False
    return True
