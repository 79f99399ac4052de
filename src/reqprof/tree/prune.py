"""Cutting a tree to what a picture can show, losing names but no time."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from reqprof.tree.node import REST, Node

if TYPE_CHECKING:
    from collections.abc import Iterable


def prune(
    tree: Node,
    *,
    min_total: float = 0.0,
    max_frames: int | None = None,
    max_depth: int | None = None,
) -> Node:
    """A copy of the tree with the widest frames; the others are added up beside them.

    Frames of less than ``min_total`` seconds go, those deeper than ``max_depth`` (children of the
    root have depth 1), and the narrowest past ``max_frames``, the root counted in. What goes is
    added to a :data:`~reqprof.tree.node.REST` frame next to its siblings that stay: every total
    is as before, and the children of a frame still fill what they filled.
    """
    return _Pruning(min_total, max_frames, max_depth).of(tree)


class _Pruning:
    def __init__(self, min_total: float, max_frames: int | None, max_depth: int | None) -> None:
        self.min_total = min_total
        self.room = float("inf") if max_frames is None else max_frames
        self.max_depth = float("inf") if max_depth is None else max_depth
        self.heap: list[tuple[float, int, int, Node, Node]] = []
        self.seen = 0
        self.left: dict[int, int] = {}  # how many children of a copy are not copied, by its id

    def of(self, tree: Node) -> Node:
        copies = [(tree, self._keep(tree, 0))]
        while self.heap:
            _, _, depth, node, parent = heappop(self.heap)
            if self._fits(node, parent, depth):
                self.left[id(parent)] -= 1
                self.room += self.left[id(parent)] == 0
                copies.append((node, self._keep(node, depth)))
                parent.children[node.function] = copies[-1][1]
        for original, copy in copies:
            _gather_rest(original, copy)
        return copies[0][1]

    def _keep(self, node: Node, depth: int) -> Node:
        """A childless copy, whose children now wait for room, widest first."""
        copy = Node(node.function, node.calls, node.self_time, node.total, node.exact)
        self.room -= 2 if node.children else 1  # the second is for those that will not be kept
        self.left[id(copy)] = len(node.children)
        for child in node.children.values():
            self.seen += 1
            heappush(self.heap, (-child.total, self.seen, depth + 1, child, copy))
        return copy

    def _fits(self, node: Node, parent: Node, depth: int) -> bool:
        if node.is_rest or node.total < self.min_total or depth > self.max_depth:
            return False
        freed = self.left[id(parent)] == 1
        return self.room + freed >= (2 if node.children else 1)


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
        rest.exact = rest.exact and node.exact
    return rest
