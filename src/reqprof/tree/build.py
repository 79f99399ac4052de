"""From one profile's caller-callee edges to a call tree, keeping every second of it.

cProfile knows how long each caller spent in each callee, not on which stacks. A frame's time is
shared among its callees as the callee's edges say, the widest frames first, until a budget of
frames is spent; what recursion would repeat is merged into the frame already on the path. Build
one request's tree at a time and add the trees: merged edges tell much less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reqprof.tree.node import REST, ROOT, Node
from reqprof.tree.reconstruct.graph import Graph
from reqprof.tree.reconstruct.growth import Growth
from reqprof.tree.reconstruct.settle import settle

if TYPE_CHECKING:
    from reqprof.model import Stats

BUDGET = 8000
"""Guessed frames per tree.

Of the time of Django's admin, 23 % is on wrong stacks with 3000, 20.5 % with 6000, 20.2 % with
8000, and no less with 12000; a tree takes 250, 310 and 360 ms. Requests of the Flask example need
less than 3000: some 40 ms.
"""


def build(stats: Stats, *, budget: int = BUDGET) -> Node:
    """The call tree of one profile, its root a :data:`~reqprof.tree.node.ROOT` frame.

    ``stats`` is a pstats table; edges of the old ``profile`` module, which are mere counts, are
    accepted. The self times of the tree add up to the table's. No function comes twice on a
    path. At most ``budget`` frames, and the callees of one more, are guesses; below them a
    :data:`~reqprof.tree.node.REST` frame holds what was not expanded. Exact frames are not
    counted: the table has at most one for each edge.
    """
    graph = Graph(stats)
    grown = Growth(graph, budget)
    settle(grown)
    return _tree(grown)


def _tree(grown: Growth) -> Node:
    graph = grown.graph
    totals = _totals(grown)
    root = Node(ROOT, sum(graph.calls))
    nodes: list[Node] = []
    for frame, (edge, parent) in enumerate(zip(grown.edge, grown.parent, strict=True)):
        function = graph.functions[graph.callee[edge]]
        calls = _calls(grown, frame)
        own, exact = grown.own[frame], grown.exact[frame]
        node = Node(function, calls, own, totals[frame], exact, guessed=0.0 if exact else own)
        rest = grown.rest[frame]
        if rest > 0:
            node.children[REST] = Node(REST, 0, rest, rest, exact=False, guessed=rest)
        (nodes[parent] if parent >= 0 else root).children[function] = node
        nodes.append(node)
    root.total = sum(child.total for child in root.children.values())
    return root


def _totals(grown: Growth) -> list[float]:
    """The seconds of each frame and all below it; children come after their parents."""
    totals = [own + rest for own, rest in zip(grown.own, grown.rest, strict=True)]
    for frame in range(len(totals) - 1, -1, -1):
        parent = grown.parent[frame]
        if parent >= 0:
            totals[parent] += totals[frame]
    return totals


def _calls(grown: Growth, frame: int) -> float:
    """The calls of a frame: those of its edge, in proportion to the time it has of it.

    Calls of a recursive function are shared among its frames by their self times.
    """
    graph = grown.graph
    edge = grown.edge[frame]
    function = graph.callee[edge]
    calls = graph.edge_calls[edge]
    if grown.exact[frame]:
        return calls
    if graph.cyclic[function]:
        calls = graph.calls[function]
        return _part(calls, grown.own[frame], graph.self_time[function])
    if graph.edge_self[edge] > 0:
        return _part(calls, grown.own[frame], graph.edge_self[edge])
    return _part(calls, grown.width[frame], graph.edge_total[edge])


def _part(calls: int, time: float, whole: float) -> float:
    return calls * time / whole if whole > 0 else calls
