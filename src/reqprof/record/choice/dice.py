"""Random numbers of our own: the app's, which it may have seeded, are left alone."""

from __future__ import annotations

from random import Random

from reqprof.store.native import after_fork

_dice = Random()
after_fork(_dice.seed)

throw = _dice.random
"""A random number from 0 to 1, the latter excluded."""
