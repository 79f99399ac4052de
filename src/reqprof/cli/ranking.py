"""The requests of a folder by duration, and those of each route taken together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from reqprof.cli.gather import Reason
from reqprof.cli.request import GUESSED
from reqprof.cli.request import route as route_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reqprof.cli.gather import Remarks
    from reqprof.model import Request, Stored

Ranked = tuple[int, "Stored", "Request"]
"""Rank among all of the folder (1 is the slowest), the file, its facts."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One route: how many requests, and their durations in seconds."""

    route: str
    guessed: bool
    count: int
    p50: float
    p95: float
    p99: float
    max: float
    total: float

    def as_json(self) -> dict[str, object]:
        """The same by name."""
        return asdict(self)


def rank(stored: Sequence[Stored], remarks: Remarks) -> list[Ranked]:
    """The requests by duration, longest first, each once; profiles of other tools are left out.

    Equal ones stay in the order of ``stored``.
    """
    known: dict[str, tuple[Stored, Request]] = {}
    for one in stored:
        if one.request is None:
            remarks.leave_out(one.path, Reason.NO_DURATION)
        elif one.request.id in known:
            remarks.leave_out(one.path, Reason.COPY)
        else:
            known[one.request.id] = one, one.request
    order = sorted(known.values(), key=lambda pair: pair[1].duration, reverse=True)
    return [(number, one, request) for number, (one, request) in enumerate(order, 1)]


def summarise(requests: Iterable[Request]) -> list[Summary]:
    """One summary for each route, the one with the most time in all first."""
    durations: dict[tuple[str, bool], list[float]] = {}
    for request in requests:
        guessed = request.guessed and request.route is not None
        name = route_name(request).removeprefix(GUESSED if guessed else "")
        durations.setdefault((name, guessed), []).append(request.duration)
    summaries = [_summary(*key, sorted(values)) for key, values in durations.items()]
    return sorted(summaries, key=lambda one: (-one.total, one.route))


def percentile(ascending: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile: the least value that ``percent`` % of all do not exceed."""
    return ascending[max(0, -(-percent * len(ascending) // 100) - 1)]


def _summary(route: str, guessed: bool, ascending: Sequence[float]) -> Summary:
    return Summary(
        route=route,
        guessed=guessed,
        count=len(ascending),
        p50=percentile(ascending, 50),
        p95=percentile(ascending, 95),
        p99=percentile(ascending, 99),
        max=ascending[-1],
        total=sum(ascending),
    )
