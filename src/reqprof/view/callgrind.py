"""The format of callgrind, for KCachegrind and callgrind_annotate: functions and their edges.

A profile's table has just that, so nothing is reconstructed. Described in "Callgrind Format
Specification", chapter 3 of Valgrind's technical documentation.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from reqprof import __version__
from reqprof.store.stats import with_edges
from reqprof.view import names
from reqprof.view.whole import nanosecond

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reqprof.model import Edge, Function, Stats

_EVENT = "ns"

K = TypeVar("K")


def render(stats: Stats, *, title: str, notes: Sequence[str] = ()) -> str:
    """The table with every function's own time and every edge's calls and total time.

    Times are whole nanoseconds, each rounded by itself; the total is their sum. A function has
    one cost line, at the line where it begins: a profile does not know more. Functions of one
    file that share their name have the line in it, as the format tells functions apart by name
    alone. Edges of the old ``profile`` module, which are only counts, get their share of the
    function's time.
    """
    table = with_edges(stats)
    total = sum(nanosecond(row[2]) for row in table.values())
    lines = [*_head(title, notes), f"summary: {total}", ""]
    functions = _functions(table)
    positions = _Positions(functions)
    called = _called(table)
    for function in functions:
        own = table[function][2] if function in table else 0.0
        lines += positions.caller(function)
        lines.append(f"{_line(function)} {nanosecond(own)}")
        for callee, edge in called.get(function, ()):
            lines += _call(function, callee, edge, positions)
        lines.append("")
    lines.append(f"totals: {total}")
    return "\n".join(lines) + "\n"


def _head(title: str, notes: Sequence[str]) -> Iterator[str]:
    yield "# callgrind format"
    yield "version: 1"
    yield f"creator: reqprof {__version__}"
    yield f"cmd: {names.clean(title)}"
    for note in notes:
        yield f"desc: Note: {names.clean(note)}"
    yield "positions: line"
    yield f"event: {_EVENT} : Nanoseconds"
    yield f"events: {_EVENT}"


def _functions(table: Stats) -> list[Function]:
    """All that are named, callers without a row of their own among them, in order."""
    callers = {caller for row in table.values() for caller in row[4]}
    return sorted(table.keys() | callers)


def _called(table: Stats) -> dict[Function, list[tuple[Function, Edge]]]:
    """The edges by caller: what it called."""
    called: dict[Function, list[tuple[Function, Edge]]] = {}
    for callee in sorted(table):
        for caller, edge in table[callee][4].items():
            called.setdefault(caller, []).append((callee, edge))
    return called


def _call(caller: Function, callee: Function, edge: Edge, to: _Positions) -> list[str]:
    calls, spent = edge[0], nanosecond(edge[3])
    if calls <= 0 and not spent:
        return []
    # A reader would take the line after calls=0 for the caller's own cost.
    count = f"calls={max(1, calls)} {_line(callee)}"
    return [*to.callee(callee), count, f"{_line(caller)} {spent}"]


class _Positions:
    """The lines that say which function is meant; each name is written once, then its number."""

    def __init__(self, functions: Iterable[Function]) -> None:
        named = {function: (_file(function), names.label(function)) for function in functions}
        sharing = Counter(named.values())
        self._names = {
            function: (file, f"{name}:{_line(function)}" if sharing[file, name] > 1 else name)
            for function, (file, name) in named.items()
        }
        self._files: dict[str, int] = {}
        self._functions: dict[Function, int] = {}

    def caller(self, function: Function) -> tuple[str, str]:
        return f"fl={self._file(function)}", f"fn={self._function(function)}"

    def callee(self, function: Function) -> tuple[str, str]:
        return f"cfi={self._file(function)}", f"cfn={self._function(function)}"

    def _file(self, function: Function) -> str:
        return _numbered(self._names[function][0], self._names[function][0], self._files)

    def _function(self, function: Function) -> str:
        return _numbered(function, self._names[function][1], self._functions)


def _numbered(key: K, name: str, known: dict[K, int]) -> str:
    if key in known:
        return f"({known[key]})"
    known[key] = number = len(known) + 1
    # A number with nothing behind it would be read as a reference.
    return f"({number}) {name.strip() or '?'}"


def _file(function: Function) -> str:
    return names.clean(function[0])


def _line(function: Function) -> int:
    return max(0, function[1])
