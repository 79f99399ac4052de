"""Weighing suppositions of which ways into a function made which calls out of it.

Counts tell a lot: a callee called as often as one way was entered was probably called by that way
alone; one called as often as some ways together, by those, once for each time. What a supposition
then leaves each way with, or lacks, says how likely it is.
"""

from __future__ import annotations

from itertools import combinations
from math import exp, log
from operator import add
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqprof.tree.reconstruct.balance import Matrix
    from reqprof.tree.reconstruct.puzzle import Puzzle

# Odds before the times are looked at. By recorded stacks of Flask, Django and pip; half or twice
# as much changes the time on wrong stacks by 3 % at most.
_EVEN = 4.0  # all ways, each the same number of times
_UNEVEN = 0.5  # all ways, somehow
_ONE = 1.0  # one way, the same number of times for each entry
_ONE_UNEVEN = 0.1  # one way, somehow
_SOME = 0.5  # some ways, each the same number of times
# Bounds on the work for one function.
_MOST_WAYS = 6  # of which subsets are supposed
_MOST = 600  # suppositions weighed
_SMALL = 1e-4  # callees with a lesser share of the time are everybody's
_PRECISION = 1e-6  # of a sum of times
_UNLIKELY = 12.0  # natural logarithm of how much less likely than the best is left out
_LEAST = 0.02  # of what was supposed, when the times call for less
_VAGUE = 1e-3  # counts that divide evenly prove no more than this, as a squared deviation


class _Belief(NamedTuple):
    """That a callee was called by these ways only: log odds, and what each way spent in it."""

    ways: tuple[int, ...]
    odds: float
    mean: list[float]
    variance: list[float]


def suppose(puzzle: Puzzle) -> Matrix:
    """Expected seconds of each way in each callee; the sums are not met to the last tick."""
    shares = [[0.0] * len(puzzle.calls) for _ in puzzle.entries]
    for (j, ways), weight in _likely_callers(puzzle).items():
        entries = sum(puzzle.entries[i] for i in ways)
        for i in ways:
            shares[i][j] += weight * puzzle.entries[i] / entries
    return _fitted(puzzle, shares)


def _likely_callers(puzzle: Puzzle) -> dict[tuple[int, tuple[int, ...]], float]:
    """By callee and set of ways, how likely it is that these made its calls."""
    chosen, beliefs = _to_weigh(puzzle)
    weights: dict[tuple[int, tuple[int, ...]], float] = {}
    for weight, choice in _weigh(puzzle, chosen, beliefs):
        for j, belief in zip(chosen, choice, strict=True):
            weights[j, belief.ways] = weights.get((j, belief.ways), 0.0) + weight
    told = {j for j, _ in weights}
    everyone = tuple(range(len(puzzle.entries)))
    return weights | {(j, everyone): 1.0 for j in range(len(puzzle.calls)) if j not in told}


def _to_weigh(puzzle: Puzzle) -> tuple[list[int], list[list[_Belief]]]:
    """The callees that took longest, as many as can be weighed, and what to believe of each."""
    chosen: list[int] = []
    beliefs: list[list[_Belief]] = []
    number = 1
    for j in sorted(range(len(puzzle.spent)), key=lambda j: (-puzzle.spent[j], j)):
        odds = _odds(puzzle.entries, puzzle.calls[j])
        number *= len(odds)
        if number > _MOST or puzzle.spent[j] <= _SMALL * sum(puzzle.spent):
            break
        chosen.append(j)
        whole = sum(odds.values())
        beliefs.append(
            [_Belief(ways, log(x / whole), *_effect(puzzle, j, ways)) for ways, x in odds.items()]
        )
    return chosen, beliefs


def _odds(entries: list[int], calls: int) -> dict[tuple[int, ...], float]:
    """The sets of ways that may have made so many calls."""
    count = len(entries)
    odds: dict[tuple[int, ...], float] = {
        (i,): (_ONE_UNEVEN if calls % entries[i] else _ONE) / count for i in range(count)
    }
    some = [
        ways
        for size in range(2, count if count <= _MOST_WAYS else 2)
        for ways in combinations(range(count), size)
        if calls % sum(entries[i] for i in ways) == 0
    ]
    odds |= dict.fromkeys(some, _SOME / max(1, len(some)))
    if calls > 1:
        odds[tuple(range(count))] = _UNEVEN if calls % sum(entries) else _EVEN
    return odds


