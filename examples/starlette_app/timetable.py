"""The town's tram network, the same in every process and on every run."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

STOPS = 160
LINES = 40
STOPS_OF_A_LINE = 18
FIRST_TRAM, LAST_TRAM = 5 * 60, 24 * 60

QUARTERS = "Harbour Mill Castle Linden Station Abbey Market Quarry Meadow Bishop Fisher Garden"
PLACES = "Square Street Bridge Gate Lane Park School Baths Hospital Works Yard Cross Field Hill"


def stops() -> list[tuple[int, str, float, float]]:
    """The id, name and place of each stop."""
    rng = random.Random(1)
    names = [f"{quarter} {place}" for quarter in QUARTERS.split() for place in PLACES.split()]
    return [
        (number, name, round(rng.uniform(-6, 6), 2), round(rng.uniform(-4, 4), 2))
        for number, name in enumerate(rng.sample(names, STOPS), 1)
    ]


def lines() -> list[tuple[int, str]]:
    """The id and name of each line; the last one runs at night."""
    return [(number, f"T{number}" if number < LINES else "N1") for number in range(1, LINES + 1)]


def calls() -> list[tuple[int, int, int]]:
    """The line, the position on it and the stop, for each stop at which a line calls."""
    rng = random.Random(2)
    return [
        (line, position, stop)
        for line, _ in lines()
        for position, stop in enumerate(rng.sample(range(1, STOPS + 1), STOPS_OF_A_LINE))
    ]


def departures() -> Iterator[tuple[int, int, int]]:
    """The line, the stop and the minute of the day of every departure."""
    for line, position, stop in calls():
        for minute in range(FIRST_TRAM + line % 7, LAST_TRAM, 24 + line % 5):
            yield line, stop, minute + 2 * position
