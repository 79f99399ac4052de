"""The filters, the same words on every command: which requests a person wants to see."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from reqprof.cli.params import (
    ERROR,
    Statuses,
    format_duration,
    format_moment,
    parse_moment,
    parse_statuses,
    parsed,
)
from reqprof.durations import parse_duration
from reqprof.model import ENGINES, KEPT
from reqprof.paths import fits
from reqprof.store.traffic import RAISED

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.model import Request
    from reqprof.store.traffic import Series, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a request must be: one of each group that is not empty, and carry every label."""

    routes: tuple[str, ...] = ()  # templates or paths, globs allowed
    methods: tuple[str, ...] = ()  # upper case
    statuses: tuple[Statuses, ...] = ()
    slower_than: float | None = None  # seconds
    since: float | None = None  # seconds since 1970
    until: float | None = None
    kinds: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def everything(self) -> bool:
        """Whether there is no filter at all."""
        return self == Wanted()

    def takes(self, request: Request) -> bool:
        """Whether the request passes every filter."""
        return (
            (not self.routes or any(_on_route(request, pattern) for pattern in self.routes))
            and (not self.methods or request.method.upper() in self.methods)
            and (not self.statuses or any(_ended(request, wanted) for wanted in self.statuses))
            and (self.slower_than is None or request.duration > self.slower_than)
            and (self.since is None or request.start >= self.since)
            and (self.until is None or request.start <= self.until)
            and (not self.kinds or request.kind in self.kinds)
            and (not self.kept or request.kept in self.kept)
            and (not self.engines or request.engine in self.engines)
            and all(request.labels.get(key) == value for key, value in self.labels)
        )

    @property
    def fits_tallies(self) -> bool:
        """Whether tallies, which know no single request, can tell who passes."""
        whole = all(
            status == ERROR or (status.low % 100, status.high % 100) == (0, 99)
            for status in self.statuses
        )
        return whole and not (self.labels or self.engines) and self.slower_than is None

    def takes_tally(self, window: Window, series: Series) -> bool:
        """Whether what was tallied passes every filter, times to the window's length."""
        return (
            (not self.routes or any(fits(series.route, pattern) for pattern in self.routes))
            and (not self.methods or series.method.upper() in self.methods)
            and (not self.statuses or any(_outcome(series, one) for one in self.statuses))
            and (self.since is None or window.until >= self.since)
            and (self.until is None or window.start <= self.until)
            and (not self.kinds or series.kind in self.kinds)
        )

    def __str__(self) -> str:
        groups = [
            ("route", self.routes),
            ("method", self.methods),
            ("status", self.statuses),
            ("slower than", [format_duration(self.slower_than)] if self.slower_than else []),
            ("since", [format_moment(self.since)] if self.since is not None else []),
            ("until", [format_moment(self.until)] if self.until is not None else []),
            ("kind", self.kinds),
            ("kept for", self.kept),
            ("engine", self.engines),
            ("label", [f"{key}={value}" for key, value in self.labels]),
        ]
        return ", ".join(
            f"{word} {' or '.join(map(str, values))}" for word, values in groups if values
        )


def _on_route(request: Request, pattern: str) -> bool:
    return fits(request.route, pattern) or fits(request.path, pattern)


def _outcome(series: Series, wanted: Statuses) -> bool:
    if wanted == ERROR:
        return series.outcome == RAISED
    return (
        series.outcome.endswith("xx") and wanted.low <= int(series.outcome[0]) * 100 <= wanted.high
    )


def _ended(request: Request, wanted: Statuses) -> bool:
    if wanted == ERROR:
        return request.exception is not None
    return request.status is not None and wanted.low <= request.status <= wanted.high


def _parse_label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise ValueError(f"{text!r:.40} is no label; write key=value")
    return key, value


def bare_route(text: str) -> str:
    """A route as a person types it: a guessed one is listed with a tilde, and copied from there."""
    return text[1:] if text.startswith("~/") else text


OPTIONS = (
    click.option(
        "--route",
        "routes",
        multiple=True,
        metavar="ROUTE",
        callback=parsed(bare_route),
        help="A route template or a path; * ? [..] are globs, * crosses slashes too. Repeatable.",
    ),
    click.option(
        "--method",
        "methods",
        multiple=True,
        metavar="METHOD",
        callback=parsed(str.upper),
        help="GET, post, ... Repeatable.",
    ),
    click.option(
        "--status",
        "statuses",
        multiple=True,
        metavar="STATUS",
        callback=parsed(parse_statuses),
        help="500, 5xx, 400-499, or `error` for requests whose app raised. Repeatable.",
    ),
    click.option(
        "--slower-than",
        metavar="DURATION",
        callback=parsed(parse_duration),
        help="250ms, 1.5s, 2m; a plain number is seconds.",
    ),
    click.option(
        "--since",
        metavar="TIME",
        callback=parsed(parse_moment),
        help="Begun no earlier: 10m, 2h, 1d (ago) or an ISO time, UTC unless it names a zone.",
    ),
    click.option(
        "--until",
        metavar="TIME",
        callback=parsed(parse_moment),
        help="Begun no later; written like --since.",
    ),
    click.option(
        "--kind",
        "kinds",
        multiple=True,
        type=click.Choice(["http", "websocket", "job"]),
        help="Repeatable.",
    ),
    click.option(
        "--kept",
        multiple=True,
        type=click.Choice(KEPT),
        help="What the profile was kept for, such as the uniform share (baseline). Repeatable.",
    ),
    click.option(
        "--engine",
        "engines",
        multiple=True,
        type=click.Choice(ENGINES),
        help="What measured it; watch is those that were sampled from outside. Repeatable.",
    ),
    click.option(
        "--label",
        "labels",
        multiple=True,
        metavar="KEY=VALUE",
        callback=parsed(_parse_label),
        help="A label of the app's own. Repeatable; all must be there.",
    ),
)


def filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the filter options to a command, which gets them as one ``wanted``."""

    @wraps(command)
    def with_wanted(**options: Any) -> Any:
        given = {name: options.pop(name) for name in _NAMES}
        since, until = given["since"], given["until"]
        if since is not None and until is not None and since > until:
            raise click.UsageError("--since is later than --until: no request can be both")
        return command(**options, wanted=Wanted(**given))

    for option in reversed(OPTIONS):
        option(with_wanted)
    return with_wanted


_NAMES = tuple(field.name for field in fields(Wanted))
