"""One order of ``reqprof arm``, as this process sees to it: which requests it is for."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING, Final

from reqprof.model import MAX_PATH
from reqprof.paths import fits, is_of, outline

if TYPE_CHECKING:
    from reqprof.model import Request
    from reqprof.record.choice.arrival import Arrival
    from reqprof.store.control import Order

MOST_OTHERS: Final = 100
"""Routes that are known to be other ones than an order's."""


class Armed:
    """Decides twice: when a request comes, from its path, and when its route is known.

    A template does not tell of every path whether it is of that route. A request that may be is
    recorded, and is let go where it was of another one: that is remembered, so that it happens
    once for each route. Raises ValueError for a route that is no pattern.
    """

    def __init__(self, order: Order) -> None:
        self.order = order
        try:
            re.compile(translate(order.route or "*"))
            self._outline = re.compile(translate(outline(order.route or "*")))
        except re.error as error:
            raise ValueError(f"route = {order.route!r:.40} is no pattern: {error}") from None
        # By method, as one path may be of two routes. Replaced, as requests look at it meanwhile.
        self._others: frozenset[tuple[str, str]] = frozenset()

    def may_take(self, came: Arrival) -> bool:
        """Whether a request that has come may be one that is asked for."""
        method, path = came.method.upper(), came.path[:MAX_PATH]
        if self.order.method not in (None, method):
            return False
        # Some frameworks name routes as they are below the path where a server has mounted the app.
        below = path.removeprefix(came.mounted)
        return self._may_be(method, path) or (below != path and self._may_be(method, below))

    def takes(self, request: Request) -> bool:
        """Whether a request that has ended is one that is asked for."""
        order = self.order
        return (
            order.method in (None, request.method.upper())
            and (order.slower_than is None or request.duration > order.slower_than)
            and self._is_of_route(request)
        )

    def learn(self, request: Request) -> None:
        """Take note of the route of a request that was recorded in vain, if it was another one."""
        route = request.route
        if route is None or request.guessed or self._is_of_route(request):
            return
        if len(self._others) < MOST_OTHERS:
            self._others |= {(request.method.upper(), route)}

    def _may_be(self, method: str, path: str) -> bool:
        if not self._outline.match(path):
            return False
        wanted = self.order.route
        if wanted is None or not self._others:
            return True
        mine = is_of(wanted, path)
        return not any(
            other == path or (not mine and is_of(other, path))
            for its_method, other in self._others
            if its_method == method
        )

    def _is_of_route(self, request: Request) -> bool:
        wanted = self.order.route
        if wanted is None or fits(request.route, wanted) or fits(request.path, wanted):
            return True
        # One that is stuck: its framework may not have told its route yet.
        return request.partial and request.guessed and is_of(wanted, request.path or "")
