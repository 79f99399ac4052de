"""Caps on what a folder may hold: files, bytes, their age, and the room left on its disk."""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reqprof.durations import as_seconds
from reqprof.store.census import Census, remove
from reqprof.store.turn import Turn

if TYPE_CHECKING:
    from pathlib import Path

    from reqprof.store.census import Held

MAX_FILES = 10_000
MAX_BYTES = 1 << 30
MIN_FREE = 0.05

_SLACK = 20  # pruning stops a twentieth below the cap, so that not every write prunes
_TIMES = 10  # tallies take no more than a tenth of the cap
_RESCAN = 200  # what other processes wrote is counted every two-hundredth of a cap
_UNSEEN = 100  # and a process writes no more than a hundredth before that, while another prunes
_PATIENCE = 1.0  # seconds that it waits for the other
_AGED = 20  # that a profile is too old is seen within a twentieth of that age, or a minute


@dataclass(frozen=True, slots=True)
class Caps:
    """At most ``max_files`` profiles and ``max_bytes``; ``min_free`` is a share of the disk, 0-1.

    ``max_age`` is seconds, or a text such as "7d". ``None`` lifts a cap.
    """

    max_files: int | None = MAX_FILES
    max_bytes: int | None = MAX_BYTES
    min_free: float | None = MIN_FREE
    max_age: float | str | None = None

    def __post_init__(self) -> None:
        for name in ("max_files", "max_bytes"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise ValueError(f"{name} must be a whole number from 1, or None; got {value!r}")
        free = self.min_free
        if free is not None and not (isinstance(free, (int, float)) and 0 <= free < 1):
            raise ValueError(f"min_free is a share of the disk from 0 to below 1; got {free!r}")
        if self.max_age is not None:
            as_seconds("max_age", self.max_age)

    @property
    def age(self) -> float:
        """Seconds that a profile may stay."""
        return math.inf if self.max_age is None else as_seconds("max_age", self.max_age)


class Retention:
    """Keeps one folder under its caps. For the writer thread alone.

    The oldest profile goes first; what failed and the slowest of each route go last, but for what
    is more than half of the folder. Of several processes one prunes at a time.
    """

    def __init__(self, folder: Path, caps: Caps) -> None:
        self.folder = folder
        self.caps = caps
        self._census = Census(folder)
        self._turn = Turn(folder)
        self._files = self._bytes = 0
        # Since the last scan; before the first one anything may be there.
        self._new_files = self._new_bytes = math.inf
        self._next_aged = 0.0  # when a profile may be too old
        self._pruned = 0

    def wrote(self, size: int) -> int:
        """Take note of a new profile, which takes ``size`` bytes with its line in the index.

        Returns how many files had to go since the last call.
        """
        self._files += 1
        self._new_files += 1
        self.grew(size)
        pruned, self._pruned = self._pruned, 0
        return pruned

    def grew(self, size: int) -> None:
        """Take note of ``size`` bytes that were written beside the profiles."""
        self._bytes += size
        self._new_bytes += size
        due = self._scan_is_due(_RESCAN) or self._age_is_due()
        if due or self._over(self._files, self._bytes):
            self._prune()

    def has_room(self) -> bool:
        """Whether the disk has ``min_free`` left; prunes first where it has not."""
        if not self._disk_short():
            return True
        self._prune()
        return not self._disk_short()

    def tend(self) -> None:
        """See to it, from time to time, that nothing is too old where nothing is written."""
        if self._age_is_due():
            self._prune()

    def _over(self, files: int, size: int, *, low: bool = False) -> bool:
        """Whether that is more than the caps allow or, with ``low``, than pruning leaves."""
        return any(
            cap is not None and number > (cap - cap // _SLACK if low else cap)
            for number, cap in ((files, self.caps.max_files), (size, self.caps.max_bytes))
        )

    def _scan_is_due(self, share: int) -> bool:
        most_files, most_bytes = self.caps.max_files or MAX_FILES, self.caps.max_bytes or MAX_BYTES
        return self._new_files > most_files // share or self._new_bytes > most_bytes // share

    def _age_is_due(self) -> bool:
        return self.caps.max_age is not None and time.time() >= self._next_aged

    def _disk_short(self) -> bool:
        free = self.caps.min_free
        if not free:
            return False
        disk = shutil.disk_usage(self.folder)
        return disk.free < disk.total * free

    def _prune(self) -> None:
        # Where another process is at it the next write asks again, but for what was written
        # meanwhile there is a limit.
        with self._turn.taken(_PATIENCE if self._scan_is_due(_UNSEEN) else 0.0) as mine:
            if mine:
                self._prune_alone()

    def _prune_alone(self) -> None:
        files = self._census.profiles()
        beside = self._census.size_beside() - self._trim_times()
        now = time.time()
        if self._too_old(files, now) or self._full(files, beside):
            # A name may lie: only what carries our trailer is counted, and ours to delete.
            files = [file for file in files if self._census.outcome(file) is not None]
            for file in self._too_old(files, now):
                self._remove(file)
            files = [file for file in files if now - file.written <= self.caps.age]
            beside -= self._remove_first(in_order(files, self._census), files, beside)
        self._files, self._bytes = len(files), beside + _size(files)
        self._new_files = self._new_bytes = 0
        oldest = min((file.written for file in files), default=now)
        self._next_aged = max(oldest + self.caps.age, now + max(60.0, self.caps.age / _AGED))

    def _too_old(self, files: list[Held], now: float) -> list[Held]:
        return [file for file in files if now - file.written > self.caps.age]

    def _full(self, files: list[Held], beside: int) -> bool:
        return self._over(len(files), beside + _size(files)) or self._disk_short()

    def _remove_first(self, order: list[Held], files: list[Held], beside: int) -> int:
        """Take what is too much, the first in ``order``, from disk and ``files``.

        Returns the bytes that this saves beside them.
        """
        count, total = len(files), beside + _size(files)
        over, short = self._over(count, total), self._disk_short()
        gone = set()
        for file in order:
            # One look at the disk per file: it fills and empties for others' reasons too.
            if not self._over(count, total, low=over) and not (short and self._disk_short()):
                break
            # What cannot be removed has gone already, or is another user's to prune.
            self._remove(file)
            total -= file.size
            count -= 1
            gone.add(file)
        files[:] = [file for file in files if file not in gone]
        return self._trim_index(order[len(gone) :]) if gone else 0

    def _remove(self, file: Held) -> None:
        self._pruned += remove(file)

    def _trim_index(self, order: list[Held]) -> int:
        """Remove index files last written before the profile that goes next; returns their bytes.

        Older ones, which stay for what they are, are found without it.
        """
        # A line is written after its profile: such a file has none of those that are left.
        oldest = order[0].written if order else math.inf
        return sum(
            file.size for file in self._census.beside() if file.written < oldest and remove(file)
        )

    def _trim_times(self) -> int:
        """Remove the oldest tallies where they take a tenth of the cap; returns their bytes."""
        # Where few requests are profiled, or none, no profile's end would be theirs.
        most = (self.caps.max_bytes or MAX_BYTES) // _TIMES
        times = [file for file in self._census.beside() if ".times" in file.name]
        times.sort(key=lambda file: file.written, reverse=True)
        gone = total = 0
        for file in times:
            total += file.size
            if total > most and remove(file):
                gone += file.size
        return gone


def in_order(files: list[Held], census: Census) -> list[Held]:
    """Those that go first first: the oldest, then what failed and the slowest of each route.

    At most half of them, the newest of these, count as such.
    """
    slowest: dict[tuple[str, str], tuple[int, float, Held]] = {}
    special = []
    for file in files:
        outcome = census.outcome(file)
        if outcome is None:
            continue
        if outcome.failed:
            special.append(file)
        known = slowest.get(outcome.route)
        mine = outcome.microseconds, file.written, file
        if known is None or mine[:2] >= known[:2]:
            slowest[outcome.route] = mine
    special += [file for _, _, file in slowest.values()]
    special.sort(key=lambda file: file.written, reverse=True)
    spared = set(special[: len(files) // 2])
    return sorted(files, key=lambda file: (file in spared, file.written, file.path))


def _size(files: list[Held]) -> int:
    return sum(file.size for file in files)
