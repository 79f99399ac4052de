"""What is wrong with a profile of a request whose calls are known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import reqprof
from tests.matrix.own import PLACES, file_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reqprof.model import Function, Profile, Request, Stats
    from tests.matrix.kind import Kind
    from tests.matrix.own import Own
    from tests.matrix.visit import Visit

REQPROF = str(Path(reqprof.__file__).parent)

LOOPS = {
    ("asyncio/base_events.py", "_run_once"),
    ("asyncio/base_events.py", "run_forever"),
    ("asyncio/base_events.py", "run_until_complete"),
    ("asyncio/events.py", "_run"),
    ("asyncio/runners.py", "run"),
    ("selectors.py", "select"),
    ("trio/_core/_run.py", "run"),
    ("trio/_core/_run.py", "unrolled_run"),
    ("trio/_core/_io_epoll.py", "get_events"),
    ("matrix/visit.py", "run"),
    ("matrix/loops.py", "_on_asyncio"),
    ("matrix/loops.py", "_on_trio"),
    ("matrix/loops.py", "scoped"),
}
POOLS = {
    ("threading.py", "_bootstrap"),
    ("threading.py", "_bootstrap_inner"),
    ("concurrent/futures/thread.py", "_worker"),
    ("concurrent/futures/thread.py", "run"),
    ("anyio/_backends/_asyncio.py", "run"),
    ("trio/_core/_thread_cache.py", "_work"),
    ("queue.py", "get"),
}
# What an app may call too. When an idle loop or thread calls it, or we do, it has no caller.
ALONE = {
    ("~", "<method 'poll' of 'select.epoll' objects>"),
    ("~", "<method 'get' of '_queue.SimpleQueue' objects>"),
    ("~", "<method 'acquire' of '_thread.lock' objects>"),
    ("~", "<method 'close' of 'coroutine' objects>"),
}
# How coroutines are stepped by hand, which is ours.
STEPS = {
    ("~", f"<method '{name}' of '{kind}' objects>")
    for name in ("send", "throw")
    for kind in ("coroutine", "coroutine_wrapper")
}


def problems(profile: Profile, visit: Visit) -> list[str]:
    """Everything that the profile of a visit should not say, or should."""
    stats, own, kind = profile.stats, visit.own, visit.kind
    forbidden = STEPS if kind.own_loop else STEPS | LOOPS | POOLS
    return [
        *_calls(stats, visit),
        *_foreign(stats, own),
        *_machinery(_all(stats), forbidden),
        *_machinery(_roots(stats), LOOPS | POOLS | ALONE),
        *_sums(stats),
        *_seconds(stats, profile.request, kind),
        *_facts(profile.request, own, kind),
    ]


def kept(stats: Stats, number: int) -> dict[str, int]:
    """Calls of the functions of that request."""
    file = file_of(number)
    return {function[2]: row[1] for function, row in stats.items() if function[0] == file}


def _calls(stats: Stats, visit: Visit) -> Iterator[str]:
    own = visit.own
    found, made = kept(stats, own.number), own.counts()
    # What goes on after the app's return may count or not.
    before = {
        name: number
        for name, number in (own.at_end if visit.kind.left else made).items()
        if name.removesuffix("_inner") not in visit.kind.uncounted
    }
    for name in sorted(found.keys() | made.keys()):
        least, most, number = before.get(name, 0), made.get(name, 0), found.get(name, 0)
        if not least <= number <= most:
            yield f"{name}: {number} calls in the profile, {_range(least, most)} made"
    for place in PLACES:
        edges = _edges(stats, (own.file, f"{place}_inner"))
        if edges and edges != {(own.file, place): found[f"{place}_inner"]}:
            yield f"{place}_inner: called by {edges}"


def _range(least: int, most: int) -> str:
    return f"{least}" if least == most else f"{least} to {most}"


def _edges(stats: Stats, called: tuple[str, str]) -> Mapping[tuple[str, str], int]:
    return {
        (caller[0], caller[2]): edge[0]
        for function, row in stats.items()
        if (function[0], function[2]) == called
        for caller, edge in row[4].items()
    }


def _foreign(stats: Stats, own: Own) -> Iterator[str]:
    for function in sorted(_all(stats)):
        if function[0].startswith("<request ") and function[0] != own.file:
            yield f"foreign: {function[2]} of {function[0]}"


def _machinery(found: set[Function], forbidden: set[tuple[str, str]]) -> Iterator[str]:
    for file, line, name in sorted(found):
        if file.startswith(REQPROF) or "reqprof." in name:
            yield f"reqprof's own: {file}:{line} {name}"
        if any(file.endswith(end) and name == named for end, named in forbidden):
            yield f"machinery: {file}:{line} {name}"


def _all(stats: Stats) -> set[Function]:
    return set(stats) | {caller for row in stats.values() for caller in row[4]}


def _roots(stats: Stats) -> set[Function]:
    return {
        function
        for function, row in stats.items()
        if row[1] > sum(edge[0] for edge in row[4].values())
    }


def _sums(stats: Stats) -> Iterator[str]:
    for function, (primitive, calls, own, total, edges) in stats.items():
        if not 0 < primitive <= calls or not 0 <= own <= total + 1e-9:
            yield f"numbers: {function} {primitive} of {calls} calls, {own} of {total} s"
        if sum(edge[0] for edge in edges.values()) > calls:
            yield f"numbers: {function} has {calls} calls, its callers made more: {edges}"


def _seconds(stats: Stats, request: Request | None, kind: Kind) -> Iterator[str]:
    """Nothing is recorded while a request waits: its functions have no more than what it ran."""
    assert request is not None
    own = sum(row[2] for row in stats.values())
    ran = request.ran + request.tasks_ran + request.jobs_ran
    if own > ran + 0.0001 and not kind.left:
        yield f"seconds: {own} in its functions, but it ran {ran}"


def _facts(request: Request | None, own: Own, kind: Kind) -> Iterator[str]:
    assert request is not None
    if request.interrupted or request.partial:
        yield f"facts: {request.interrupted=} {request.partial=}"
    if request.left_running != kind.left:
        yield f"facts: {request.left_running} left running, not {kind.left}"
    for name, begun in (("tasks", len(own.tasks)), ("jobs", len(own.jobs))):
        said = getattr(request, name)
        if said < begun or (said > begun and not kind.library):
            yield f"facts: {said} {name}, {begun} were begun"
