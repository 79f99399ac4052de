"""When a folder is pruned to stay under its caps: by the process that writes to it."""

from __future__ import annotations

import math
import shutil
import time
from typing import TYPE_CHECKING

from reqprof.store import prune
from reqprof.store.caps import MAX_BYTES, MAX_FILES
from reqprof.store.census import Census, remove
from reqprof.store.turn import Turn

if TYPE_CHECKING:
    from pathlib import Path

    from reqprof.store.caps import Caps
    from reqprof.store.census import Held

_RESCAN = 200  # what other processes wrote is counted every two-hundredth of a cap
_UNSEEN = 100  # and a process writes no more than a hundredth before that, while another prunes
_PATIENCE = 1.0  # seconds that it waits for the other
_AGED = 20  # that a profile is too old is seen within a twentieth of that age, or a minute


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
        if due or self.caps.passed(self._files, self._bytes):
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
        now = time.time()
        files = self._census.profiles()
        for file in (*self._census.left_behind, *prune.old_tallies(self._census, self.caps)):
            remove(file)
        beside = self._census.size_beside()
        aged = any(now - file.written > self.caps.age for file in files)
        over = self.caps.passed(len(files), beside + prune.size(files))
        if aged or over or self._disk_short():
            # Pruning goes further than it must, so that not every write prunes.
            files = self._make_room(files, self.caps.lowered() if over else self.caps, now)
            beside = self._census.size_beside()
        self._files, self._bytes = len(files), beside + prune.size(files)
        self._new_files = self._new_bytes = 0
        oldest = min((file.written for file in files), default=now)
        self._next_aged = max(oldest + self.caps.age, now + max(60.0, self.caps.age / _AGED))

    def _make_room(self, files: list[Held], caps: Caps, now: float) -> list[Held]:
        """Delete what must go; returns what stays."""
        gone, left = prune.plan(self._census, self._census.ours(files), caps, now)
        for file in gone:
            # What cannot be removed has gone already, or is another user's to prune.
            self._pruned += remove(file)
        taken = 0
        # One look at the disk per file: it fills and empties for others' reasons too.
        while taken < len(left) and self._disk_short():
            self._pruned += remove(left[taken])
            taken += 1
        left = left[taken:]
        if gone or taken:
            for file in prune.old_index(self._census, left):
                remove(file)
        return left