def _effect(puzzle: Puzzle, callee: int, ways: tuple[int, ...]) -> tuple[list[float], list[float]]:
    """Mean and variance of the seconds that each way spent in a callee that only these called."""
    calls, spent = puzzle.calls[callee], puzzle.spent[callee]
    mean = [0.0] * len(puzzle.entries)
    variance = list(mean)
    entries = sum(puzzle.entries[i] for i in ways)
    for i in ways:
        share = puzzle.entries[i] / entries
        mean[i] = spent * share
        if len(ways) > 1:
            # Calls vary, by as much as they take; so does what callers want of them.
            shared = share * (1 - share)
            by_call = share + (shared if calls % entries else 0.0)
            variance[i] = spent**2 * (by_call / calls + shared**2)
    return mean, variance


def _weigh(
    puzzle: Puzzle, chosen: list[int], beliefs: list[list[_Belief]]
) -> list[tuple[float, tuple[_Belief, ...]]]:
    """The possible choices of a belief for each callee, and how likely each is, 1 in all."""
    whole = sum(puzzle.spent)
    scale = whole / sum(puzzle.below)
    below = [seconds * scale for seconds in puzzle.below]
    room = [seconds + _PRECISION * whole for seconds in below]
    others = _others(puzzle, chosen)
    found = [(_likelihood(below, others, choice), choice) for choice in _possible(beliefs, room)]
    best = max((likely for likely, _ in found), default=0.0)
    odds = [(exp(likely - best), c) for likely, c in found if likely > best - _UNLIKELY]
    all_odds = sum(x for x, _ in odds)
    return [(x / all_odds, choice) for x, choice in odds]


def _others(puzzle: Puzzle, chosen: list[int]) -> _Belief:
    """What each way spent in callees that are not weighed: these are everybody's."""
    everyone = tuple(range(len(puzzle.entries)))
    mean = [0.0] * len(everyone)
    variance = [(_PRECISION * sum(puzzle.spent)) ** 2] * len(everyone)
    for j in sorted(set(range(len(puzzle.spent))).difference(chosen)):
        means, variances = _effect(puzzle, j, everyone)
        mean = list(map(add, mean, means))
        variance = list(map(add, variance, variances))
    return _Belief(everyone, 0.0, mean, variance)


def _likelihood(below: list[float], others: _Belief, choice: tuple[_Belief, ...]) -> float:
    """Log odds of a choice by Bayes' rule, the seconds of a way taken as normally distributed."""
    likely, mean, variance = others.odds, others.mean, others.variance
    for belief in choice:
        likely += belief.odds
        mean = list(map(add, mean, belief.mean))
        variance = list(map(add, variance, belief.variance))
    # One of the ways follows from the others, for the sum is known.
    weight = (1 - 1 / len(below)) / 2
    for seconds, m, v in zip(below, mean, variance, strict=True):
        likely -= weight * ((seconds - m) ** 2 / v + log(v))
    return likely


def _possible(
    beliefs: list[list[_Belief]], room: list[float], *chosen: _Belief
) -> Iterator[tuple[_Belief, ...]]:
    """The choices by which no way would have spent more in callees of its own than it has."""
    if len(chosen) == len(beliefs):
        yield chosen
        return
    for belief in beliefs[len(chosen)]:
        left = room
        if len(belief.ways) == 1:
            way = belief.ways[0]
            if belief.mean[way] > room[way]:
                continue
            left = list(room)
            left[way] -= belief.mean[way]
        yield from _possible(beliefs, left, *chosen, belief)


def _fitted(puzzle: Puzzle, shares: Matrix) -> Matrix:
    """Seconds, with what a way has too much or too little on the callees that vary most there.

    In proportion to their variances: so normal variables are expected once their sum is known.
    """
    scale = sum(puzzle.spent) / sum(puzzle.below)
    fitted = []
    for row, below in zip(shares, puzzle.below, strict=True):
        expected = [share * spent for share, spent in zip(row, puzzle.spent, strict=True)]
        spread = [_spread(puzzle, j, share) for j, share in enumerate(row)]
        off = below * scale - sum(expected)
        whole = sum(spread)
        fitted.append(
            [
                max(_LEAST * x, x + off * s / whole) if whole > 0 else x
                for x, s in zip(expected, spread, strict=True)
            ]
        )
    return fitted


def _spread(puzzle: Puzzle, callee: int, share: float) -> float:
    """The variance of a way's time in a callee of which it is expected to have a share."""
    calls, spent = puzzle.calls[callee], puzzle.spent[callee]
    by_count = 1 / calls if calls % sum(puzzle.entries) else 0.0
    shared = share * (1 - share) * spent**2
    return share * calls * puzzle.variance[callee] + shared * (by_count + _VAGUE)
