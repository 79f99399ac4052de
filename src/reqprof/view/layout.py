"""Where each frame of a tree goes: an offset and a width, in pixels, and a depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reqprof.model import Function
    from reqprof.tree.node import Node


@dataclass(frozen=True, slots=True)
class Box:
    """A frame's place: ``x`` and ``width`` in pixels, the root at depth 0."""

    node: Node
    x: float
    width: float
    depth: int


def layout(tree: Node, width: float) -> list[Box]:
    """The boxes of a tree drawn ``width`` pixels wide, parents before children.

    Children lie side by side from their parent's left edge, the widest first and the remainder
    last; what they leave free is the parent's self time.
    """
    scale = width / tree.total if tree.total > 0 else 0.0
    boxes: list[Box] = []
    waiting = [Box(tree, 0.0, width, 0)]
    while waiting:
        box = waiting.pop()
        boxes.append(box)
        x = box.x
        children = []
        for child in sorted(box.node.children.values(), key=order):
            children.append(Box(child, x, child.total * scale, box.depth + 1))
            x += child.total * scale
        waiting.extend(reversed(children))
    return boxes


def order(node: Node) -> tuple[bool, float, Function]:
    """The sort key of siblings: widest first, then by name, the remainder last."""
    return node.is_rest, -node.total, node.function
