"""What goes from a folder that holds too much, and in which order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from reqprof.store.caps import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from reqprof.store.caps import Caps
    from reqprof.store.census import Census, Held

_TIMES = 10  # tallies take no more than a tenth of the cap


class Plan(NamedTuple):
    """Which profiles go, and which stay; in both those first that go first."""

    gone: list[Held]
    left: list[Held]


def plan(
    census: Census, files: list[Held], caps: Caps, now: float, kept: Collection[Held] = ()
) -> Plan:
    """What of ``files``, profiles of ours all, must go for the caps to hold; ``kept`` stays.

    What is too old goes. Then goes the oldest, but what failed and the slowest of each route last.
    """
    old = [file for file in files if now - file.written > caps.age and file not in kept]
    gone = set(old)
    order = in_order([file for file in files if file not in gone], census)
    order.sort(key=kept.__contains__)
    total = size(order) + census.size_beside() - size(old_tallies(census, caps))
    end = 0
    for file in order:
        if file in kept or not caps.passed(len(order) - end, total):
            break
        total -= file.size
        end += 1
    return Plan(old + order[:end], order[end:])


def in_order(files: list[Held], census: Census) -> list[Held]:
    """Those that go first first: the oldest, then what failed and the slowest of each route.

    At most half of them, the newest of these, count as such.
    """
    slowest: dict[tuple[str, str], tuple[int, float, Held]] = {}
    special = []
    for file in files:
        outcome = census.outcome(file)
        if outcome is None:
            continue
        if outcome.failed:
            special.append(file)
        known = slowest.get(outcome.route)
        mine = outcome.microseconds, file.written, file
        if known is None or mine[:2] >= known[:2]:
            slowest[outcome.route] = mine
    special += [file for _, _, file in slowest.values()]
    special.sort(key=lambda file: file.written, reverse=True)
    spared = set(special[: len(files) // 2])
    return sorted(files, key=lambda file: (file in spared, file.written, file.path))


def slowest(files: Iterable[Held], census: Census, count: int) -> set[Held]:
    """The ``count`` slowest of all."""
    timed = [(it.microseconds, file) for file in files if (it := census.outcome(file)) is not None]
    timed.sort(key=lambda pair: (-pair[0], pair[1].name))
    return {file for _, file in timed[:count]}


def old_index(census: Census, left: Iterable[Held]) -> list[Held]:
    """Files of the index last written before the oldest of a folder's profiles in its order.

    Older ones, which stay for what they are, are found without it.
    """
    # A line is written after its profile: such a file has none of those that are left.
    oldest = next((file.written for file in left), math.inf)
    return [file for file in census.beside() if file.written < oldest]


def old_tallies(census: Census, caps: Caps) -> list[Held]:
    """The oldest tallies of all requests, where they take more than a tenth of the cap."""
    # Where few requests are profiled, or none, no profile's end would be theirs.
    room = (caps.max_bytes or MAX_BYTES) // _TIMES
    old = []
    for file in sorted(census.tallies(), key=lambda file: file.written, reverse=True):
        room -= file.size
        if room < 0:
            old.append(file)
    return old


def size(files: Iterable[Held]) -> int:
    """Bytes of all of them."""
    return sum(file.size for file in files)
