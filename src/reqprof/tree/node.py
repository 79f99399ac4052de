"""The call tree's one noun: a frame, with everything that was called below it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reqprof.model import Function

ROOT: Function = ("", 0, "all")
"""The frame below every stack: no time of its own, and the calls of the whole profile."""

REST: Function = ("", 0, "…")
"""The callees of a frame that are not told apart, being too small or past the budget."""

WAITING: Function = ("", 0, "waiting")
"""What a frame awaited while its request was suspended: nothing ran, and others could."""

Row = tuple[int, "Function", float, float, float, bool, float, float]
"""A frame on its own: depth, function, calls, self, total, exact, guessed, overhead."""


@dataclass(slots=True, eq=False, repr=False)
class Node:
    """One frame of a call tree; the tree is its root, whose function is :data:`ROOT`.

    ``self_time`` and ``total`` (self time and that of everything below) are seconds. ``calls`` is
    an int where it was counted and may be a fraction where it is an estimate. ``exact`` says that
    all three are measured for just this stack, not inferred from caller-callee edges, and
    ``guessed`` how many seconds of ``self_time`` are: in a sum of trees it may be a part.
    ``overhead`` is what recording added to ``self_time``, in seconds: an estimate, which may be
    more than was measured; 0 where it is not known. Where the frame was ``sampled``, its calls are
    the samples in which it was open.

    A frame of the function :data:`REST` stands for callees that are not shown one by one, one of
    :data:`WAITING` for the time in which its parent was suspended.
    """

    function: Function
    calls: float = 0
    self_time: float = 0.0
    total: float = 0.0
    exact: bool = True
    children: dict[Function, Node] = field(default_factory=dict)
    guessed: float = 0.0
    overhead: float = 0.0
    sampled: bool = False

    @property
    def is_rest(self) -> bool:
        """Whether this frame stands for several that are not shown one by one."""
        return self.function == REST

    def walk(self) -> Iterator[tuple[int, Node]]:
        """Each frame with its depth, parents before children, this one first at depth 0."""
        stack = [(0, self)]
        while stack:
            depth, node = stack.pop()
            yield depth, node
            stack.extend((depth + 1, child) for child in reversed(node.children.values()))

    def rows(self) -> list[Row]:
        """The tree as flat rows in the order of :meth:`walk`, for comparing and for pickling."""
        return [
            (
                depth,
                node.function,
                node.calls,
                node.self_time,
                node.total,
                node.exact,
                node.guessed,
                node.overhead,
            )
            for depth, node in self.walk()
        ]

    @property
    def is_wait(self) -> bool:
        """Whether this frame is time in which its parent was suspended."""
        return self.function == WAITING

    @property
    def counted(self) -> float:
        """Its calls; of samples those in which it was innermost, which add up over frames."""
        if not self.sampled:
            return self.calls
        return self.calls - sum(child.calls for child in self.children.values())

    def exact_share(self) -> float:
        """The share of the time, from 0 to 1, that is known to belong to just the stack shown."""
        guessed = [node.guessed for _, node in self.walk() if not node.exact]
        if not guessed:
            return 1.0
        return max(0.0, 1 - sum(guessed) / self.total) if self.total > 0 else 0.0

    def add_up(self) -> None:
        """Set the totals of this frame and all below it from their self times."""
        for _, node in reversed(list(self.walk())):
            node.total = node.self_time + sum(child.total for child in node.children.values())

    def add(self, other: Node, weight: float = 1) -> None:
        """Add the numbers of another frame, ``weight`` times, its children left out."""
        self.calls += other.calls * weight
        self.self_time += other.self_time * weight
        self.total += other.total * weight
        self.exact = self.exact and other.exact
        self.guessed += other.guessed * weight
        self.overhead += other.overhead * weight
        self.sampled = self.sampled or other.sampled

    def __repr__(self) -> str:
        return (
            f"<Node {self.function!r} calls={self.calls:g} self={self.self_time:g}"
            f" total={self.total:g} exact={self.exact} children={len(self.children)}>"
        )

    # Pickling and copying an object graph recurse; a tree may be deeper than the C stack.
    def __reduce__(self) -> tuple[object, ...]:
        return from_rows, (self.rows(), self.sampled)


def from_rows(rows: Iterable[Row], sampled: bool = False) -> Node:
    """The tree that :meth:`Node.rows` laid flat, of frames that were ``sampled`` or traced."""
    path: list[Node] = []
    for row in rows:
        depth, function, calls, self_time, total, exact, guessed, overhead = row
        node = Node(function, calls, self_time, total, exact, {}, guessed, overhead, sampled)
        del path[depth:]
        if path:
            path[-1].children[function] = node
        path.append(node)
    return path[0]
