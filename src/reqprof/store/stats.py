"""pstats tables: made from what the profiler counted, and added up; nothing is lost on the way.

Making them runs in the served process: this module imports the standard library only.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar, cast

from reqprof.errors import NotFound
from reqprof.model import Edge, Entry, Function, Stats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor
    from os import PathLike
    from types import CodeType

    from reqprof.model import Profile

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
    stats = _table(counted)
    codes = [entry[0] for entry in counted if type(entry[0]) is not str]
    concealed = dict.fromkeys(_label(code) for code in codes if hidden(cast("CodeType", code)))
    names = concealed.keys()
    called = [row[4] for row in stats.values() if not names.isdisjoint(row[4])]
    for function in concealed:
        _conceal(function, stats.pop(function), called)
    return stats


def combine(tables: Iterable[Table]) -> Stats:
    """The sum of tables, added in the order given; no table is changed or becomes part of it.

    Equal bit for bit to what ``pstats.Stats`` makes of them in the same order (see
    :func:`pstats_order`), but for edges of which only the calls are known (see
    :func:`with_edges`). The garbage collector is paused meanwhile, also while an iterator loads
    the tables.
    """
    with collector_paused():
        return add_up(tables)


def add_up(tables: Iterable[Table]) -> Stats:
    """As :func:`combine`, but the collector, which is the app's, is left alone."""
    total: Stats = {}
    for table in tables:
        _add(total, table)
    return total


def graft(
    total: Stats,
    table: Stats,
    called: Mapping[CodeType, float],
    pauses: Mapping[tuple[CodeType, ...], float],
) -> None:
    """Add to ``total`` the table of a greenlet, under the calls that switched to it.

    ``called`` has the seconds that it ran by the function that switched to it: ``total`` counts
    them too, as that call's own time. ``pauses`` has the seconds that it was switched out, by its
    stack, innermost first: ``table`` counts those.
    """
    for stack, seconds in pauses.items():
        _shorten(table, _switching(table, [_label(code) for code in stack]), seconds)
    ways = [_switching(total, [_label(caller)])[:2] for caller in called]
    for (function, *callers), seconds in zip(ways, called.values(), strict=True):
        _take(total, function, callers[0] if callers else None, seconds)
    if ways:
        _hang(table, ways[0][0])
    _add(total, table)


def merge(
    files: Iterable[str | PathLike[str]],
    *,
    executor: Executor | None = None,
    trusted: bool = True,
    weighted: bool = False,
) -> Stats:
    """The sum of the profiles in ``files``, as ``pstats.Stats(*files).stats``.

    On an ``executor``, any of :mod:`concurrent.futures`, they are added up in parallel: counts are
    the same, times the same but for rounding. ``trusted`` is that of :func:`reader.read`. A name
    with ``://`` in it is a URL. With ``weighted`` each request counts for as many as it stands for;
    counts are estimates then, and floats. Raises BadProfile for the first file that is none,
    NotFound for one that is not there.
    """
    from reqprof.store.anywhere import Reader, file
    from reqprof.store.reduction import reduce

    reduced = reduce(
        [file(name) for name in files],
        partial(Total, weighted=weighted),
        Reader(trusted=trusted, table_only=True),
        executor,
    )
    for error in reduced.bad:
        raise error
    for path in reduced.gone:
        raise NotFound(f"{path}: no such file")
    return reduced.total.stats


class Total:
    """The sum of the tables of profiles: a :class:`reqprof.store.reduction.Sum`."""

    def __init__(self, *, weighted: bool = False) -> None:
        self.stats: Stats = {}
        self._weighted = weighted

    def add(self, profile: Profile) -> None:
        """Add the profile's table; where ``weighted``, as often as its request's weight says."""
        weight = profile.weight if self._weighted else 1
        _add(self.stats, profile.stats if weight == 1 else scaled(profile.stats, weight))

    def join(self, other: Total) -> None:
        """Add what another has added up."""
        _add(self.stats, other.stats)


def scaled(table: Stats, weight: float) -> Stats:
    """A table of which all counts and times are ``weight`` times as large."""
    more: dict[Function, Any] = {}
    for function, (cc, nc, tt, ct, callers) in table.items():
        edges = {caller: tuple(part * weight for part in edge) for caller, edge in callers.items()}
        more[function] = (cc * weight, nc * weight, tt * weight, ct * weight, edges)
    return more


