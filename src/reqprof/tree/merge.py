"""Adding trees: many requests in one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reqprof.tree.node import ROOT, Node

if TYPE_CHECKING:
    from collections.abc import Iterable


def merge(trees: Iterable[Node]) -> Node:
    """The sum of the trees, frame by frame; a frame is exact where it is so in every tree.

    The trees are taken one at a time and not changed, so memory follows the size of the result
    and not their number. No trees at all give an empty one.
    """
    result = Node(ROOT)
    for tree in trees:
        add(result, tree)
    return result


def add(result: Node, tree: Node, weight: float = 1) -> None:
    """Add a tree to another, which changes, ``weight`` times; the added one does not change."""
    pairs = [(result, tree)]
    while pairs:
        into, node = pairs.pop()
        into.add(node, weight)
        for function, child in node.children.items():
            twin = into.children.get(function)
            if twin is None:
                twin = into.children[function] = Node(function)
            pairs.append((twin, child))
