"""pstats tables: made from what the profiler counted, and added up; nothing is lost on the way.

Making them runs in the served process: this module imports the standard library only.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from reqprof.model import Edge, Function, Stats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import CodeType

    Call = tuple[CodeType | str, int, int, float, float]
    """A ``_lsprof.profiler_subentry``: callee, calls, recursive calls, cumulative, self seconds."""

    Counted = tuple[CodeType | str, int, int, float, float, Sequence[Call] | None]
    """A ``_lsprof.profiler_entry``: the same of a function, and what it called."""

Table = Mapping[Function, tuple[int, int, float, float, Mapping[Function, Edge | int]]]
"""Any pstats table. Those of the pure Python ``profile`` module know only the calls of an edge."""

T = TypeVar("T")


def from_entries(entries: Iterable[Any], hidden: Callable[[CodeType], bool]) -> Stats:
    """The table of what ``_lsprof.Profiler.getstats()`` returned.

    Functions that share file, line and name are added; cProfile's own ``snapshot_stats`` keeps
    only the last of them. Functions for which ``hidden`` is true are left out, and whoever called
    them becomes the caller of what they called: exactly where they had one caller, otherwise
    shared by each caller's calls. The counts of all others stay as they are, and their self
    seconds add up to those of their entries.
    """
    counted: list[Counted] = list(entries)
    concealed = [e for e in counted if type(e[0]) is not str and hidden(cast("CodeType", e[0]))]
    return _table(_without(counted, concealed) if concealed else counted)


def combine(tables: Iterable[Table]) -> Stats:
    """The sum of tables, added in the order given; no table is changed or becomes part of it.

    Equal bit for bit to what ``pstats.Stats`` makes of them in the same order (see
    :func:`pstats_order`), but for edges of which only the calls are known (see
    :func:`with_edges`). The garbage collector is paused meanwhile, also while an iterator loads
    the tables.
    """
    total: dict[Function, list[Any]] = {}
    with collector_paused():
        for table in tables:
            _add(total, table)
        return {
            function: (cc, nc, tt, ct, {caller: tuple(edge) for caller, edge in callers.items()})
            for function, (cc, nc, tt, ct, callers) in total.items()
        }


def with_edges(table: Table) -> Stats:
    """The table itself, or a copy where it knows only the calls of an edge.

    Such an edge gets its share of the function's seconds, in proportion to the calls.
    """
    if any(int in map(type, callers.values()) for *_, callers in table.values()):
        return combine([table])
    return cast("Stats", table)


def pstats_order(items: Sequence[T]) -> list[T]:
    """The order in which ``pstats.Stats(*items)`` adds: the first, then the rest backwards."""
    return [*items[:1], *items[:0:-1]]


@contextmanager
def collector_paused() -> Iterator[None]:
    """No garbage collection: it would walk a growing heap, which has no cycles, over and over."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _add(total: dict[Function, list[Any]], table: Table) -> None:
    # The inner loop is where a merge spends its time: lists are changed in place, and a ``try``
    # costs nothing as long as nothing is raised.
    for function, (cc, nc, tt, ct, callers) in table.items():
        row = total.get(function)
        if row is None:
            row = total[function] = [0, 0, 0.0, 0.0, {}]
        row[0] += cc
        row[1] += nc
        row[2] += tt
        row[3] += ct
        edges = row[4]
        for caller, edge in callers.items():
            try:
                a, b, c, d = edge  # type: ignore[misc]
            except TypeError:
                a, b, c, d = _shared(cast("int", edge), nc, tt, ct)
            try:
                known = edges[caller]
            except KeyError:
                edges[caller] = [a, b, c, d]
            else:
                known[0] += a
                known[1] += b
                known[2] += c
                known[3] += d


def _shared(calls: int, nc: int, tt: float, ct: float) -> Edge:
    share = calls / nc if nc else 0.0
    return calls, calls, tt * share, ct * share


def _table(entries: Sequence[Counted]) -> Stats:
    stats: Stats = {}
    callers_of: dict[int, dict[Function, Edge]] = {}
    names: dict[int, Function] = {}
    for code, nc, recursive, ct, tt, _ in entries:
        function = names[id(code)] = _label(code)
        row = stats.get(function)
        if row is None:
            stats[function] = row = (nc - recursive, nc, tt, ct, {})
        else:
            stats[function] = (
                row[0] + nc - recursive,
                row[1] + nc,
                row[2] + tt,
                row[3] + ct,
                row[4],
            )
        callers_of[id(code)] = row[4]
    for code, _, _, _, _, calls in entries:
        caller = names[id(code)]
        for callee, nc, recursive, ct, tt in calls or ():
            callers = callers_of.get(id(callee))
            if callers is None:
                continue  # a call that was still running: it has no row
            edge = callers.get(caller)
            if edge is None:
                callers[caller] = (nc, nc - recursive, tt, ct)
            else:
                a, b, c, d = edge
                callers[caller] = (a + nc, b + nc - recursive, c + tt, d + ct)
    return stats


def _label(code: CodeType | str) -> Function:
    if isinstance(code, str):
        return ("~", 0, code)
    return (code.co_filename, code.co_firstlineno, code.co_name)


def _without(entries: Sequence[Counted], concealed: Sequence[Counted]) -> list[Counted]:
    """Eliminate the concealed functions one by one, each time joining its callers to its callees.

    Calls of one that came from outside the profile take their share of what it called along.
    """
    made: dict[int, list[Call]] = {id(code): list(calls or ()) for code, *_, calls in concealed}
    gone = set(made)
    callers = _callers(entries, gone)
    for code, nc, *_ in concealed:
        node = id(code)
        ways = callers.pop(node)
        outside = max(0, nc - sum(ways.values()))
        ways.pop(node, None)
        for others in callers.values():
            others.pop(node, None)
        for call in made.pop(node):
            callee = id(call[0])
            if callee == node:
                continue
            # The share of the calls from outside comes last, where zip leaves it off.
            for caller, part in zip(ways, _split(call, [*ways.values(), outside]), strict=False):
                if part[1]:
                    made.setdefault(caller, []).append(part)
                    if callee in callers:
                        callers[callee][caller] = callers[callee].get(caller, 0) + part[1]
    return [
        (*entry[:5], [*(entry[5] or ()), *made.get(id(entry[0]), ())])
        for entry in entries
        if id(entry[0]) not in gone
    ]


def _callers(entries: Sequence[Counted], functions: set[int]) -> dict[int, dict[int, int]]:
    """For each of ``functions``, how often each caller called it."""
    callers: dict[int, dict[int, int]] = {function: {} for function in functions}
    for code, *_, calls in entries:
        for callee, nc, *_ in calls or ():
            if id(callee) in functions:
                callers[id(callee)][id(code)] = nc
    return callers


def _split(call: Call, weights: Sequence[int]) -> list[Call]:
    """Share a call out: whole calls by weight, seconds by the calls that each share got."""
    code, nc, recursive, ct, tt = call
    repeated = _portions(recursive, weights)
    primitive = _portions(nc - recursive, weights)
    counts = [a + b for a, b in zip(repeated, primitive, strict=True)]
    return [
        (code, count, again, ct * (count / nc), tt * (count / nc))
        for count, again in zip(counts, repeated, strict=True)
        if nc
    ]


def _portions(total: int, weights: Sequence[int]) -> list[int]:
    """Integers in proportion to the weights that add up to the total, by largest remainder."""
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    portions = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: -(total * weights[i] % whole))
    for i in by_remainder[: total - sum(portions)]:
        portions[i] += 1
    return portions
