"""Durations as people write them: ``250ms``, ``1.5s``, ``1m30s``."""

from __future__ import annotations

import math
import re

UNITS = {
    "us": 1e-6,
    "µs": 1e-6,  # the micro sign
    "μs": 1e-6,  # the Greek letter
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
}

_AMOUNT = r"(\d+(?:\.\d*)?|\.\d+)\s*"
_UNIT = "|".join(sorted(UNITS, key=len, reverse=True))
_PART = re.compile(rf"{_AMOUNT}({_UNIT})\s*", re.ASCII)
_NUMBER = re.compile(_AMOUNT, re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds from ``250ms``, ``1.5s``, ``2m``, ``1m30s`` or a plain number of seconds.

    Raises ValueError.
    """
    text = text.strip().lower()
    seconds = float(text) if _NUMBER.fullmatch(text) else sum(_parts(text))
    if not math.isfinite(seconds):
        raise ValueError(f"{text!r:.40} is longer than time itself")
    return seconds


def starts_as_duration(text: str) -> bool:
    """Whether a number with a unit is the first thing in ``text``."""
    return _PART.match(text.lower()) is not None


def as_seconds(name: str, value: object) -> float:
    """The argument ``name``, a number of seconds or a duration as text; above 0.

    Raises TypeError or ValueError, naming it with its value.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError(f'{name} is seconds, or a text such as "500ms"; got {value!r}')
    try:
        seconds = parse_duration(value) if isinstance(value, str) else float(value)
    except (ValueError, OverflowError):
        raise ValueError(f'{name} is seconds, or a text such as "500ms"; got {value!r}') from None
    if not 0.0 < seconds < math.inf:
        raise ValueError(f"{name} must be more than no time, and finite; got {value!r}")
    return seconds


def _parts(text: str) -> list[float]:
    parts, at = [], 0
    while at < len(text):
        if not (part := _PART.match(text, at)):
            break
        parts.append(float(part[1]) * UNITS[part[2]])
        at = part.end()
    if not parts or at < len(text):
        raise ValueError(f"{text!r:.40} is no duration; write 250ms, 1.5s, 2m, or plain seconds")
    return parts
