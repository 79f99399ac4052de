"""Durations counted in logarithmic buckets: any percentile within one hundredth of itself.

The buckets are those of DDSketch: Masson, Rim and Lee, "DDSketch: A Fast and Fully-Mergeable
Quantile Sketch with Relative-Error Guarantees", PVLDB 12 (2019), section 2.1. Counts of the same
buckets add up, so that those of many processes are as good as those of one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCURACY: Final = 0.01
"""At most so far, as a share of it, is a percentile from the duration that it stands for."""

LEAST: Final = 1e-6
"""Seconds; shorter ones count as these."""

MOST: Final = 1e9

_BASE = (1 + ACCURACY) / (1 - ACCURACY)
_SCALE = 1 / math.log(_BASE)


def bucket(seconds: float) -> int:
    """The number of the bucket that a duration falls into."""
    return math.ceil(math.log(min(MOST, max(LEAST, seconds))) * _SCALE)


def middle(number: int) -> float:
    """The duration, in seconds, that stands for all in that bucket."""
    return 2 * _BASE**number / (_BASE + 1)


FIRST: Final = bucket(0.0)
LAST: Final = bucket(math.inf)


def percentile(counts: Mapping[int, int], percent: float) -> float:
    """The nearest-rank percentile of what was counted by bucket, in seconds.

    Raises ValueError where nothing was.
    """
    rank = max(1, math.ceil(sum(counts.values()) * percent / 100))
    for number in sorted(counts):
        rank -= counts[number]
        if rank <= 0:
            return middle(number)
    raise ValueError("no duration was counted")
