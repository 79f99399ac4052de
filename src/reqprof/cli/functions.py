"""The functions of a profile as a person or a program reads them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reqprof.cli import listing, table
from reqprof.cli.listing import Column, Row
from reqprof.cli.talk import plural
from reqprof.errors import NotFound

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Sequence

    from reqprof.cli.talk import Screen
    from reqprof.model import Edge, Function, Stats

    Edges = Callable[[Function], Sequence[tuple[Function, Edge]]]
    Namer = Callable[[Function], str]

TITLES = {
    "calls": "call count",
    "pcalls": "primitive call count",
    "tottime": "internal time",
    "cumulative": "cumulative time",
    "percall": "internal time per call",
    "cumpercall": "cumulative time per primitive call",
    "filename": "file name",
    "line": "line number",
    "name": "function name",
    "nfl": "name/file/line",
    "stdname": "standard name",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What of a table a person wants to see: the rows, their order, and how many of them."""

    sort: tuple[str, ...] = ("cumulative",)
    limit: int = 0  # 0 for all
    match: tuple[re.Pattern[str], ...] = ()
    callers: re.Pattern[str] | None = None
    callees: re.Pattern[str] | None = None
    full_paths: bool = True

    def functions(self, stats: Stats, extra: re.Pattern[str] | None = None) -> list[Function]:
        """The functions to show, in order; raises NotFound where a pattern finds none."""
        patterns = self.match if extra is None else (*self.match, extra)
        found = table.matching(table.ordered(stats, self.sort), patterns)
        if patterns and not found:
            words = " and ".join(repr(pattern.pattern) for pattern in patterns)
            raise NotFound(f"none of the {len(stats)} functions matches {words}")
        return found

    def cut(self, functions: Sequence[Function]) -> Sequence[Function]:
        """As many as are wanted."""
        return functions[: self.limit or None]


def lines(
    stats: Stats, choice: Choice, screen: Screen, samples: int | None = None
) -> Iterator[str]:
    """The tables that ``choice`` asks for, line by line; of so many ``samples``, if any."""
    name = namer(choice)
    digits = _digits(stats)
    yield _totals(stats, digits) if samples is None else _sampled(stats, digits, samples)
    if choice.callers is None and choice.callees is None:
        yield from _main(stats, choice, screen, name, digits)
    for arrow, pattern, edges in _sides(stats, choice):
        functions = choice.functions(stats, pattern)
        yield ""
        yield _caption(choice, functions, "callers of " if arrow == "<-" else "callees of ")
        yield ""
        rows = _edge_rows(stats, choice.cut(functions), edges, arrow, name, digits)
        yield from listing.lines(_EDGE_COLUMNS, rows, screen)


def as_json(stats: Stats, choice: Choice, samples: int | None = None) -> dict[str, object]:
    """The same rows and totals, seconds in full."""
    result: dict[str, object] = {"total_time": sum(entry[2] for entry in stats.values())}
    if samples is None:
        result["total_calls"] = sum(entry[1] for entry in stats.values())
        result["primitive_calls"] = sum(entry[0] for entry in stats.values())
    else:
        result["samples"] = samples
    if choice.callers is None and choice.callees is None:
        result["functions"] = [
            _row_json(stats, function) for function in choice.cut(choice.functions(stats))
        ]
    for arrow, pattern, edges in _sides(stats, choice):
        key = "callers" if arrow == "<-" else "callees"
        result[key] = [
            {
                **_row_json(stats, function),
                key: [_edge_json(other, edge) for other, edge in edges(function)],
            }
            for function in choice.cut(choice.functions(stats, pattern))
        ]
    return result


_COLUMNS = [
    Column("ncalls", right=True),
    Column("tottime", right=True),
    Column("percall", right=True, spare=1),
    Column("cumtime", right=True),
    Column("percall", right=True, spare=2),
    Column("file:line(function)", crop="start"),
]
_EDGE_COLUMNS = [column for column in _COLUMNS if column.title != "percall"]


