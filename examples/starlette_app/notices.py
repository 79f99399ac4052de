"""The operator's notices to passengers, and which stops they say are closed."""

from __future__ import annotations

import random
import re
from typing import NamedTuple

CLOSING = re.compile(r"(?:\w+[ ,]+)+is closed (?:\w+[ ,]+)*until (\d\d:\d\d)")

STORIES = (
    (
        "Because of the street fair, trams in the direction of the harbour leave from the other "
        "side of the square for the whole weekend, and every second tram ends at the castle"
    ),
    (
        "Passengers with bicycles are kindly asked to board at the last door, to leave the seats "
        "near the driver to older people, and to keep the aisle free between the stops"
    ),
    (
        "From Monday on the morning trams run every ten minutes, except in the school holidays, "
        "when the usual weekend timetable applies on all lines that cross the old bridge"
    ),
    (
        "Found on the line to the quarry in the last week, one umbrella, two pairs of gloves, a "
        "violin case without a violin, and a birthday cake that the drivers have meanwhile eaten"
    ),
)
CLOSED = "The stop at {place} is closed for repairs of the track until {hour:02d}:30"
PLACES = ("Mill Bridge", "Abbey Gate", "Linden Park", "Station Yard", "Castle Hill")


class Closure(NamedTuple):
    """What is closed, and until when."""

    notice: str
    until: str


def all_notices() -> list[str]:
    """Return the notices of the day. One in eight says that a stop is closed."""
    rng = random.Random(4)
    return [_notice(number, rng) for number in range(80)]


def _notice(number: int, rng: random.Random) -> str:
    if number % 8:
        return f"{rng.choice(STORIES)}."
    return f"{CLOSED.format(place=rng.choice(PLACES), hour=rng.randint(9, 20))}."


def all_closures(notices: list[str]) -> list[Closure]:
    """Return the closures that the notices tell of."""
    return [closure for notice in notices if (closure := closure_by_backtracking(notice))]


def closure_by_backtracking(notice: str) -> Closure | None:
    """Return the closure that a notice tells of, if it does.

    The pattern repeats a repeat: in a notice without a closure it starts from every letter, and
    each time runs to the end and all the way back, so the time grows with the length squared.
    """
    match = CLOSING.search(notice)
    return Closure(match.group(), match[1]) if match else None
