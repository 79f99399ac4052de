"""The facts of one request, laid out for a person."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reqprof.cli import stack
from reqprof.cli.params import format_duration
from reqprof.cli.request import method, status
from reqprof.cli.talk import Screen, plural, printable
from reqprof.view.figures import percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqprof.model import Profile, Request, Timeline

MARGIN = "  "
NAME = 10
"""Columns for the name of a fact."""

WARNING = (
    "interrupted: another profiler took over during this request;"
    " counts and times are too small, and merges leave it out"
)
PARTIAL = "partial: it ran on after max_duration, or a pause; the profile holds what was before"

REST = "the rest is I/O, locks and the interpreter lock"
"""What wall time is that is no CPU time."""

_KEPT = {
    "all": "",
    "baseline": "as one of the uniform share",
    "error": "because it failed",
    "slow": "because it took longer than slower_than",
    "worst": "as one of the slowest of its route",
    "keep": "by the app's own rule",
    "trigger": "because a token asked for it",
    "arm": "because reqprof arm asked for it",
}

_WORST = 3
"""Requests that are named for having held the event loop."""


def lines(
    profile: Profile, timeline: Timeline, screen: Screen, *, full_paths: bool, hint: bool
) -> Iterator[str]:
    """The sheet line by line; just the file's name where another tool wrote it.

    With ``hint`` it names the option that shows where the request waited.
    """
    request = profile.request
    if request is None:
        yield screen.paint(printable(str(profile.path)), "strong")
        yield f"{MARGIN}written by another tool: no facts about a request"
        return
    failed = request.exception or (request.status or 0) >= 500
    yield screen.paint(printable(headline(request)), "bad" if failed else "strong")
    if request.interrupted:
        yield screen.paint(f"{MARGIN}{WARNING}", "bad")
    if request.partial:
        yield f"{MARGIN}{PARTIAL}"
    hint = hint and bool(timeline.waits or timeline.jobs)
    rows = [
        *_rows(request),
        *_others(request, timeline, hint=hint),
        ("stopped", _stopped(timeline, full_paths=full_paths)),
        *_origin(request),
        ("file", str(profile.path)),
    ]
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


def beyond(calls: int) -> str:
    """What it means that so many calls found no room in an exact tree."""
    had = "1 call" if calls == 1 else f"{calls:,} calls"
    return f"{had} of stacks past the tree's limit: their time is shown as their callers'"


def _rows(request: Request) -> Iterator[tuple[str, str]]:
    yield "id", request.id
    yield "route", _route(request)
    yield "when", _when(request.start)
    yield "took", _took(request)
    yield "work", _work(request)


def _others(request: Request, timeline: Timeline, *, hint: bool) -> Iterator[tuple[str, str]]:
    """What the request waited for, and what others did for it or to it."""
    yield "waited", _waited(request, timeline, hint=hint)
    yield "tasks", _tasks(request)
    yield "threads", _threads(request)
    yield "late", _late(request)


def _origin(request: Request) -> Iterator[tuple[str, str]]:
    """How the profile was made, and where."""
    yield "tracing", _tracing(request)
    yield "engine", _engine(request)
    yield "kept", _KEPT.get(request.kept, request.kept)
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
    if request.partial:
        return f"{text} when its profile was stored, and longer in the end"
    if request.first_byte is not None:
        text += f" to the last byte, {format_duration(request.first_byte)} to the first"
    if (after := request.total - request.duration) > 1e-6:
        text += f"; then {format_duration(after)} of work after the response"
    return text


def _work(request: Request) -> str:
    parts = []
    if request.waited is not None:
        parts.append(f"ran {format_duration(request.ran)}")
    if request.cpu is not None:
        parts.append(_cpu(request, request.cpu))
    if request.neighbours:
        others = plural(request.neighbours, "other profiled request")
        parts.append(f"{others} in flight when it began")
    return "; ".join(parts)


def _cpu(request: Request, cpu: float) -> str:
    text = f"cpu {format_duration(cpu)}"
    if request.waited is not None:
        return f"{text}, child tasks and pool threads included" if _helped(request) else text
    text += f" of {format_duration(request.total)} in all"
    return f"{text}, {REST}" if cpu < 0.99 * request.total else text


def _helped(request: Request) -> bool:
    return bool(request.tasks or request.jobs)


def _waited(request: Request, timeline: Timeline, *, hint: bool) -> str:
    if request.waited is None:
        return ""
    text = f"{format_duration(request.waited)} of {format_duration(request.total)} in all"
    if hint:
        text += " (--waits shows where)"
    if request.held:
        text += f"; others held the event loop for at most {format_duration(request.held)}"
        text += f" of that, an estimate{_worst(timeline)}"
    return text


def _worst(timeline: Timeline) -> str:
    worst = sorted(timeline.held_by.items(), key=lambda held: -held[1])[:_WORST]
    named = ", ".join(f"{name} ({format_duration(seconds)})" for name, seconds in worst)
    return f"; the worst profiled ones: {named}" if named else ""


def _tasks(request: Request) -> str:
    if not request.tasks:
        return ""
    ran, waited = format_duration(request.tasks_ran), format_duration(request.tasks_waited)
    return f"{plural(request.tasks, 'child task')} ran {ran} and waited {waited}"


def _threads(request: Request) -> str:
    if not request.jobs:
        return ""
    calls = plural(request.jobs, "call in a pool thread", "calls in pool threads")
    took, cpu = format_duration(request.jobs_ran), format_duration(request.jobs_cpu)
    return f"{calls} took {took}, cpu {cpu}; {REST}"


def _late(request: Request) -> str:
    if not request.left_running or request.partial:
        return ""
    what = plural(request.left_running, "child task or pool call", "child tasks or pool calls")
    whose = "its" if request.left_running == 1 else "their"
    return f"{what} still ran when it ended; {whose} later work is not counted"


def _stopped(timeline: Timeline, *, full_paths: bool) -> str:
    if not timeline.stopped_at:
        return ""
    return f"at {stack.line(stack.teller(full_paths=full_paths)(timeline.stopped_at))}"


def _tracing(request: Request) -> str:
    if not request.is_traced:
        return f"{plural(request.calls, 'sample')}, taken from outside: it ran as if unprofiled"
    parts = [f"{request.calls:,} calls"]
    if request.cost is not None:
        share = percent(request.cost, request.worked)
        took = f"recording them took about {format_duration(request.cost)}"
        parts.append(
            f"{took}{f', {share} of its own time' if request.worked else ''} (an estimate)"
        )
    if request.beyond:
        parts.append(beyond(request.beyond))
    return "; ".join(parts)


def _engine(request: Request) -> str:
    parts = [request.engine, "with" if request.builtins else "without"]
    text = f"{' '.join(parts)} C calls, {request.clock} clock" if request.is_traced else "watch"
    if request.python:
        text += f", Python {request.python}"
    if request.weight != 1:
        text += f"; sampled, stands for {request.weight:g} requests"
    return text


def _process(request: Request) -> str:
    parts = [request.host, f"pid {request.pid}" if request.pid else "", request.thread]
    return ", ".join(filter(None, parts))
