"""The trees of many requests: all in one, those of each route, and the slowest by themselves."""

from __future__ import annotations

from heapq import heappush, heappushpop
from typing import TYPE_CHECKING

from reqprof.tree.merge import add
from reqprof.tree.node import ROOT, Node
from reqprof.tree.total import Total

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.model import Profile, Request

SLOWEST = 10

OTHERS = "other routes"
# Routes that no framework names are folded from paths, and there may be a new one each time.
_MOST_ROUTES = 200


class Forest(Total):
    """Trees added up as they come; only those of the slowest requests are kept as they are.

    ``route`` gives what a request's route is called.
    """

    def __init__(
        self,
        route: Callable[[Request | None], str],
        *,
        with_waits: bool = True,
        weighted: bool = False,
    ) -> None:
        super().__init__(with_waits=with_waits, weighted=weighted)
        self.routes: dict[str, Node] = {}
        self._route = route
        self._slowest: list[tuple[float, int, Request, Node]] = []  # a heap, the shortest first
        self._count = 0

    def add(self, profile: Profile) -> None:
        """As :meth:`Total.add`."""
        request = profile.request
        self.plant(self._tree(profile), request, self._route(request), self._weight(profile))

    def join(self, other: Total) -> None:
        """Add what another has added up."""
        assert isinstance(other, Forest)
        super().join(other)
        for route, tree in other.routes.items():
            self._plant_route(tree, route)
        for duration, number, request, tree in other._slowest:
            self._remember(duration, number - self._count, request, tree)
        self._count += other._count

    def plant(self, tree: Node, request: Request | None, route: str, weight: float = 1) -> None:
        """Add a request's tree, which belongs to this route; it must not change afterwards.

        From the 201st route on they are added up as :data:`OTHERS`.
        """
        add(self.tree, tree, weight)
        self._plant_route(tree, route, weight)
        if request is not None:
            self._count += 1
            self._remember(request.duration, -self._count, request, tree)

    def slowest(self) -> list[tuple[Request, Node]]:
        """The requests that took longest, longest first, each with its tree."""
        ordered = sorted(self._slowest, key=lambda entry: entry[:2], reverse=True)
        return [(request, tree) for _, _, request, tree in ordered]

    def widest_routes(self) -> dict[str, Node]:
        """The routes, the one with the most time first."""
        return dict(sorted(self.routes.items(), key=lambda pair: (-pair[1].total, pair[0])))

    def _plant_route(self, tree: Node, route: str, weight: float = 1) -> None:
        if route not in self.routes and len(self.routes) >= _MOST_ROUTES:
            route = OTHERS
        add(self.routes.setdefault(route, Node(ROOT)), tree, weight)

    def _remember(self, duration: float, number: int, request: Request, tree: Node) -> None:
        # Of requests that took as long the earlier one counts as the slower.
        push = heappush if len(self._slowest) < SLOWEST else heappushpop
        push(self._slowest, (duration, number, request, tree))
