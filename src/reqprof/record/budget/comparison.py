"""How much slower traced requests are than others like them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

MAX_ROUTES: Final = 200
"""Requests of further ones are compared with each other."""

_OTHER = ""
# Pairs that the guess counts for, and pairs after which all that was seen counts half.
_GUESSED, _MOST = 4.0, 200.0
_LEAST_SECONDS = 1e-6


@dataclass(slots=True)
class _Route:
    """Numbers of requests, and sums of the logarithms of their CPU seconds."""

    traced: float = 0.0
    traced_logs: float = 0.0
    others: float = 0.0
    others_logs: float = 0.0

    @property
    def pairs(self) -> float:
        """What a comparison of so many with so many is worth, as Mantel and Haenszel weigh it."""
        both = self.traced + self.others
        return self.traced * self.others / both if both else 0.0

    @property
    def difference(self) -> float:
        return self.traced_logs / self.traced - self.others_logs / self.others

    def halve(self) -> None:
        self.traced /= 2
        self.traced_logs /= 2
        self.others /= 2
        self.others_logs /= 2


class Comparison:
    """Of requests of the same route, traced and not, by their CPU seconds.

    Logarithms are compared, since a first request that imports half the app would outweigh all
    others; and route by route, since routes differ by more than tracing makes of them.
    """

    def __init__(self) -> None:
        self._routes: dict[str, _Route] = {}

    def add(self, route: str, seconds: float, *, traced: bool) -> None:
        """Take note of one request."""
        if route not in self._routes and len(self._routes) >= MAX_ROUTES:
            route = _OTHER
        seen = self._routes.setdefault(route, _Route())
        log = math.log(max(seconds, _LEAST_SECONDS))
        if traced:
            seen.traced += 1
            seen.traced_logs += log
        else:
            seen.others += 1
            seen.others_logs += log

    def slower(self, guess: float) -> float:
        """What tracing adds, in parts of the untraced time; about ``guess`` until much was seen."""
        pairs, total = _GUESSED, _GUESSED * math.log1p(guess)
        for route in self._routes.values():
            if route.pairs:
                pairs += route.pairs
                total += route.pairs * route.difference
        if pairs > _MOST:
            for route in self._routes.values():
                route.halve()
        return max(0.0, math.expm1(total / pairs))
