"""The requests that are being profiled, how many may be at once, and how long each may take."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from reqprof.store.background import BACKGROUND

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.record.options import Settings
    from reqprof.record.recording import Recording

_STREAM_SECONDS = 60.0
_LOOK_SECONDS = 1.0  # between two looks at requests that may run too long


class InFlight:
    """Those of one middleware. What runs too long, or is ``paused``, is stored as it is."""

    def __init__(self, settings: Settings, paused: Callable[[], bool]) -> None:
        self._most = _max_concurrent(settings)
        self._limit = settings.max_duration
        self._paused = paused
        self._recordings: set[Recording] = set()
        self._looking = False

    def __len__(self) -> int:
        return len(self._recordings)

    def join(self, recording: Recording) -> bool:
        """Whether there is room for one more, which is one of them from now on."""
        self._recordings.add(recording)
        if self._most is not None and len(self._recordings) > self._most:
            # Counted after joining, so that two that come together cannot both slip through.
            self._recordings.discard(recording)
            return False
        return True

    def leave(self, recording: Recording) -> None:
        """It has ended, or never began."""
        self._recordings.discard(recording)

    def look_after(self) -> None:
        """See to it, until all have ended, that none runs too long."""
        if not self._looking:
            self._looking = BACKGROUND.later(self._pause(), self._look)

    def disown(self) -> None:
        """In a forked child: what was in flight in the parent goes on there."""
        for recording in list(self._recordings):
            recording.disown()
        self._recordings.clear()
        self._looking = False

    def _pause(self) -> float:
        return min(_LOOK_SECONDS, (self._limit or math.inf) / 10)

    def _look(self) -> None:
        """On the background thread."""
        self._looking = False
        for recording in list(self._recordings):
            most = self._limit or (_STREAM_SECONDS if recording.streams() else math.inf)
            if recording.age() > most or self._paused():
                recording.stop()
        if self._recordings:
            self.look_after()


def _max_concurrent(settings: Settings) -> int | None:
    rate = settings.sample
    if settings.max_concurrent is None and sys.version_info >= (3, 12) and not callable(rate):
        return 1 if rate < 1 else None
    return settings.max_concurrent
