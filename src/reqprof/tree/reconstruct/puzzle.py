"""A function with several callers and several callees: who had which call made."""

from __future__ import annotations

from typing import NamedTuple

# Seconds. No clock ticks faster, so sums that differ by less are equal.
_EQUAL = 5e-10
# A sum met by chance: sums tried, times the tick of a coarse clock in seconds, over the sum.
_TICK = 3e-8
_CHANCE = 0.2
# Bounds on the work for one way: callees that are looked at, and steps in adding them up.
_MOST_CALLEES = 14
_MOST_STEPS = 3000


class Puzzle(NamedTuple):
    """What is measured of the ways into a function and of its callees, in parallel lists."""

    entries: list[int]  # how often it was entered by each way
    below: list[float]  # seconds that each way spent in callees
    calls: list[int]  # how often each callee was called
    spent: list[float]  # seconds in each callee
    variance: list[float]  # of one call of each callee, in seconds squared

    def only(self, ways: list[int], callees: list[int]) -> Puzzle:
        """The puzzle that is left when the other ways and callees are solved."""
        return Puzzle(
            [self.entries[i] for i in ways],
            [self.below[i] for i in ways],
            [self.calls[j] for j in callees],
            [self.spent[j] for j in callees],
            [self.variance[j] for j in callees],
        )


def whole_sums(puzzle: Puzzle) -> dict[int, list[int]]:
    """The ways in that spent just what some callees took, to the clock's last tick; and those.

    Nobody else can have called these, or not for long, so they are no part of other ways.
    """
    ways = set(range(len(puzzle.below)))
    callees = {j for j, spent in enumerate(puzzle.spent) if spent > 0}
    solved: dict[int, list[int]] = {}
    while len(ways) > 1 and (found := _solvable(puzzle, ways, callees)):
        way, parts = found
        solved[way] = parts
        ways.discard(way)
        callees.difference_update(parts)
    return solved


def _solvable(puzzle: Puzzle, ways: set[int], callees: set[int]) -> tuple[int, list[int]] | None:
    for way in sorted(ways, key=lambda i: (puzzle.below[i], i)):
        parts = _parts(puzzle.below[way], puzzle.spent, callees)
        if parts is not None:
            return way, parts
    return None


def _parts(wanted: float, spent: list[float], callees: set[int]) -> list[int] | None:
    """The callees whose times add up to the wanted; None where none do, or several choices."""
    if wanted <= _EQUAL:
        return []
    fit = sorted((j for j in callees if spent[j] <= wanted + _EQUAL), key=lambda j: (-spent[j], j))
    if len(fit) > _MOST_CALLEES or 2 ** len(fit) * _TICK > _CHANCE * wanted:
        return None
    places = _only_sum(wanted, [spent[j] for j in fit])
    return None if places is None else [fit[place] for place in places]


def _only_sum(wanted: float, numbers: list[float]) -> list[int] | None:
    """Where the numbers are that add up to the wanted; None unless there is one choice of them."""
    left = [0.0]
    for number in reversed(numbers):
        left.append(left[-1] + number)
    left.reverse()
    found: list[list[int]] = []
    waiting: list[tuple[int, float, list[int]]] = [(0, wanted, [])]
    for _ in range(_MOST_STEPS):
        if not waiting or len(found) > 1:
            break
        place, missing, chosen = waiting.pop()
        if abs(missing) <= _EQUAL:
            found.append(chosen)
        elif place < len(numbers) and -_EQUAL < missing <= left[place] + _EQUAL:
            waiting.append((place + 1, missing, chosen))
            waiting.append((place + 1, missing - numbers[place], [*chosen, place]))
    return found[0] if len(found) == 1 and not waiting else None
