"""A request's timeline as bytes: the section ``waits`` in the trailer of a ``.prof``.

Writing it runs in the served process: this module imports the standard library and nothing of the
reading half.
"""

from __future__ import annotations

import json
import re
import reprlib
from typing import TYPE_CHECKING, Final

from reqprof.model import Job, Timeline, Wait
from reqprof.store.facts import MAX_TEXT, load_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reqprof.model import Function, Place

SECTION: Final = "waits"

MAX_SIZE: Final = 4 << 20
"""Bytes without compression; a place with a stack of 20 frames takes 250."""

MAX_STACK: Final = 1000
"""Frames of one stack."""

_MAX_COUNT = 2**53
_MAX_LINE = 2**31
_MAX_SECONDS = 1e9
_ID = re.compile(r"[0-9a-f]{12}")


def encode(timeline: Timeline) -> bytes:
    """The section as JSON in ASCII: what :func:`decode` takes back.

    Raises ValueError for what it would refuse, so that nothing unreadable is written.
    """
    functions: dict[Function, int] = {}

    def number(function: Function) -> int:
        return functions.setdefault(function, len(functions))

    def stack(places: Iterable[Place]) -> list[list[int]]:
        return [[number((file, first, name)), line] for file, first, name, line in places]

    numbered: dict[str, object] = {
        "waits": [
            [wait.child, wait.count, wait.seconds, wait.longest, stack(wait.stack)]
            for wait in timeline.waits
        ],
        "jobs": [
            [number(job.function), job.thread, job.count, job.wall, job.cpu]
            for job in timeline.jobs
        ],
        "held_by": timeline.held_by,
        "stopped_at": stack(timeline.stopped_at),
    }
    parts = {"functions": [list(function) for function in functions], **numbered}
    _timeline(parts)
    kept = {name: part for name, part in parts.items() if part}
    return _bounded(json.dumps(kept, separators=(",", ":")).encode("ascii"))


def decode(data: bytes) -> Timeline:
    """The timeline that a section holds; keys that it does not know are ignored.

    Raises ValueError, saying what is wrong, for anything else.
    """
    return _timeline(load_line(_bounded(data), "its waits"))


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_SIZE:
        raise ValueError(f"its waits take {len(data)} bytes, more than {MAX_SIZE}")
    return data


def _timeline(parts: Mapping[str, object]) -> Timeline:
    table = _Table(_rows(parts, "functions"))
    return Timeline(
        waits=tuple(map(table.wait, _rows(parts, "waits"))),
        jobs=tuple(map(table.job, _rows(parts, "jobs"))),
        held_by=_held_by(parts.get("held_by", {})),
        stopped_at=table.stack(parts.get("stopped_at", [])),
    )


class _Table:
    """The functions, which all other parts name by their numbers."""

    def __init__(self, rows: Iterable[object]) -> None:
        self._functions = [_function(row) for row in rows]

    def wait(self, row: object) -> Wait:
        child, count, seconds, longest, stack = _cells(row, 5, "a wait")
        if type(child) is not bool:
            raise _wrong(child, "true or false")
        return Wait(self.stack(stack), _count(count), _seconds(seconds), _seconds(longest), child)

    def job(self, row: object) -> Job:
        function, thread, count, wall, cpu = _cells(row, 5, "a job")
        return Job(
            self.function(function), _text(thread), _count(count), _seconds(wall), _seconds(cpu)
        )

    def stack(self, places: object) -> tuple[Place, ...]:
        if type(places) is not list or len(places) > MAX_STACK:
            raise _wrong(places, f"a stack of at most {MAX_STACK} frames")
        return tuple(map(self._place, places))

    def function(self, number: object) -> Function:
        if type(number) is not int or not 0 <= number < len(self._functions):
            raise _wrong(number, f"one of its {len(self._functions)} functions")
        return self._functions[number]

    def _place(self, cells: object) -> Place:
        function, line = _cells(cells, 2, "a frame")
        return (*self.function(function), _count(line, _MAX_LINE))


def _function(row: object) -> Function:
    file, line, name = _cells(row, 3, "a function")
    return _text(file), _count(line, _MAX_LINE), _text(name)


def _held_by(value: object) -> dict[str, float]:
    if type(value) is not dict or not all(map(_ID.fullmatch, value)):
        raise _wrong(value, "seconds by id")
    return {name: _seconds(seconds) for name, seconds in value.items()}


def _rows(parts: Mapping[str, object], name: str) -> list[object]:
    rows = parts.get(name, [])
    if type(rows) is not list:
        raise _wrong(rows, f"a list of {name}")
    return rows


def _cells(row: object, size: int, what: str) -> list[object]:
    if type(row) is not list or len(row) != size:
        raise _wrong(row, f"{what} of {size} parts")
    return row


def _text(value: object) -> str:
    if type(value) is not str or len(value) > MAX_TEXT:
        raise _wrong(value, "a text")
    return value


def _count(value: object, most: int = _MAX_COUNT) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise _wrong(value, f"a whole number from 0 to {most}")
    return value


def _seconds(value: object) -> float:
    if type(value) not in (int, float) or not 0 <= value <= _MAX_SECONDS:  # type: ignore[operator]
        raise _wrong(value, f"a number from 0 to {_MAX_SECONDS:g}")
    return float(value)  # type: ignore[arg-type]


def _wrong(value: object, wanted: str) -> ValueError:
    # A plain repr of hostile nesting would be the next fault.
    return ValueError(f"its waits hold {reprlib.repr(value):.60} in place of {wanted}")
