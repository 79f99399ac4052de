"""The plateaus of a tree as text for a terminal: work first, then waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reqprof.tree.node import ROOT
from reqprof.tree.plateaus import plateaus
from reqprof.view import stack, words
from reqprof.view.figures import count, percent, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqprof.tree.node import Node
    from reqprof.tree.plateaus import Plateau, Stack

_HEAD = " # {:>7} {:>8} {:>8}  {}"
_ROOM_FOR_FIGURES = 30
_ROOM_FOR_TIME = 21
_NARROWEST = 30  # columns for a function or a stack, however narrow the terminal
_NARROWEST_SHARE = 0.0005  # what is not written as 0.0 %
_NARROWEST_WAY = 0.01  # of its plateau
_MOST_WAYS = 3
_MOST_STACKS = 50  # of a plateau, in which ways to it are looked for


def lines(tree: Node, most: int, width: int) -> Iterator[str]:
    """The sections of both kinds, each after an empty line; nothing where there are none.

    A plateau has a line with rank, share, self time, calls, function and place, and below it up
    to three ways that lead there: stacks that read the same once shortened are one way.
    """
    found = plateaus(tree, most, stacks=_MOST_STACKS)
    found = [one for one in found if one.share >= _NARROWEST_SHARE]
    work = [one for one in found if not one.waiting]
    waits = [one for one in found if one.waiting]
    if work:
        yield from ("", "Widest plateaus: most self time, and what led there")
        yield from _section(work, ("share", "self", f"{words.noun(tree)}s", "function"), width)
    if waits:
        yield from ("", "Longest waits: what awaited, and what led there")
        times = "samples" if tree.sampled else "times"
        yield from _section(waits, ("share", "waited", times, "function"), width)


def _section(found: list[Plateau], titles: tuple[str, ...], width: int) -> Iterator[str]:
    yield ""
    yield _HEAD.format(*titles)
    room = max(_NARROWEST, width - _ROOM_FOR_FIGURES)
    for rank, plateau in enumerate(found, 1):
        yield _figures(rank, plateau) + _named(plateau, room)
        yield from _ways(plateau, max(_NARROWEST, width - _ROOM_FOR_TIME))


def _figures(rank: int, plateau: Plateau) -> str:
    time = _mark(plateau.guessed > 0) + seconds(plateau.self_time)
    calls = _mark(not plateau.exact) + count(plateau.calls)
    return f"{rank:>2} {percent(plateau.share, 1.0):>7} {time:>8} {calls:>8}  "


def _mark(estimate: bool) -> str:
    return "~" if estimate else ""


def _named(plateau: Plateau, room: int) -> str:
    if plateau.function == ROOT:
        return "at places that are not in the tree"
    return words.with_place(plateau.function, room)


def _ways(plateau: Plateau, room: int) -> Iterator[str]:
    """What led to a plateau, widest first, and the seconds of each way."""
    found: dict[tuple[str, ...], list[Stack]] = {}
    for one in plateau.stacks:
        found.setdefault(tuple(stack.callers(one.functions)), []).append(one)
    times = {way: sum(one.self_time for one in stacks) for way, stacks in found.items()}
    wide = [way for way, time in times.items() if time >= _NARROWEST_WAY * plateau.self_time]
    ways = sorted(wide, key=lambda way: (-times[way], way))[:_MOST_WAYS]
    further = len(plateau.stacks) + plateau.further - sum(len(found[way]) for way in ways)
    if ways == [()] and not further:
        return
    for way in ways:
        guess = any(one.guessed for one in found[way])
        yield _way(times[way], guess, stack.line(way, room) or "nothing, it is outermost")
    if further:
        left = plateau.self_time - sum(times[way] for way in ways)
        noun = "stack" if further == 1 else "stacks"
        yield _way(left, plateau.guessed > 0, f"{further:,} more {noun}")


def _way(time: float, guess: bool, text: str) -> str:
    return f"{'':>10} {_mark(guess) + seconds(time):>8}  {text}"
