"""What a tree's times would have been without recording: an estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reqprof.tree.node import from_rows

if TYPE_CHECKING:
    from reqprof.tree.node import Node, Row


def is_costed(tree: Node) -> bool:
    """Whether it is known of any frame what recording added to it."""
    return any(node.overhead for _, node in tree.walk())


def untraced(tree: Node) -> dict[Node, float]:
    """Seconds of each frame and all below it, less what recording added to them.

    No frame has less than nothing, whatever the estimate. To be asked of a sum of trees rather
    than of its parts: what the estimate is wrong by then cancels out.
    """
    totals: dict[Node, float] = {}
    for _, node in reversed(list(tree.walk())):
        below = sum(totals[child] for child in node.children.values())
        totals[node] = max(0.0, node.self_time - node.overhead) + below
    return totals


def compensated(tree: Node) -> Node:
    """A copy with those times. Its stacks are as exact as they were."""
    totals = untraced(tree)

    def row(depth: int, node: Node) -> Row:
        own = max(0.0, node.self_time - node.overhead)
        guessed = min(own, node.guessed)
        return depth, node.function, node.calls, own, totals[node], node.exact, guessed, 0.0

    return from_rows(row(depth, node) for depth, node in tree.walk())
