"""The facts of one request, laid out for a person."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reqprof.cli.params import format_duration
from reqprof.cli.request import method, status
from reqprof.cli.talk import Screen, printable
from reqprof.view.figures import percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqprof.model import Profile, Request

MARGIN = "  "
NAME = 10
"""Columns for the name of a fact."""

WARNING = (
    "interrupted: another profiler took over during this request;"
    " counts and times are too small, and merges leave it out"
)


def lines(profile: Profile, screen: Screen) -> Iterator[str]:
    """The sheet line by line; just the file's name where another tool wrote it."""
    request = profile.request
    if request is None:
        yield screen.paint(printable(str(profile.path)), "strong")
        yield f"{MARGIN}written by another tool: no facts about a request"
        return
    failed = request.exception or (request.status or 0) >= 500
    yield screen.paint(printable(headline(request)), "bad" if failed else "strong")
    if request.interrupted:
        yield screen.paint(f"{MARGIN}{WARNING}", "bad")
    rows = [*_rows(request), ("file", str(profile.path))]
    for name, value in rows:
        if value:
            yield from _wrapped(name, printable(value), screen)


def _wrapped(name: str, value: str, screen: Screen) -> Iterator[str]:
    """A fact on as many lines as the terminal needs, in a column of its own."""
    texts = [value]
    if screen.width is not None:
        room = max(20, screen.width - len(MARGIN) - NAME)
        texts = textwrap.wrap(value, room, break_long_words=False, break_on_hyphens=False)
    for text in texts:
        yield f"{MARGIN}{screen.paint(name.ljust(NAME), 'quiet')}{text}"
        name = ""


def headline(request: Request) -> str:
    """The request and how it ended, in one line."""
    what = f"{method(request)} {request.path or request.route or ''}".rstrip()
    ends = [status(request)] if request.status is not None or not request.exception else []
    ends += [f"raised {request.exception}"] if request.exception else []
    return f"{what} -> {', '.join(ends)}"


def _rows(request: Request) -> Iterator[tuple[str, str]]:
    yield "id", request.id
    yield "route", _route(request)
    yield "when", _when(request.start)
    yield "took", _took(request)
    yield "work", _work(request)
    yield "tracing", _tracing(request)
    yield "engine", _engine(request)
    yield "process", _process(request)
    yield "trace id", request.trace_id or ""
    yield "labels", ", ".join(f"{key}={value}" for key, value in request.labels.items())


def _route(request: Request) -> str:
    if request.route is None:
        return ""
    return f"{request.route} (guessed from the path)" if request.guessed else request.route


def _when(start: float) -> str:
    moment = datetime.fromtimestamp(start, UTC)
    local = moment.astimezone()
    text = f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} UTC"
    return text if not local.utcoffset() else f"{text} ({local:%H:%M:%S %Z} here)"


def _took(request: Request) -> str:
    text = format_duration(request.duration)
    if request.first_byte is not None:
        text += f" to the last byte, {format_duration(request.first_byte)} to the first"
    if (after := request.total - request.duration) > 1e-6:
        text += f"; then {format_duration(after)} of work after the response"
    return text


def _work(request: Request) -> str:
    parts = []
    if request.cpu is not None:
        parts.append(f"cpu {format_duration(request.cpu)}")
    if request.waited is not None:
        whole = format_duration(request.total)
        parts.append(f"waited {format_duration(request.waited)} of {whole} in all")
    if request.neighbours:
        others = f"{request.neighbours} other profiled request"
        parts.append(f"{others}{'s' if request.neighbours > 1 else ''} in flight when it began")
    return ", ".join(parts)


def _tracing(request: Request) -> str:
    text = f"{request.calls:,} calls"
    if request.cost is None:
        return text
    share = f", {percent(request.cost, request.ran)} of its own time" if request.ran else ""
    return f"{text}; recording them took about {format_duration(request.cost)}{share} (an estimate)"


def _engine(request: Request) -> str:
    parts = [request.engine, "with" if request.builtins else "without"]
    text = f"{' '.join(parts)} C calls, {request.clock} clock"
    if request.python:
        text += f", Python {request.python}"
    if request.weight != 1:
        text += f"; sampled, stands for {request.weight:g} requests"
    return text


def _process(request: Request) -> str:
    parts = [request.host, f"pid {request.pid}" if request.pid else "", request.thread]
    return ", ".join(filter(None, parts))
