"""The plateaus of a flame graph: what is on top of it, and the stacks that lead there."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import nlargest, nsmallest
from typing import TYPE_CHECKING

from reqprof.tree.node import ROOT
from reqprof.tree.recursion import merged

if TYPE_CHECKING:
    from reqprof.model import Function
    from reqprof.tree.node import Node


@dataclass(frozen=True, slots=True)
class Stack:
    """The functions of a stack, outermost first, and the seconds on top of it.

    ``guessed`` is the part of the seconds that is an estimate.
    """

    functions: tuple[Function, ...]
    self_time: float
    guessed: float


@dataclass(frozen=True, slots=True)
class Plateau:
    """A function with its self time on all stacks, or what it waited.

    ``self_time`` and ``guessed``, the part of it that is an estimate, are seconds; ``share`` is 0
    to 1, of the whole tree. ``calls`` are all calls of the function, recursive ones too, of a
    wait the times that it waited, where it was sampled the samples in which it was innermost;
    ``exact`` says that they are no estimate. ``stacks`` are the widest ones, each with the
    function at its end, and ``further`` is the number of the others.
    """

    function: Function
    waiting: bool
    self_time: float
    share: float
    calls: float
    exact: bool
    guessed: float
    stacks: tuple[Stack, ...]
    further: int


def plateaus(tree: Node, count: int = 10, *, stacks: int = 3) -> list[Plateau]:
    """The functions with the most self time, widest first, then those that waited longest.

    At most ``count`` of either kind, each with at most so many ``stacks``, recursion merged.
    A wait belongs to the function that awaited, :data:`~reqprof.tree.node.ROOT` where that is not
    in the tree. Remainders are left out, so all plateaus add up to the whole less those.
    """
    survey = _Survey(merged(tree))
    return [
        survey.plateau(top, stacks)
        for waiting in (False, True)
        for top in survey.widest(count, waiting=waiting)
    ]


@dataclass(slots=True)
class _Top:
    """What a function has on all its stacks; frames are by their number."""

    function: Function
    waiting: bool
    self_time: float = 0.0
    calls: float = 0
    exact: bool = True
    guessed: float = 0.0
    frames: list[int] = field(default_factory=list)

    def add(self, number: int, node: Node) -> None:
        self.self_time += node.self_time
        self.calls += node.counted
        self.exact = self.exact and node.exact
        self.guessed += node.guessed
        if node.self_time > 0:
            self.frames.append(number)


class _Survey:
    """The frames of a tree by number, each with the number of the one below it."""

    def __init__(self, tree: Node) -> None:
        self.total = tree.total
        self.nodes: list[Node] = []
        self.below: list[int] = []
        self.tops: dict[tuple[Function, bool], _Top] = {}
        path: list[int] = []
        for number, (depth, node) in enumerate(tree.walk()):
            path[depth:] = [number]
            self.nodes.append(node)
            self.below.append(path[depth - 1] if depth else -1)
            if not node.is_rest:
                self._add(number, node)

    def _add(self, number: int, node: Node) -> None:
        function = self.nodes[self.below[number]].function if node.is_wait else node.function
        top = self.tops.get((function, node.is_wait))
        if top is None:
            top = self.tops[function, node.is_wait] = _Top(function, node.is_wait)
        top.add(number, node)

    def widest(self, count: int, *, waiting: bool) -> list[_Top]:
        tops = [top for top in self.tops.values() if top.frames and top.waiting == waiting]
        return nsmallest(count, tops, key=lambda top: (-top.self_time, top.function))

    def plateau(self, top: _Top, stacks: int) -> Plateau:
        found = nlargest(stacks, top.frames, key=lambda number: self.nodes[number].self_time)
        return Plateau(
            top.function,
            top.waiting,
            top.self_time,
            top.self_time / self.total if self.total > 0 else 0.0,
            top.calls,
            top.exact,
            top.guessed,
            tuple(self._stack(number) for number in found),
            len(top.frames) - len(found),
        )

    def _stack(self, number: int) -> Stack:
        top = self.nodes[number]
        if top.is_wait:
            number = self.below[number]
        functions = []
        while self.nodes[number].function != ROOT:
            functions.append(self.nodes[number].function)
            number = self.below[number]
        return Stack(tuple(reversed(functions)), top.self_time, top.guessed)
