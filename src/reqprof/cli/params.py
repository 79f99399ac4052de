"""What a person types for times and statuses, and how times and durations are printed."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import click

from reqprof.durations import parse_duration, starts_as_duration

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_STATUS = re.compile(r"(\d{3})(?:-(\d{3}))?|([1-9])xx", re.ASCII)


def parse_moment(text: str, now: float | None = None) -> float:
    """Seconds since 1970 from an age such as ``10m`` (before ``now``) or from an ISO time.

    UTC where the text names no zone. Raises ValueError.
    """
    text = text.strip()
    try:
        if starts_as_duration(text):
            age = parse_duration(text)
            return max(0.0, (time.time() if now is None else now) - age)
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r:.40} is no time; write how long ago (10m, 2h, 1d)"
            " or an ISO time such as 2026-07-01T10:30 (UTC unless it names a zone)"
        ) from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def format_duration(seconds: float) -> str:
    """Three significant digits, in a form that ``parse_duration`` takes back."""
    if seconds >= 59.95:
        return _minutes(round(seconds))
    value, unit = (seconds, "s") if seconds >= 0.9995 else (seconds * 1e3, "ms")
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f}{unit}"


def format_moment(moment: float) -> str:
    """An ISO time in UTC, to the second, which :func:`parse_moment` takes back."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _minutes(seconds: int) -> str:
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    minutes = round(seconds / 60)
    return f"{minutes // 60}h{minutes % 60:02d}m"


@dataclass(frozen=True, slots=True)
class Statuses:
    """Those from ``low`` to ``high``; ERROR stands for requests whose app raised."""

    low: int
    high: int

    def __str__(self) -> str:
        if self == ERROR:
            return "error"
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


ERROR = Statuses(0, 0)


def parse_statuses(text: str) -> Statuses:
    """The statuses that ``500``, ``5xx``, ``400-499`` or ``error`` name; raises ValueError."""
    word = text.strip().lower()
    if word == "error":
        return ERROR
    if not (match := _STATUS.fullmatch(word)):
        raise ValueError(f"{text!r:.40} is no status; write 500, 5xx, 400-499 or error")
    if match[3]:
        return Statuses(int(match[3]) * 100, int(match[3]) * 100 + 99)
    low, high = int(match[1]), int(match[2] or match[1])
    if low > high:
        raise ValueError(f"{text!r} runs from high to low; write {high}-{low}")
    return Statuses(low, high)


def parsed(
    parse: Callable[[str], T],
) -> Callable[[click.Context, click.Parameter, object], object]:
    """A click callback that parses what was typed; a ValueError is a usage error.

    An option that may be repeated gives a tuple, one that is absent gives None.
    """

    def callback(ctx: click.Context, param: click.Parameter, value: object) -> object:
        try:
            if isinstance(value, tuple):
                return tuple(parse(text) for text in value)
            return None if value is None else parse(str(value))
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, param) from None

    return callback
