"""The trees of many requests: all in one, those of each route, and the slowest by themselves."""

from __future__ import annotations

from heapq import heappush, heappushpop
from typing import TYPE_CHECKING

from reqprof.tree.merge import add
from reqprof.tree.node import ROOT, Node

if TYPE_CHECKING:
    from reqprof.model import Request

SLOWEST = 10

OTHERS = "other routes"
# Routes that no framework names are folded from paths, and there may be a new one each time.
_MOST_ROUTES = 200


class Forest:
    """Trees added up as they come; only those of the slowest requests are kept as they are."""

    def __init__(self) -> None:
        self.whole = Node(ROOT)
        self.routes: dict[str, Node] = {}
        self._slowest: list[tuple[float, int, Request, Node]] = []  # a heap, the shortest first
        self._count = 0

    def plant(self, tree: Node, request: Request | None, route: str) -> None:
        """Add a request's tree, which belongs to this route; it must not change afterwards.

        From the 201st route on they are added up as :data:`OTHERS`.
        """
        add(self.whole, tree)
        if route not in self.routes and len(self.routes) >= _MOST_ROUTES:
            route = OTHERS
        add(self.routes.setdefault(route, Node(ROOT)), tree)
        if request is None:
            return
        self._count += 1
        entry = (request.duration, -self._count, request, tree)
        push = heappush if len(self._slowest) < SLOWEST else heappushpop
        push(self._slowest, entry)

    def slowest(self) -> list[tuple[Request, Node]]:
        """The requests that took longest, longest first, each with its tree."""
        ordered = sorted(self._slowest, key=lambda entry: entry[:2], reverse=True)
        return [(request, tree) for _, _, request, tree in ordered]

    def widest_routes(self) -> dict[str, Node]:
        """The routes, the one with the most time first."""
        return dict(sorted(self.routes.items(), key=lambda pair: (-pair[1].total, pair[0])))
