"""Merging recursion: a stack that goes round again stands where it went round first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reqprof.tree.node import Node

if TYPE_CHECKING:
    from reqprof.model import Function

_LONGEST = 50
"""Frames of a round; programs that recurse go round in few."""


def merged(tree: Node) -> Node:
    """A copy in which a part of a stack that repeats itself at once is there only once.

    ``a;a;x`` becomes ``a;x``, and ``a;b;a;b;x`` becomes ``a;b;x``. A frame that ends a repetition
    is added to the frame it repeats, with all that it called. That one is below every function of
    the round already, so each function's total, that of its outermost frames, stays as it was.
    ``a;b;a;x``, where the second round goes another way, stays too: merged into ``a;x`` it would
    take ``x`` away from ``b``. Calls are added, so they count the recursive ones;
    samples are not, as the frame was open in them already.

    Remainders and waits are no functions and repeat nothing. Reconstructed trees have no function
    twice on a stack.
    """
    root = Node(tree.function)
    root.add(tree)
    above: dict[Node, Node | None] = {root: None}
    path = [root]  # of the copy, by depth in the tree
    recursive = _recursive(tree)
    for depth, node in tree.walk():
        if depth:
            del path[depth:]
            again = node.function in recursive
            frame, repeats = _frame(node.function, path[-1], above, again=again)
            frame.add(node)
            if repeats and node.sampled:
                _take_out(node.calls, path[-1], frame, above)
            path.append(frame)
    root.add_up()
    return root


def _recursive(tree: Node) -> set[Function]:
    """The functions that are below themselves anywhere."""
    found: set[Function] = set()
    path: list[Function] = []
    there: set[Function] = set()
    for depth, node in tree.walk():
        for function in path[depth:]:
            there.discard(function)
        del path[depth:]
        if node.function in there:
            found.add(node.function)
        path.append(node.function)
        there.add(node.function)
    return found


def _frame(
    function: Function, parent: Node, above: dict[Node, Node | None], *, again: bool
) -> tuple[Node, bool]:
    """The frame of the copy that a call from ``parent`` belongs to, and whether it repeats that."""
    repeated = _repeated(function, parent, above) if again else None
    found = repeated or parent.children.get(function)
    if found is None:
        found = parent.children[function] = Node(function)
        above[found] = parent
    return found, repeated is not None


def _take_out(
    samples: float, node: Node | None, frame: Node, above: dict[Node, Node | None]
) -> None:
    """``frame`` was open in those samples already, and what is in between is in them no more."""
    frame.calls -= samples
    while node is not None and node is not frame:
        node.calls -= samples
        node = above[node]


def _repeated(function: Function, parent: Node, above: dict[Node, Node | None]) -> Node | None:
    """The frame that the call would repeat, with the whole round before it."""
    stack: list[Node] = []  # the innermost first
    node: Node | None = parent
    while node is not None and len(stack) < _LONGEST:
        if node.function == function and _comes_again(stack, node, above):
            return node
        stack.append(node)
        node = above[node]
    return None


def _comes_again(round_: list[Node], end: Node, above: dict[Node, Node | None]) -> bool:
    """Whether below ``end`` of a round lie the same functions as the round has."""
    node = above[end]
    for one in round_:
        if node is None or node.function != one.function:
            return False
        node = above[node]
    return True
