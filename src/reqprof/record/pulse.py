"""What a process does each second on the background thread, from its first request on."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Final

from reqprof.store.background import BACKGROUND

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS: Final = 1.0


class Pulse:
    """Calls the bound method ``beat`` each second once it is started, while its object lives.

    ``beats`` tells whether it was started. In a forked child it begins anew.
    """

    def __init__(self, beat: Callable[[], None]) -> None:
        self._beat = weakref.WeakMethod(beat)
        self.beats = False

    def start(self) -> None:
        """Begin, or go on."""
        self.beats = True  # at once, so that two that come together start it once
        self.beats = BACKGROUND.later(SECONDS, partial(_next, weakref.ref(self)))

    def reset(self) -> None:
        """Stop, as the thread does not come along with a fork."""
        self.beats = False


def _next(pulse: weakref.ref[Pulse]) -> None:
    alive = pulse()
    beat = None if alive is None else alive._beat()
    if alive is not None and beat is not None:
        alive.start()  # the next one, whatever comes of this one
        beat()
