"""From one profile's caller-callee edges to a call tree, keeping every second of it.

cProfile knows how long each caller spent in each callee, not on which stacks. The tree shares a
frame's time among its callees as the callee's edges say, the widest frames first, until a budget
of frames is spent. What recursion would repeat is merged into the frame already on the path.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from reqprof.tree.cycles import Returns
from reqprof.tree.graph import Graph
from reqprof.tree.node import REST, ROOT, Node, add_up

if TYPE_CHECKING:
    from reqprof.model import Stats

_SMALLEST = 1e-6
_SOLVED = 0.01
_EFFORT = 2_000_000


class Growth:
    def __init__(self, graph: Graph, budget: int) -> None:
        self.graph = graph
        self.budget = budget
        self.parent: list[int] = []
        self.edge: list[int] = []
        self.width: list[float] = []
        self.own: list[float] = []
        self.rest: list[float] = []
        self.exact: list[bool] = []
        self.path: dict[int, tuple[frozenset[int], dict[int, float] | None]] = {}
        self.heap: list[tuple[float, int]] = []
        self.spent = 0
        self.returns: dict[int, Returns] = {}
        self.share = [s / t if t > 0 else 1.0 for s, t in zip(graph.edge_self, graph.edge_total)]
        self.below = [sum(graph.edge_total[e] for e in out) for out in graph.out]

    def run(self):
        g = self.graph
        scale = 1.0
        whole = sum(g.edge_total[e] for e in g.roots)
        if whole > 0:
            scale = g.time / whole
        self.scale=scale
        ok = abs(scale - 1) < 1e-6 and not g.guessed
        for e in g.roots:
            self.add(-1, e, g.edge_total[e] * scale, ok and not g.cyclic[g.callee[e]])
        while self.heap:
            w, i = heappop(self.heap)
            self.visit(i, -w)

    def add(self, parent, edge, width, exact):
        i = len(self.parent)
        self.parent.append(parent)
        self.edge.append(edge)
        self.width.append(width)
        self.own.append(width)
        self.rest.append(0.0)
        self.exact.append(exact)
        if not exact:
            self.spent += 1
        g = self.graph
        f = g.callee[edge]
        if g.out[f]:
            heappush(self.heap, (-width, i))
        return i

    def visit(self, i, width):
        g = self.graph
        f = g.callee[self.edge[i]]
        if g.cyclic[f]:
            self.visit_cyclic(i, f, width)
            return
        e = self.edge[i]
        if self.exact[i]:
            own = g.edge_self[e]
        else:
            own = width * self.share[e]
        if self.exact[i] and g.sole(f):
            self.own[i] = own
            for k in g.out[f]:
                self.add(i, k, g.edge_total[k], not g.cyclic[g.callee[k]])
            return
        self.spread(i, width, own, [(k, g.edge_total[k]) for k in g.out[f]], self.below[f])

    def spread(self, i, width, own, cand, whole):
        left = width - own
        if whole <= 0 or left <= 0:
            self.own[i] = width
            return
        self.own[i] = own
        if self.spent >= self.budget or width < _SMALLEST * self.graph.time:
            self.rest[i] = left
            return
        rate = left / whole
        for k, weight in cand:
            if weight > 0:
                self.add(i, k, weight * rate, False)

    def visit_cyclic(self, i, f, width):
        g = self.graph
        home = g.component[f]
        p = self.parent[i]
        onp, ret = frozenset(), None
        if p >= 0 and p in self.path:
            pf = g.callee[self.edge[p]]
            if g.component[pf] == home:
                onp, ret = self.path[p]
        onp = onp | {f}
        if width > _SOLVED * g.time and len(g.members[home]) > 1 and self.spent < self.budget:
            ret = self.solver(home).given(onp) or ret
        self.path[i] = (onp, ret)
        cand = []
        whole = 0.0
        for k in g.out[f]:
            d = g.callee[k]
            if d in onp:
                continue
            w = g.edge_total[k]
            if ret is not None and g.component[d] == home:
                w *= max(0.0, 1 - ret[d])
            if w > 1e-15:
                cand.append((k, w))
                whole += w
        tt = g.self_time[f]
        own = width * tt / (tt + whole) if tt + whole > 0 else width
        self.spread(i, width, own, cand, whole)

    def solver(self, home):
        if home not in self.returns:
            g = self.graph
            chances = {}
            for f in g.members[home]:
                o = (g.self_time[f] + self.below[f]) or 1.0
                chances[f] = [(g.callee[k], g.edge_total[k] / o) for k in g.out[f]
                              if g.component[g.callee[k]] == home and g.edge_total[k] > 0]
            self.returns[home] = Returns(chances, g.members[home], _EFFORT)
        return self.returns[home]
