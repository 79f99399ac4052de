"""Folded stacks, one a line: ``all;shop.search (shop.py:12) 4711``, in microseconds.

The format of Brendan Gregg's FlameGraph, which most viewers read. It has no comments, so nothing
here can say that stacks are reconstructed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reqprof.tree.prune import prune
from reqprof.view import names
from reqprof.view.whole import apportion

if TYPE_CHECKING:
    from reqprof.model import Function
    from reqprof.tree.node import Node

# Every line repeats its whole stack, so the size grows with frames times depth.
_MOST_FRAMES = 20_000
_DEEPEST = 400

_COUNT = re.compile(r" (?=[0-9]+(\.[0-9]*)?$)")


def render(
    tree: Node,
    *,
    max_frames: int | None = _MOST_FRAMES,
    max_depth: int | None = _DEEPEST,
    unit: int = 1_000_000,
) -> str:
    """The tree as folded stacks, the root left out, a line for each with time of its own.

    Times are whole microseconds, or what ``unit`` counts in a second, and add up to the total's,
    rounded. Frames deeper than ``max_depth`` and the smallest past ``max_frames`` are merged into
    ``…``; None is no limit.
    """
    stacks, times = _stacks(prune(tree, max_frames=max_frames, max_depth=max_depth))
    counts = apportion([time * unit for time in times], round(tree.total * unit))
    return "".join(
        f"{stack} {number}\n" for stack, number in zip(stacks, counts, strict=True) if number
    )


def _stacks(tree: Node) -> tuple[list[str], list[float]]:
    """Each stack with time of its own, as one string, and that time in seconds."""
    stacks: list[str] = []
    times: list[float] = []
    path: list[str] = []
    for depth, node in tree.walk():
        if depth:
            path[depth - 1 :] = [_name(node.function)]
        if node.self_time > 0:
            stacks.append(";".join(path) or _name(node.function))
            times.append(node.self_time)
    return stacks, times


def _name(function: Function) -> str:
    """The function as a folded frame: neither a separator nor a line end in it, nor a count."""
    place = names.place(function)
    name = names.label(function)
    if place and function[0] != "~":
        name += f" ({place})"
    # flamegraph.pl takes two numbers at the end of a line for two counts to compare.
    return _COUNT.sub("_", name.replace(";", ":"))
