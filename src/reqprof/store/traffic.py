"""What every request took, profiled or not: tallies by route, and the facts of the slowest."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from reqprof.store import histogram
from reqprof.store.facts import dump_line, from_facts, load_line, to_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from reqprof.model import Request

WINDOW: Final = 300.0
"""Seconds that are tallied together."""

SLOWEST: Final = 10
"""Requests of each series and window whose facts are kept."""

RAISED: Final = "raised"
"""The outcome of a request whose app raised."""


class Series(NamedTuple):
    """Requests that are tallied together. ``outcome`` is ``2xx``, ..., ``raised`` or nothing."""

    kind: str
    method: str
    route: str | None
    guessed: bool
    outcome: str


def outcome(status: int | None, exception: str | None) -> str:
    """How a request ended, as a series tells of it."""
    return RAISED if exception else f"{status // 100}xx" if status else ""


def series_of(request: Request) -> Series:
    """Where the request belongs."""
    ended = outcome(request.status, request.exception)
    return Series(request.kind, request.method, request.route, request.guessed, ended)


@dataclass(slots=True)
class Tally:
    """Requests by what they took. ``total`` and ``longest`` are seconds.

    Of a ``traced`` one what counts is the estimate of its duration without tracing.
    """

    count: int = 0
    total: float = 0.0
    longest: float = 0.0
    traced: int = 0
    buckets: dict[int, int] = field(default_factory=dict)
    slowest: list[tuple[float, str, Request]] = field(default_factory=list)  # a heap

    @classmethod
    def of(cls, seconds: Sequence[float], traced: int) -> Tally:
        """All of these, of which some were traced; none is kept as one of the slowest."""
        buckets = Counter(map(histogram.bucket, seconds))
        return cls(len(seconds), sum(seconds), max(seconds, default=0.0), traced, dict(buckets))

    def add(self, seconds: float, facts: Callable[[], Request] | None) -> None:
        """Count one; ``facts`` is called where they are kept, and is None where they are stored."""
        self.count += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)
        number = histogram.bucket(seconds)
        self.buckets[number] = self.buckets.get(number, 0) + 1
        if facts and (len(self.slowest) < SLOWEST or seconds > self.slowest[0][0]):
            request = facts()
            push = heapq.heappush if len(self.slowest) < SLOWEST else heapq.heappushpop
            push(self.slowest, (seconds, request.id, request))

    def percentile(self, percent: float) -> float:
        """The nearest-rank percentile in seconds, within :data:`histogram.ACCURACY` of itself."""
        if math.ceil(self.count * percent / 100) >= self.count:
            return self.longest
        return min(self.longest, histogram.percentile(self.buckets, percent))

    def merge(self, other: Tally) -> None:
        """Count what ``other`` counts too; of its slowest all are kept."""
        self.count += other.count
        self.total += other.total
        self.longest = max(self.longest, other.longest)
        self.traced += other.traced
        for number, count in other.buckets.items():
            self.buckets[number] = self.buckets.get(number, 0) + count
        self.slowest += other.slowest


@dataclass(slots=True)
class Window:
    """The tallies of one process from ``start`` to ``until``, in seconds since 1970.

    ``process`` is the name of its files, where these have been read: a pid comes again.
    """

    host: str
    pid: int
    start: float
    until: float
    tallies: dict[Series, Tally] = field(default_factory=dict)
    process: str = ""


def dump(window: Window) -> bytes:
    """The window as JSON lines, one for each series, in the order of its tallies."""
    return b"".join(_line(window, *each) for each in window.tallies.items())


def _line(window: Window, series: Series, tally: Tally) -> bytes:
    facts: dict[str, object] = {
        **({"process": window.process} if window.process else {}),
        "host": window.host,
        "pid": window.pid,
        "start": window.start,
        "until": window.until,
        **series._asdict(),
        "count": tally.count,
        "total": tally.total,
        "longest": tally.longest,
        "traced": tally.traced,
        "buckets": sorted(tally.buckets.items()),
        "slowest": [to_facts(request) for *_, request in tally.slowest],
    }
    return dump_line(facts) + b"\n"


def load(line: bytes) -> tuple[Window, Series, Tally]:
    """One line back; raises ValueError for what is none."""
    try:
        return _from_line(load_line(line, "its tally"))
    except (KeyError, TypeError) as error:
        raise ValueError(f"its tally is none: {error!r}") from None


def _from_line(facts: Mapping[str, Any]) -> tuple[Window, Series, Tally]:
    # Through the checks that a request's facts go through.
    request = from_facts({**facts, "id": "0" * 12})
    series = Series(
        request.kind, request.method, request.route, request.guessed, str(facts["outcome"])
    )
    buckets = dict(_bucket(*pair) for pair in facts["buckets"])
    count = sum(buckets.values())
    total, longest = (_seconds(facts[name]) for name in ("total", "longest"))
    slowest = [from_facts(each) for each in facts["slowest"]]
    tally = Tally(
        *(count, total, longest, min(count, int(facts["traced"])), buckets),
        [(each.untraced, each.id, each) for each in slowest],
    )
    until = from_facts({"id": "0" * 12, "start": facts["until"]}).start
    process = str(facts.get("process", ""))
    window = Window(request.host, request.pid, request.start, until, process=process)
    return window, series, tally


def _bucket(number: object, count: object) -> tuple[int, int]:
    if type(number) is not int or not histogram.FIRST <= number <= histogram.LAST:
        raise ValueError(f"no bucket: {number!r:.40}")
    if type(count) is not int or not 0 < count < 2**63:
        raise ValueError(f"no count: {count!r:.40}")
    return number, count


def _seconds(value: object) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 1e18:  # type: ignore[operator]
        raise ValueError(f"no time: {value!r:.40}")
    return float(value)  # type: ignore[arg-type]
