"""Where a program's time is, by stack; and how far two answers are from each other."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reqprof.model import Function
    from reqprof.tree.node import Node

    Stack = tuple[Function, ...]
    Widths = dict[Stack, float]
    """Own seconds, or samples, of each stack, which begins with the app's first function."""


def add(widths: Widths, stack: list[Function], width: float, entry: Function) -> None:
    """Count the stack from the app's first function on; others are not the app's."""
    if entry in stack and width > 0:
        widths[tuple(stack[stack.index(entry) :])] += width


def widths_of(tree: Node, own: Callable[[Node], float], entry: Function) -> Widths:
    """Seconds by stack of Python functions, C functions' and unnamed ones' counted for callers."""
    widths: Widths = defaultdict(float)
    path: list[Node] = []
    for depth, node in tree.walk():
        path[depth:] = [node]
        stack = [above.function for above in path if above.function[0] not in ("", "~")]
        add(widths, stack, own(node), entry)
    return widths


class Distance(NamedTuple):
    """Total variation distance, three ways."""

    functions: float
    stacks: float
    merged: float


def distance(one: Widths, other: Widths) -> Distance:
    ways = (lambda stack: stack[-1:], lambda stack: stack, merge_recursion)
    return Distance(*(variation(grouped(one, way), grouped(other, way)) for way in ways))


def variation(one: Widths, other: Widths) -> float:
    """Half the sum of the differences of the shares."""
    whole, other_whole = sum(one.values()), sum(other.values())
    return (
        sum(
            abs(one.get(stack, 0) / whole - other.get(stack, 0) / other_whole)
            for stack in one.keys() | other.keys()
        )
        / 2
    )


def grouped(widths: Widths, way: Callable[[Stack], Stack]) -> Widths:
    """Added up by what ``way`` makes of a stack."""
    found: Widths = defaultdict(float)
    for stack, width in widths.items():
        found[way(stack)] += width
    return found


def merge_recursion(stack: Stack) -> Stack:
    merged: list[Function] = []
    for function in stack:
        if function in merged:
            del merged[merged.index(function) :]
        merged.append(function)
    return tuple(merged)


def together(runs: Iterable[Widths]) -> Widths:
    whole: Widths = defaultdict(float)
    for run in runs:
        for stack, count in run.items():
            whole[stack] += count
    return whole


def shares_of(widths: Widths) -> dict[Function, float]:
    whole = sum(widths.values())
    shares: dict[Function, float] = defaultdict(float)
    for stack, width in widths.items():
        shares[stack[-1]] += width / whole
    return shares
