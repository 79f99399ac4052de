"""Cutting a tree to what a picture can show, losing names but no time."""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING

from reqprof.tree.node import REST, Node

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reqprof.model import Function


def prune(
    tree: Node,
    *,
    min_total: float = 0.0,
    max_frames: int | None = None,
    max_depth: int | None = None,
) -> Node:
    """A copy of the tree with its widest frames; the others are added up beside them.

    Frames of less than ``min_total`` seconds go, those deeper than ``max_depth`` (children of the
    root have depth 1), and the narrowest until at most ``max_frames`` (2 or more) are left, root
    and remainders counted in. What goes is added to a :data:`~reqprof.tree.node.REST` frame next
    to the siblings that stay: every total is as before, and the children of a frame still fill
    what they filled.
    """
    pruning = _Pruning(min_total, max_frames, max_depth)
    pruning.run(tree)
    return pruning.copies[0]


class _Pruning:
    def __init__(self, min_total: float, max_frames: int | None, max_depth: int | None) -> None:
        self.min_total = min_total
        self.room = inf if max_frames is None else max_frames
        self.max_depth = inf if max_depth is None else max_depth
        self.originals: list[Node] = []
        self.copies: list[Node] = []
        self.left: list[int] = []  # children of each copy that are not copied
        self.heap: list[tuple[float, Function, int, int, Node]] = []

    def run(self, tree: Node) -> None:
        self._keep(tree, 0)
        while self.heap:
            _, function, parent, depth, node = heappop(self.heap)
            if self._fits(node, parent):
                self.left[parent] -= 1
                self.room += self.left[parent] == 0
                self.copies[parent].children[function] = self._keep(node, depth)
        for original, copy in zip(self.originals, self.copies, strict=True):
            _gather_rest(original, copy)

    def _keep(self, node: Node, depth: int) -> Node:
        """A childless copy, whose children now wait for room, widest first."""
        number = len(self.copies)
        copy = Node(node.function)
        copy.add(node)
        self.originals.append(node)
        self.copies.append(copy)
        self.left.append(len(node.children))
        self.room -= _frames(node)
        for function, child in node.children.items():
            if child.total >= self.min_total and depth < self.max_depth and not child.is_rest:
                heappush(self.heap, (-child.total, function, number, depth + 1, child))
        return copy

    def _fits(self, node: Node, parent: int) -> bool:
        return self.room + (self.left[parent] == 1) >= _frames(node)


def _frames(node: Node) -> int:
    """The frames that keeping this one takes: itself, and one for children that may not stay."""
    return 2 if node.children else 1


def _gather_rest(original: Node, copy: Node) -> None:
    gone = [child for function, child in original.children.items() if function not in copy.children]
    if gone:
        copy.children[REST] = _sum(gone)


def _sum(nodes: Iterable[Node]) -> Node:
    rest = Node(REST)
    for node in nodes:
        rest.calls += node.calls
        rest.self_time += node.total
        rest.total += node.total
        for _, frame in node.walk():
            rest.exact = rest.exact and frame.exact
            rest.guessed += frame.guessed
            rest.overhead += frame.overhead
        rest.sampled = rest.sampled or node.sampled
    return rest
