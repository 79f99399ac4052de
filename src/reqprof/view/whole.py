"""Times and counts as whole numbers that add up to what they were."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST = 1e9
"""Seconds, 31 years: a broken file may hold times of which no number of nanoseconds can be made."""


def nanosecond(seconds: float) -> int:
    """A time as whole nanoseconds; a clock that ran backwards and NaN count as nothing."""
    return round(min(seconds, _LONGEST) * 1e9) if seconds > 0 and isfinite(seconds) else 0


def nanoseconds(times: Sequence[float]) -> list[int]:
    """The times, in seconds, as whole nanoseconds that add up to the rounded sum of all."""
    exact = [min(time, _LONGEST) * 1e9 for time in times]
    return apportion(exact, round(sum(exact)))


def apportion(values: list[float], whole: int) -> list[int]:
    """The values rounded down or up so that they add up to ``whole``, the largest parts up.

    Hamilton's method; ``whole`` is the rounded sum of the values.
    """
    floors = [int(value) for value in values]
    short = whole - sum(floors)
    by_part = sorted(range(len(values)), key=lambda i: floors[i] - values[i])
    for i in by_part[: max(0, short)]:
        floors[i] += 1
    return floors
