"""The requests of a folder by duration, and those of each route taken together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from reqprof.cli.gather import Reason
from reqprof.store import histogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reqprof.cli.gather import Remarks
    from reqprof.cli.traffic import Route
    from reqprof.model import Request, Stored
    from reqprof.store.traffic import Tally

Ranked = tuple[int, "Stored | None", "Request"]
"""Rank among all of the folder (1 is the slowest), the file, its facts; no file if only timed."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One route: how many requests, of these traced, and their durations in seconds.

    Those of traced ones are estimates without tracing. Percentiles are ``within`` that share of
    themselves.
    """

    route: str
    guessed: bool
    count: int
    traced: int
    within: float
    p50: float
    p95: float
    p99: float
    max: float
    total: float

    def as_json(self) -> dict[str, object]:
        """The same by name."""
        return asdict(self)


def rank(stored: Sequence[Stored], timed: Iterable[Request], remarks: Remarks) -> list[Ranked]:
    """The requests by what they took without tracing, longest first, each once.

    ``timed`` ones have no profile; profiles of other tools are left out. Equal ones stay in order.
    """
    known: dict[str, tuple[Stored | None, Request]] = {}
    for one in stored:
        if one.request is None:
            remarks.leave_out(one.path, Reason.NO_DURATION)
        elif one.request.id in known:
            remarks.leave_out(one.path, Reason.COPY)
        else:
            known[one.request.id] = one, one.request
    for request in timed:
        known.setdefault(request.id, (None, request))
    order = sorted(known.values(), key=lambda pair: pair[1].untraced, reverse=True)
    return [(number, one, request) for number, (one, request) in enumerate(order, 1)]


def summarise(routes: Mapping[Route, Tally]) -> list[Summary]:
    """One summary for each route, the one with the most time in all first."""
    summaries = [_summary(*key, tally) for key, tally in routes.items()]
    return sorted(summaries, key=lambda one: (-one.total, one.route))


def _summary(route: str, guessed: bool, tally: Tally) -> Summary:
    return Summary(
        route=route,
        guessed=guessed,
        count=tally.count,
        traced=tally.traced,
        within=histogram.ACCURACY,
        p50=tally.percentile(50),
        p95=tally.percentile(95),
        p99=tally.percentile(99),
        max=tally.longest,
        total=tally.total,
    )
