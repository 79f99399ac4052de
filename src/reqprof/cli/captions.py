"""What a picture says about itself: what was added up, when, on what, and how slowed it ran."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reqprof.cli.gather import called
from reqprof.cli.params import format_moment
from reqprof.cli.sheet import PARTIAL, beyond, headline
from reqprof.cli.talk import plural
from reqprof.model import UNIFORM
from reqprof.view import figures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reqprof.cli.select import Wanted
    from reqprof.model import Profile, Request

_NEARLY_ALL = 0.9
_ADDED = ("requests", "partial", "beyond", "others", "profiled", "waited", "costed", "cost")
_GROUPS = {
    "all": "kept without a rule",
    "error": "that failed",
    "slow": "over the limit",
    "worst": "of the slowest of their route",
    "keep": "by the app's own rule",
    "trigger": "asked for",
    "arm": "asked for by reqprof arm",
    "watch": "that took long, watched",
}


@dataclass(slots=True)
class Tally:
    """Running totals over profiles; none of them is kept.

    Where ``weighted``, seconds are those of all requests that they stand for.
    """

    weighted: bool = False
    requests: int = 0
    partial: int = 0  # of these
    beyond: int = 0  # calls that exact trees had no room for
    others: int = 0  # profiles of other tools
    earliest: float = float("inf")
    latest: float = 0.0
    profiled: float = 0.0  # seconds in the tables
    waited: float = 0.0
    costed: float = 0.0  # duration of the requests whose cost is known
    cost: float = 0.0
    engines: dict[str, None] = field(default_factory=dict)
    kept: Counter[str] = field(default_factory=Counter)
    weights: Counter[float] = field(default_factory=Counter)  # of those of a uniform share

    @property
    def count(self) -> int:
        """Profiles of any kind."""
        return self.requests + self.others

    def watch(self, profiles: Iterable[Profile]) -> Iterator[Profile]:
        """The same profiles, counted as they pass."""
        for profile in profiles:
            self.add(profile)
            yield profile

    def add(self, profile: Profile) -> None:
        """Count one."""
        weight = profile.weight if self.weighted else 1
        self.profiled += sum(entry[2] for entry in profile.stats.values()) * weight
        if profile.request is None:
            self.others += 1
        else:
            self._count(profile.request, weight)

    def join(self, other: Tally) -> None:
        """Add what another has counted."""
        self.earliest = min(self.earliest, other.earliest)
        self.latest = max(self.latest, other.latest)
        for name in _ADDED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.engines |= other.engines
        self.kept += other.kept
        self.weights += other.weights

    def _count(self, request: Request, weight: float) -> None:
        self.requests += 1
        self.partial += request.partial
        self.waited += (request.waited or 0.0) * weight
        self.beyond += request.beyond
        self.earliest = min(self.earliest, request.start)
        self.latest = max(self.latest, request.start)
        if request.cost is not None:
            self.cost += request.cost * weight
            self.costed += request.worked * weight
        self.engines.setdefault(engine(request))
        self.kept[request.kept] += 1
        if request.kept in UNIFORM:
            self.weights[request.weight] += 1

    def summary(self) -> str:
        """How many of what."""
        parts = []
        if self._is_scaled:
            stood_for = sum(weight * count for weight, count in self.weights.items())
            parts.append(f"about {stood_for:,.0f} requests, estimated from {self.requests:,}")
        elif self.requests or not self.others:
            partial = f" ({self.partial:,} partial)" if self.partial else ""
            parts.append(plural(self.requests, "request") + partial)
        if self.others:
            parts.append(plural(self.others, "profile") + " of other tools")
        return " and ".join(parts)

    def notes(self, wanted: Wanted) -> list[str]:
        """Lines for below the title."""
        lines = [] if wanted.everything else [f"Only {wanted}."]
        facts = [f"{figures.seconds(self.profiled)} profiled"]
        if self.waited:
            facts = [f"{facts[0]} at work, {figures.seconds(self.waited)} waiting"]
        if self.requests:
            first, last = format_moment(self.earliest), format_moment(self.latest)
            facts.append(first if first == last else f"{first} to {last}")
        facts.extend(sorted(self.engines))
        lines += ["; ".join(facts) + ".", *([] if self.weighted else _chosen(self.kept))]
        lines += self._rates()
        return [*lines, *_cut(self.beyond), *slowed(self.cost, self.costed)]

    @property
    def _is_scaled(self) -> bool:
        """Whether some of the requests count for more than themselves."""
        return self.weighted and not self.weights.keys() <= {1.0}

    def _rates(self) -> list[str]:
        """The line that says how the requests were sampled, where that changes what is shown."""
        if not (self._is_scaled or len(self.weights) > 1):
            return []
        least, most = min(self.weights), max(self.weights)
        each = f"{least:.3g}" if least == most else f"{least:.3g} to {most:.3g}"
        if self._is_scaled:
            return [f"Each request counts for {each}, its weight: times and calls are estimates."]
        return [f"Sampled as one of {each}, and counted alike; --weighted makes up for it."]


def title(names: Sequence[str], tally: Tally) -> str:
    """The headline of a picture of many profiles."""
    return f"{called(names)} — {tally.summary()}"


def alone(profile: Profile) -> tuple[str, list[str]]:
    """Title and notes of a picture of one profile."""
    request = profile.request
    if request is None:
        return (profile.path.name if profile.path else "profile"), []
    took = f"{figures.seconds(request.duration)}; {format_moment(request.start)}"
    lines = [f"{took}; {engine(request)}; id {request.id}."]
    if request.partial:
        lines.append(f"{PARTIAL[0].upper()}{PARTIAL[1:]}.")
    lines += _cut(request.beyond)
    if request.cost is not None:
        lines += slowed(request.cost, request.worked)
    return headline(request), lines


def short(request: Request) -> str:
    """A request in a line of a list: how long it took, what it was, and its id."""
    return f"{figures.seconds(request.duration)}  {headline(request)}  {request.id}"


def engine(request: Request) -> str:
    """What measured the request."""
    python = f", Python {request.python}" if request.python else ""
    calls = " without C calls" if request.is_traced and not request.builtins else ""
    return f"{request.engine}{calls}{python}"


def _chosen(kept: Counter[str]) -> list[str]:
    """The line that says what profiles were kept for, where their average is no fair one."""
    if len(kept) <= 1 and kept.keys() <= UNIFORM:
        return []
    ordered = sorted(kept.items(), key=lambda group: (-group[1], group[0]))
    groups = [f"{count:,} {_GROUPS.get(reason, reason)}" for reason, count in ordered]
    line = f"{', '.join(groups)}: not a fair average"
    return [f"{line}; --kept baseline leaves the rest out." if kept["baseline"] else f"{line}."]


def _cut(calls: int) -> list[str]:
    return [f"{beyond(calls)}."] if calls else []


def slowed(cost: float, ran: float) -> list[str]:
    """The line that says how much slower the traced requests ran, where that is known."""
    if not (cost and ran):
        return []
    # A long run of short calls can be estimated to have cost more than it took.
    share = f"about {figures.percent(cost, ran)}" if cost < _NEARLY_ALL * ran else "nearly all"
    line = f"Traced requests run slower than untraced ones: {share} of their time is tracing"
    return [line + ", an estimate."]
