"""Caps on what a folder may hold: files, bytes, and the room left on its disk."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from reqprof.store import naming
from reqprof.store.format import MAGIC, SUFFIX
from reqprof.store.index import FOLDER

TEMPORARY = ".reqprof-"
"""How the name of a file begins that is still being written."""

MAX_FILES = 10_000
MAX_BYTES = 1 << 30
MIN_FREE = 0.05

_STALE_SECONDS = 3600.0
_SLACK = 20  # pruning stops a twentieth below the cap, so that not every write prunes
_RESCAN = 100  # what other processes wrote is counted every hundredth of the cap


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
        self._files = 0
        self._bytes = 0
        self._until_scan = 0
        self._foreign: set[str] = set()

    def wrote(self, size: int) -> int:
        """Take note of ``size`` new bytes in one new file; returns how many files had to go."""
        self._files += 1
        self._bytes += size
        self._until_scan -= 1
        if self._until_scan >= 0 and not self._over(self._files, self._bytes):
            return 0
        return self._prune()

    def has_room(self) -> bool:
        """Whether the disk has ``min_free`` left; prunes first where it has not."""
        if not self._disk_short():
            return True
        self._prune()
        return not self._disk_short()

    def _over(self, files: int, size: int) -> bool:
        caps = self.caps
        return (caps.max_files is not None and files > caps.max_files) or (
            caps.max_bytes is not None and size > caps.max_bytes
        )

    def _disk_short(self) -> bool:
        free = self.caps.min_free
        if not free:
            return False
        disk = os.statvfs(self.folder)
        return disk.f_bavail < disk.f_blocks * free

    def _prune(self) -> int:
        files, overhead = self._scan()
        total = overhead + sum(file.size for file in files)
        count = len(files)
        over, short = self._over(count, total), self._disk_short()
        removed = 0
        if over or short:
            files.sort(key=lambda file: (file.written, file.path))
            for file in files:
                low = count - removed <= self._low(self.caps.max_files)
                low = low and total <= self._low(self.caps.max_bytes)
                # One look at the disk per file: it fills and empties for others' reasons too.
                if low and not (short and self._disk_short()):
                    break
                if _remove(file.path):
                    total -= file.size
                    removed += 1
            if removed:
                total -= self._trim_index(files[removed:])
        self._files, self._bytes = count - removed, total
        self._until_scan = max(0, (self.caps.max_files or MAX_FILES) // _RESCAN)
        return removed

    @staticmethod
    def _low(cap: int | None) -> float:
        return float("inf") if cap is None else cap - cap // _SLACK

    def _scan(self) -> tuple[list[_File], int]:
        """The folder's profiles of ours, and the bytes of what serves them."""
        files: list[_File] = []
        now = time.time()
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if not entry.is_file(follow_symlinks=False):
                    continue
                if entry.name.startswith(TEMPORARY):
                    _remove_stale(entry, now)
                elif entry.name.endswith(SUFFIX) and self._ours(entry):
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue  # another process pruned it just now
                    files.append(_File(entry.path, status.st_size, status.st_mtime))
        return files, sum(size for _, size, _ in self._index_files())

    def _ours(self, entry: os.DirEntry[str]) -> bool:
        if naming.is_default(entry.name):
            return True
        if entry.name in self._foreign:
            return False
        if _has_trailer(entry.path):
            return True
        self._foreign.add(entry.name)
        return False

    def _index_files(self) -> list[tuple[str, int, float]]:
        found = []
        try:
            with os.scandir(self.folder / FOLDER) as entries:
                for entry in entries:
                    if entry.name.endswith(".jsonl") and entry.is_file(follow_symlinks=False):
                        status = entry.stat(follow_symlinks=False)
                        found.append((entry.path, status.st_size, status.st_mtime))
        except OSError:
            pass  # no index yet, or one trimmed meanwhile
        return found

    def _trim_index(self, kept: list[_File]) -> int:
        """Remove index files last written before the oldest profile left; returns their bytes."""
        oldest = kept[0].written if kept else time.time() - 1.0
        freed = 0
        for path, size, written in self._index_files():
            if written < oldest - 1.0 and _unlink(path):
                freed += size
        return freed


def _has_trailer(path: str) -> bool:
    """Whether the file ends as reqprof's files do."""
    try:
        with Path(path).open("rb") as file:
            file.seek(-len(MAGIC), os.SEEK_END)
            return file.read() == MAGIC
    except OSError:
        return False


def _remove(path: str) -> bool:
    # The name alone may lie: only what carries our trailer is ours to delete.
    return _has_trailer(path) and _unlink(path)


def _remove_stale(entry: os.DirEntry[str], now: float) -> None:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return
    if stat.S_ISREG(status.st_mode) and now - status.st_mtime > _STALE_SECONDS:
        _unlink(entry.path)


def _unlink(path: str) -> bool:
    try:
        os.unlink(path)  # noqa: PTH108  a plain call is half the price of a Path
    except OSError:
        return False
    return True
