"""Caps on what a folder may hold: files, bytes, their age, and the room left on its disk."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from reqprof.durations import as_seconds

MAX_FILES = 10_000
MAX_BYTES = 1 << 30
MIN_FREE = 0.05

_SLACK = 20


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

    def passed(self, files: int, size: int) -> bool:
        """Whether so many files, or bytes, are more than allowed."""
        pairs = ((files, self.max_files), (size, self.max_bytes))
        return any(cap is not None and number > cap for number, cap in pairs)

    def lowered(self) -> Caps:
        """A twentieth lower in files and bytes."""
        low = {
            name: cap - cap // _SLACK
            for name in ("max_files", "max_bytes")
            if (cap := getattr(self, name)) is not None
        }
        return replace(self, **low)
