"""The requests of a folder by duration, and those of each route taken together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypeAlias

from reqprof.cli.gather import Reason
from reqprof.store import histogram
from reqprof.store.stored import Stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reqprof.cli.gather import Remarks
    from reqprof.cli.traffic import Route
    from reqprof.model import Request
    from reqprof.store.traffic import Tally

Known: TypeAlias = "Stored | Request"
"""A request with its profile, or one that was only timed."""


def outline_of(stored: Stored) -> Request:
    """The facts of a ranked profile that the tally of its route is made of."""
    outline = stored.outline
    assert outline is not None
    return outline


def request_of(known: Known) -> Request:
    """All facts of a request that is ranked."""
    if isinstance(known, Stored):
        request = known.request
        assert request is not None  # or it would have no rank
        return request
    return known


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


def rank(stored: Sequence[Stored], timed: Iterable[Request], remarks: Remarks) -> list[Known]:
    """The requests by what they took without tracing, longest first, each once.

    ``timed`` ones have no profile; profiles of other tools are left out. Equal ones stay in order.
    """
    found: dict[str, Known] = {}
    took: list[float] = []
    for one in stored:
        known = one.known
        if known is None:
            remarks.leave_out(one.path, Reason.NO_DURATION)
        elif found.setdefault(known.id, one) is one:
            took.append(known.untraced)
        else:
            remarks.leave_out(one.path, Reason.COPY)
    for request in timed:
        if found.setdefault(request.id, request) is request:
            took.append(request.untraced)
    each = list(found.values())
    order = sorted(range(len(each)), key=took.__getitem__, reverse=True)
    return [each[place] for place in order]


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
