"""All requests of a folder: those that were profiled, and those of which the tallies tell."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reqprof.cli.request import GUESSED
from reqprof.cli.request import route as route_name
from reqprof.store import traffic_files
from reqprof.store.traffic import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reqprof.cli.select import Wanted
    from reqprof.model import Request
    from reqprof.store.remote.folder import Folder
    from reqprof.store.traffic import Window

_LATE = 60.0
"""Seconds from the end of a request until it is tallied, at most."""

Route = tuple[str, bool]
"""A route, or what stands for it, and whether it was guessed from the path."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the processes that write to a folder have tallied."""

    windows: Sequence[Window]

    @classmethod
    def of(cls, folder: Path | Folder) -> Traffic:
        """What is there; nothing where nothing was tallied."""
        windows = traffic_files.read(folder) if isinstance(folder, Path) else folder.windows()
        return cls(windows)

    def slowest(self) -> list[Request]:
        """The slowest requests without a profile, those of each route and window that were kept."""
        return [
            request
            for window in self.windows
            for tally in window.tallies.values()
            for *_, request in tally.slowest
        ]

    def routes(self, profiled: Iterable[Request], wanted: Wanted) -> dict[Route, Tally]:
        """By route what all requests took that pass the filters, each counted once."""
        found: dict[Route, Tally] = {}
        for window in self.windows:
            for series, tally in window.tallies.items():
                if wanted.takes_tally(window, series):
                    key = "-" if series.route is None else series.route, series.guessed
                    found.setdefault(key, Tally()).merge(tally)
        rest = self._not_tallied(profiled)
        if not wanted.everything:
            rest = filter(wanted.takes, rest)
        for key, tally in by_route(rest).items():
            found.setdefault(key, Tally()).merge(tally)
        return found

    def _not_tallied(self, requests: Iterable[Request]) -> Iterator[Request]:
        """Those that no tally counts: of before, of elsewhere, of a process that was killed."""
        spans: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for window in self.windows:
            spans.setdefault((window.host, window.pid), []).append((window.start, window.until))
        if not spans:
            yield from requests
            return
        for request in requests:
            end = request.start + request.total
            at = spans.get((request.host, request.pid), ())
            if not any(start - _LATE <= end <= until for start, until in at):
                yield request


def by_route(requests: Iterable[Request]) -> dict[Route, Tally]:
    """What these requests alone took."""
    took: dict[Route, list[float]] = {}
    traced: Counter[Route] = Counter()
    for request in requests:
        guessed = request.guessed and request.route is not None
        key = route_name(request).removeprefix(GUESSED if guessed else ""), guessed
        took.setdefault(key, []).append(request.untraced)
        traced[key] += request.is_traced
    return {key: Tally.of(seconds, traced[key]) for key, seconds in took.items()}
