"""Merging recursion: no function twice on a path, so that what it calls stands in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reqprof.tree.node import Node

if TYPE_CHECKING:
    from reqprof.model import Function


def merged(tree: Node) -> Node:
    """A copy in which a function that comes again on its own path is its first frame there.

    ``a;b;a;x`` becomes ``a;x``, and what else ``b`` called stays below ``a;b``. The numbers of
    merged frames are added, so calls count the recursive ones too and totals are what they cover
    together. Remainders and waits are no functions: they stay below the frame that had them.
    Reconstructed trees are already so.
    """
    path = _Path(tree)
    for depth, node in tree.walk():
        if depth:
            path.leave(depth)
            path.enter(node)
    path.root.add_up()
    return path.root


class _Path:
    """The frames of the copy from its root to where the walk is, each step in constant time."""

    def __init__(self, tree: Node) -> None:
        self.root = Node(tree.function)
        self.root.add(tree)
        self.frames = [self.root]
        self.depth = 0  # of the last frame that counts; those behind it wait for the way back
        self.places: dict[Function, int] = {}  # the depth at which a function was last entered
        self.back: list[tuple[int, int, Node | None, Function, int | None]] = []

    def enter(self, node: Node) -> None:
        function = node.function
        known = self.places.get(function)
        if known is not None and known <= self.depth and self.frames[known].function == function:
            self.back.append((self.depth, known, None, function, known))
            self.depth = known
        else:
            self._step(function, known)
        self.frames[self.depth].add(node)

    def _step(self, function: Function, known: int | None) -> None:
        above = self.frames[self.depth]
        frame = above.children.get(function)
        if frame is None:
            frame = above.children[function] = Node(function)
        deeper = self.depth + 1
        if deeper == len(self.frames):
            self.frames.append(frame)
        self.back.append((self.depth, deeper, self.frames[deeper], function, known))
        self.frames[deeper] = frame
        self.places[function] = deeper
        self.depth = deeper

    def leave(self, depth: int) -> None:
        """Back to where the path was before the frame at this depth of the tree was entered."""
        while len(self.back) >= depth:
            self.depth, place, frame, function, known = self.back.pop()
            if frame is not None:
                self.frames[place] = frame
            if known is None:
                del self.places[function]
            else:
                self.places[function] = known
