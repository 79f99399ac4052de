"""What names and tables the views must bear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from reqprof.model import Function, Stats

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=12)
FUNCTIONS = st.tuples(ANYTHING | st.just("~"), st.integers(-1, 3000), ANYTHING)

ODD = [
    "",
    " ",
    "a b",
    " 5",
    "f 12 ",
    "f 3.5",
    "(1)",
    "(1) x",
    "x;y",
    "a\nb",
    "\x00\x1b",
    "\udce9",
    "\u202e",
    "é搜",
    "<lambda>",
    "operator<<(a)",
    "fn=x",
    "*",
    "+3",
    "#",
    '"',
    "\\",
    "calls=1",
]
"""Names that mean something in one of the formats, or break a line."""


def odd() -> Stats:
    """A function of each odd name, of Python and of C, each calling the next; one recurses."""
    functions: list[Function] = []
    for number, name in enumerate(ODD):
        functions += [(f"/srv/{name}.py", number, name), ("~", 0, name)]
    stats: Stats = {}
    for i, function in enumerate(functions):
        below = (len(functions) - i) / 1000
        stats[function] = (1, 1, 0.001, below, {})
        if i:
            stats[function][4][functions[i - 1]] = (1, 1, 0.001, below)
    last = functions[-1]
    stats[last] = (
        1,
        3,
        0.001,
        0.001,
        {functions[-2]: (1, 1, 5e-4, 0.001), last: (2, 0, 5e-4, 0.0)},
    )
    return stats


def broken() -> Stats:
    """What no profiler counted and a file may yet hold."""
    f, g = ("/srv/x.py", 2**70, "f"), ("/srv/x.py", -5, "g")
    return {f: (2**70, 2**70, 1e300, 1e300, {}), g: (-1, -1, 1.0, 1.0, {f: (-1, -1, 1.0, 1.0)})}
