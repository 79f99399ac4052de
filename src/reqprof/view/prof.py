"""A table as cProfile writes it: for pstats, snakeviz, tuna, gprof2dot and the like."""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reqprof.model import Stats

_VERSION = 4
"""Of marshal, which cProfile writes and every Python since 3.4 reads."""


def render(stats: Stats) -> bytes:
    """The table as a plain profile, without facts or trees."""
    return marshal.dumps(stats, _VERSION)