def _sides(stats: Stats, choice: Choice) -> Iterator[tuple[str, re.Pattern[str], Edges]]:
    if choice.callers is not None:
        yield "<-", choice.callers, lambda function: table.callers(stats, function)
    if choice.callees is not None:
        yield "->", choice.callees, table.callees(stats)


def namer(choice: Choice) -> Namer:
    """How to name functions: whole, or with short paths."""
    if choice.full_paths:
        return table.standard_name
    here = os.path.join(os.getcwd(), "")  # noqa: PTH118, PTH109 - the separator at its end matters
    return lambda function: table.short_name(function, here)


def _digits(stats: Stats) -> int:
    return 3 if sum(entry[2] for entry in stats.values()) >= 1 else 6


def _totals(stats: Stats, digits: int) -> str:
    calls = sum(entry[1] for entry in stats.values())
    primitive = sum(entry[0] for entry in stats.values())
    seconds = sum(entry[2] for entry in stats.values())
    some = f" ({primitive} primitive calls)" if primitive != calls else ""
    return f"{calls} function calls{some} in {seconds:.{digits}f} seconds"


def _sampled(stats: Stats, digits: int, samples: int) -> str:
    seconds = sum(entry[2] for entry in stats.values())
    return (
        f"{plural(samples, 'sample')}, which stand for {seconds:.{digits}f} seconds;"
        " ncalls are those in which a function was open"
    )


def _caption(choice: Choice, functions: Sequence[Function], what: str) -> str:
    shown, found = len(choice.cut(functions)), len(functions)
    order = ", ".join(TITLES[key] for key in choice.sort)
    how_many = f"{found}" if shown == found else f"{shown} of {found}"
    more = "" if shown == found else "; --limit 0 shows all"
    return f"{what}{how_many} function{'' if found == 1 else 's'}, by {order}{more}"


def _main(stats: Stats, choice: Choice, screen: Screen, name: Namer, digits: int) -> Iterator[str]:
    functions = choice.functions(stats)
    yield _caption(choice, functions, "")
    yield ""
    rows = []
    for function in choice.cut(functions):
        primitive, calls, own, total, _ = stats[function]
        seconds = (own, table.per_call(own, calls), total, table.per_call(total, primitive))
        times = [f"{value:.{digits}f}" for value in seconds]
        rows.append(Row([table.count(calls, primitive), *times, name(function)]))
    yield from listing.lines(_COLUMNS, rows, screen)


def _edge_rows(
    stats: Stats,
    functions: Sequence[Function],
    edges: Edges,
    arrow: str,
    name: Namer,
    digits: int,
) -> list[Row]:
    rows = []
    for function in functions:
        primitive, calls, own, total, _ = stats[function]
        bold = dict.fromkeys(range(4), "strong")
        times = [f"{own:.{digits}f}", f"{total:.{digits}f}"]
        rows.append(Row([table.count(calls, primitive), *times, name(function)], bold))
        for other, (calls, primitive, own, total) in edges(function):
            times = [f"{own:.{digits}f}", f"{total:.{digits}f}"]
            rows.append(Row([table.count(calls, primitive), *times, f"  {arrow} {name(other)}"]))
    return rows


def _row_json(stats: Stats, function: Function) -> dict[str, object]:
    primitive, calls, own, total, _ = stats[function]
    return {
        **_name_json(function),
        "ncalls": calls,
        "pcalls": primitive,
        "tottime": own,
        "percall": table.per_call(own, calls),
        "cumtime": total,
        "cumpercall": table.per_call(total, primitive),
    }


def _edge_json(function: Function, edge: Edge) -> dict[str, object]:
    calls, primitive, own, total = edge
    return {
        **_name_json(function),
        "ncalls": calls,
        "pcalls": primitive,
        "tottime": own,
        "cumtime": total,
    }


def _name_json(function: Function) -> dict[str, object]:
    return dict(zip(("file", "line", "name"), function, strict=True))
