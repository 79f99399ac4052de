"""What happened to requests, counted; and each kind of trouble told to the log once."""

from __future__ import annotations

import logging
import time
import weakref
from contextlib import suppress

from reqprof.store.facts import MAX_TEXT
from reqprof.store.native import after_fork, original
from reqprof.store.status import Trouble

logger = logging.getLogger("reqprof")

_alive: weakref.WeakSet[Counters] = weakref.WeakSet()


class Counters:
    """Counts by name, exact under threads.

    ``profiled`` requests were recorded; of these ``stored`` are on disk, ``empty`` held no call,
    ``dropped`` found the queue full, ``unwritten`` the disk; ``interrupted`` ones were cut short
    by another profiler. ``skipped_*`` requests ran unprofiled, for the reason in the name;
    ``skipped_paused`` ones came while ``reqprof pause`` held. ``not_kept`` ones no rule wanted. Of
    those stored, ``displaced`` ones were deleted again, as slower ones of their route came.
    ``trigger_refused`` counts tokens that were not valid, ``control_refused`` files of ``reqprof
    arm`` and ``pause`` that made no sense.
    ``unsaved_times`` tallies of what requests took found no room on disk; ``untimed`` tells that
    more ended at once than could be tallied. ``failed_*`` are faults of reqprof's own, or of what
    is the app's (``failed_keep``, ``failed_on_profile``); ``pruned`` is files deleted to keep a
    cap.
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._told: set[str] = set()
        self.last_trouble: Trouble | None = None
        # Reentrant, as a collected coroutine may count in the middle of a count.
        self._lock = original("_thread", "RLock")()
        _alive.add(self)

    def add(self, name: str, number: int = 1) -> None:
        """Count ``number`` more of ``name``."""
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + number

    def trouble(self, name: str, why: object) -> None:
        """Count ``name``, and say ``why`` in the log the first time."""
        self.add(name)
        self.last_trouble = Trouble(counter=name, why=str(why)[:MAX_TEXT], at=time.time())
        self.say(name, why)

    def say(self, name: str, why: object) -> None:
        """Say ``why`` in the log, once for each ``name``."""
        with self._lock:
            told = name in self._told
            self._told.add(name)
        if not told:
            self.log(f"{name}: {why} (further ones are only counted)")

    def log(self, line: str) -> None:
        """Say it in the log."""
        with suppress(Exception):  # of a handler that the app has set up
            logger.warning("%s", line)

    def as_dict(self) -> dict[str, int]:
        """A copy of the counts."""
        with self._lock:
            return dict(self._counts)


def told(error: BaseException) -> str:
    """An exception in a line of the log, even one that cannot say what it is."""
    try:
        return repr(error)
    except Exception:
        return type(error).__name__


def _renew_locks() -> None:
    # Another thread may have held a lock at the fork, and is not here to release it.
    for counters in list(_alive):
        counters._lock = original("_thread", "RLock")()


after_fork(_renew_locks)