def whole_counts(table: Stats) -> Stats:
    """A table whose counts are the nearest whole numbers."""
    return {
        function: (
            round(cc),
            round(nc),
            tt,
            ct,
            {caller: (round(a), round(b), c, d) for caller, (a, b, c, d) in callers.items()},
        )
        for function, (cc, nc, tt, ct, callers) in table.items()
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


def _add(total: Stats, table: Table) -> None:
    # The inner loop is where a merge spends its time; a ``try`` costs nothing if nothing is raised.
    for function, (cc, nc, tt, ct, callers) in table.items():
        try:
            a, b, c, d, edges = total[function]
        except KeyError:
            a, b, c, d, edges = 0, 0, 0.0, 0.0, {}
        total[function] = (a + cc, b + nc, c + tt, d + ct, edges)
        for caller, edge in callers.items():
            try:
                a, b, c, d = edge  # type: ignore[misc]
            except TypeError:
                a, b, c, d = _shared(cast("int", edge), nc, tt, ct)
            try:
                e, f, g, h = edges[caller]
            except KeyError:
                edges[caller] = (a, b, c, d)
            else:
                edges[caller] = (a + e, b + f, c + g, d + h)


def _shared(calls: int, nc: int, tt: float, ct: float) -> Edge:
    share = calls / nc if nc else 0.0
    return calls, calls, tt * share, ct * share


def _table(entries: Sequence[Counted]) -> Stats:
    stats: Stats = {}
    callers_of: dict[int, dict[Function, Edge]] = {}
    names: dict[int, Function] = {}
    for code, nc, recursive, ct, tt, _ in entries:
        names[id(code)] = function = _label(code)
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
            edge = (nc, nc - recursive, tt, ct)
            known = callers.setdefault(caller, edge)
            if known is not edge:
                callers[caller] = _plus(known, edge)
    return stats


def _label(code: CodeType | str) -> Function:
    if isinstance(code, str):
        return ("~", 0, code)
    return (code.co_filename, code.co_firstlineno, code.co_name)


def _conceal(function: Function, row: Entry, called: list[dict[Function, Edge]]) -> None:
    """Join the callers of a function to what it called, whose callers are among ``called``.

    Calls of it that came from outside the profile take their share of what it called along.
    """
    _, nc, _, _, ways = row
    outside = max(0, nc - sum(edge[0] for edge in ways.values()))
    ways.pop(function, None)
    # The share of the calls from outside comes last, where zip leaves it off.
    weights = [*(edge[0] for edge in ways.values()), outside]
    for callers in called:
        edge = callers.pop(function, None)
        if edge is None:
            continue
        for caller, part in zip(ways, _split(edge, weights), strict=False):
            if part[0]:
                callers[caller] = _plus(callers.get(caller, (0, 0, 0.0, 0.0)), part)


# What switches greenlets is a C function, where those are recorded.
_SWITCH: Function = ("~", 0, "<method 'switch' of 'greenlet.greenlet' objects>")


def _switching(table: Stats, stack: list[Function]) -> list[Function]:
    """A stack that has just switched, with the call that did it."""
    return [_SWITCH, *stack] if _SWITCH in table else stack


def _shorten(table: Stats, stack: list[Function], seconds: float) -> None:
    """Take out of a stack, innermost first, time in which it did not run."""
    _take(table, stack[0], stack[1] if len(stack) > 1 else None, seconds)
    for function in dict.fromkeys(stack):
        if function in table:
            cc, nc, tt, ct, callers = table[function]
            table[function] = cc, nc, tt, max(0.0, ct - seconds), callers
    for function, caller in dict.fromkeys(pairwise(stack)):
        callers = table[function][4] if function in table else {}
        if caller in callers:
            nc, cc, tt, ct = callers[caller]
            callers[caller] = nc, cc, tt, max(0.0, ct - seconds)


def _take(table: Stats, function: Function, caller: Function | None, seconds: float) -> None:
    """Take self time from a function, and from its edge."""
    if function not in table:
        return
    cc, nc, tt, ct, callers = table[function]
    table[function] = cc, nc, max(0.0, tt - seconds), ct, callers
    if caller in callers:
        edge = callers[caller]
        callers[caller] = edge[0], edge[1], max(0.0, edge[2] - seconds), edge[3]


def _hang(table: Stats, caller: Function) -> None:
    """What nobody called is from now on called by ``caller``."""
    for cc, nc, tt, ct, callers in table.values():
        ways = list(callers.values())
        calls = nc - sum(edge[0] for edge in ways)
        if calls > 0:
            primitive = max(0, cc - sum(edge[1] for edge in ways))
            own = max(0.0, tt - sum(edge[2] for edge in ways))
            whole = max(0.0, ct - sum(edge[3] for edge in ways))
            callers[caller] = (calls, primitive, own, whole)


def _plus(edge: Edge, more: Edge) -> Edge:
    return edge[0] + more[0], edge[1] + more[1], edge[2] + more[2], edge[3] + more[3]


def _split(edge: Edge, weights: Sequence[int]) -> list[Edge]:
    """Share an edge out: whole calls by weight, seconds by the calls that each share got."""
    nc, cc, tt, ct = edge
    primitive = _portions(cc, weights)
    repeated = _portions(nc - cc, weights)
    return [
        (own + again, own, tt * ((own + again) / nc), ct * ((own + again) / nc))
        for own, again in zip(primitive, repeated, strict=True)
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
