"""Waits in the tree: a request's time outside its frames, hung below what awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reqprof.tree.node import WAITING, Node

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reqprof.model import Function, Wait

    Known = dict[tuple[Node, Function], Node | None]


def hang(tree: Node, waits: Iterable[Wait]) -> None:
    """Add the request's own waits to its tree, as :data:`~reqprof.tree.node.WAITING` frames.

    Those of child tasks stay out: they overlap with its own and with one another. A wait hangs
    below the deepest frame of its stack that the tree has. Frames between those of a stack, which
    are no coroutines, are passed: the nearest frame of the next function is taken.
    """
    known: Known = {}
    for wait in waits:
        if wait.child:
            continue
        node = tree
        for file, first, name, _ in wait.stack:
            node = _below(node, (file, first, name), known) or node
        frame = node.children.get(WAITING)
        if frame is None:
            frame = node.children[WAITING] = Node(WAITING, exact=node.exact)
        frame.calls += wait.count
        frame.self_time += wait.seconds
        frame.guessed += 0.0 if node.exact else wait.seconds
    tree.add_up()


def leave_out(tree: Node) -> None:
    """Take the waits of a request that was sampled out of its tree, and their samples."""
    path: list[Node] = []
    for depth, node in list(tree.walk()):
        path[depth:] = [node]
        if node.is_wait:
            del path[depth - 1].children[WAITING]
            for frame in path[:depth]:
                frame.calls -= node.calls
    tree.add_up()


def _below(node: Node, function: Function, known: Known) -> Node | None:
    """The nearest frame of a function below a node, None where there is none."""
    child = node.children.get(function)
    if child is None and (node, function) not in known:
        known[node, function] = _search(node, function)
    return known[node, function] if child is None else child


def _search(node: Node, function: Function) -> Node | None:
    level = [node]
    while level:
        for one in level:
            if function in one.children:
                return one.children[function]
        level = [child for one in level for child in one.children.values()]
    return None
