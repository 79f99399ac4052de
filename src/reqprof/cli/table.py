"""A profile's functions in the words of pstats: sorted, matched, with callers and callees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reqprof.view.names import place

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Sequence

    from reqprof.model import Edge, Entry, Function, Stats

    Sorter = Callable[[Function, Entry], Any]

_KEYS: dict[str, tuple[Sorter, bool]] = {  # what to compare, and whether the most comes first
    "calls": (lambda _, entry: entry[1], True),
    "pcalls": (lambda _, entry: entry[0], True),
    "tottime": (lambda _, entry: entry[2], True),
    "cumulative": (lambda _, entry: entry[3], True),
    "percall": (lambda _, entry: per_call(entry[2], entry[1]), True),
    "cumpercall": (lambda _, entry: per_call(entry[3], entry[0]), True),
    "filename": (lambda function, _: function[0], False),
    "line": (lambda function, _: function[1], False),
    "name": (lambda function, _: function[2], False),
    "nfl": (lambda function, _: (function[2], function[0], function[1]), False),
    "stdname": (lambda function, _: standard_name(function), False),
}

_PSTATS_WORDS = {
    "calls": "calls",
    "ncalls": "calls",
    "pcalls": "pcalls",
    "time": "tottime",
    "tottime": "tottime",
    "cumulative": "cumulative",
    "cumtime": "cumulative",
    "filename": "filename",
    "module": "filename",
    "line": "line",
    "name": "name",
    "nfl": "nfl",
    "stdname": "stdname",
}
_OUR_WORDS = {"percall": "percall", "cumpercall": "cumpercall"}
_NUMBERS = {"-1": "stdname", "0": "calls", "1": "tottime", "2": "cumulative"}

WORDS = (*_PSTATS_WORDS, *_OUR_WORDS)
"""Every sort key by its whole name."""


def parse_key(text: str) -> str:
    """The sort key that a whole name, a prefix of just one, or a number of old pstats means.

    Raises ValueError.
    """
    word = text.strip().lower()
    if word in _NUMBERS:
        return _NUMBERS[word]
    # What pstats takes must mean the same here, so its words go before ours.
    for words in (_PSTATS_WORDS, _OUR_WORDS):
        if word in words:
            return words[word]
        near = {name: key for name, key in words.items() if word and name.startswith(word)}
        if len(set(near.values())) == 1:
            return next(iter(near.values()))
        if near:
            raise ValueError(f"{text!r} could be {' or '.join(near)}; write more of it")
    raise ValueError(f"{text!r:.40} is no sort key; take one of {', '.join(WORDS)}")


def ordered(stats: Stats, keys: Sequence[str]) -> list[Function]:
    """The functions by the first key, equal ones by the next, otherwise as the table has them."""
    functions = list(stats)
    for key in reversed(keys):
        value, most_first = _KEYS[key]
        functions.sort(key=lambda function: value(function, stats[function]), reverse=most_first)
    return functions


def matching(functions: Iterable[Function], patterns: Iterable[re.Pattern[str]]) -> list[Function]:
    """Those in whose standard name every pattern is found."""
    searches = [pattern.search for pattern in patterns]
    return [
        function
        for function in functions
        if all(search(standard_name(function)) for search in searches)
    ]


def callers(stats: Stats, function: Function) -> list[tuple[Function, Edge]]:
    """Who called the function and its share for each, most time first."""
    return _by_time(stats[function][4].items())


def callees(stats: Stats) -> Callable[[Function], list[tuple[Function, Edge]]]:
    """A look-up of what a function called and what it spent there, most time first."""
    found: dict[Function, list[tuple[Function, Edge]]] = {}
    for function, entry in stats.items():
        for caller, edge in entry[4].items():
            found.setdefault(caller, []).append((function, edge))
    return lambda caller: _by_time(found.get(caller, []))


def _by_time(edges: Iterable[tuple[Function, Edge]]) -> list[tuple[Function, Edge]]:
    return sorted(edges, key=lambda pair: (-pair[1][3], pair[0]))


def per_call(seconds: float, calls: int) -> float:
    """Seconds for each call, 0 where there was none."""
    return seconds / calls if calls else 0.0


def standard_name(function: Function) -> str:
    """``file:line(name)``, or ``{name}`` of a C function, as ``pstats.func_std_string``."""
    file, line, name = function
    if (file, line) != ("~", 0):
        return f"{file}:{line}({name})"
    return f"{{{name[1:-1]}}}" if name.startswith("<") and name.endswith(">") else name


def short_name(function: Function, here: str) -> str:
    """The standard name without the way to installed packages, Python's own and folder ``here``."""
    if function[0] == "~":
        return standard_name(function)
    return f"{place(function).removeprefix(here)}({function[2]})"


def count(calls: int, primitive: int) -> str:
    """Calls as pstats prints them: ``9/3`` where 3 of 9 were not recursive."""
    return str(calls) if calls == primitive else f"{calls}/{primitive}"
