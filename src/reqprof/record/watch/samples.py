"""Stacks that were seen from outside, how often, and for how long each stands."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from reqprof.record.engines.session import is_own
from reqprof.record.watch.stacks import MAX_DEPTH
from reqprof.store import calltree
from reqprof.store.native import original

if TYPE_CHECKING:
    from types import CodeType

    from reqprof.model import Edge, Function, Stats
    from reqprof.record.notes import Frames

MAX_STACKS: Final = 5000
"""Distinct stacks of one request; what is seen in others counts for what they have in common."""

WAITING: Final = ("", 0, "waiting")
"""A frame below that which is suspended: :data:`reqprof.tree.node.WAITING`, which readers draw."""


class Samples:
    """Of one request, from the moment ``since`` (by perf_counter) on.

    One thread adds to them and another takes them out, for which this has the methods of a
    :class:`reqprof.record.engines.Session`. What is added afterwards is forgotten.
    """

    fault = None

    def __init__(self, since: float) -> None:
        self.count = 0
        self._last = since
        self._stacks: dict[tuple[CodeType, ...], _Seen] = {}
        self._beyond = 0
        self._closed = False
        self._lock = original("_thread", "allocate_lock")()

    def add(self, frames: Frames, moment: float, *, at_work: bool) -> None:
        """A stack, outermost first, that was seen at ``moment``.

        It stands for the time since the one before: where the interpreter was held for long, by
        what the stack shows when it lets go, that is long too.
        """
        stack = tuple(code for code, _ in frames if not is_own(code))[:MAX_DEPTH]
        with self._lock:
            if self._closed or not stack:
                return
            if stack not in self._stacks and len(self._stacks) >= MAX_STACKS:
                self._beyond += 1
                stack = stack[:1]
            seen = self._stacks.setdefault(stack, _Seen())
            seen.add(moment - self._last, at_work=at_work)
            self._last = moment
            self.count += 1

    def finish(self) -> Stats:
        """A pstats table whose counts are samples, in each of which a function was open."""
        with self._lock:
            self._closed = True
        table = _Table()
        for stack, seen in self._stacks.items():
            table.add([_function(code) for code in stack], seen)
        return table.stats()

    def calltree(self) -> bytes:
        """The stacks as the section ``tree``, in which calls are samples too."""
        root = _Node()
        for stack, seen in self._stacks.items():
            root.add([_function(code) for code in stack], seen)
        return calltree.encode([root.part()], {}, samples=self.count)

    def calls(self, stats: Stats) -> int:
        """How many samples there are."""
        return self.count

    def beyond(self) -> int:
        """Samples whose whole stacks had no room."""
        return self._beyond

    def cpu(self) -> None:
        """Not known from outside."""

    def cost(self, stats: Stats) -> float:
        """Nothing: the request itself ran as ever."""
        return 0.0

    def interrupted(self) -> bool:
        """Never: nobody can come between."""
        return False

    def drop(self) -> None:
        """Forget them."""
        self._stacks = {}


class _Seen:
    """How often one stack was seen, and the seconds that stands for."""

    __slots__ = ("count", "seconds", "waited", "waits")

    def __init__(self) -> None:
        self.count = self.waits = 0
        self.seconds = self.waited = 0.0

    def add(self, seconds: float, *, at_work: bool) -> None:
        self.count += 1
        self.seconds += seconds
        if not at_work:
            self.waits += 1
            self.waited += seconds


class _Row:
    """A function's line of the table, or one caller's share of it."""

    __slots__ = ("callers", "count", "own", "total")

    def __init__(self) -> None:
        self.count = 0
        self.own = self.total = 0.0
        self.callers: dict[Function, _Row] = {}

    def add(self, seen: _Seen, *, is_innermost: bool) -> None:
        self.count += seen.count
        self.total += seen.seconds
        self.own += seen.seconds if is_innermost else 0.0


class _Table:
    """Rows by function. A function, or an edge, that is open twice counts once."""

    def __init__(self) -> None:
        self._rows: dict[Function, _Row] = {}

    def add(self, stack: list[Function], seen: _Seen) -> None:
        for function in dict.fromkeys(stack):
            row = self._rows.setdefault(function, _Row())
            row.add(seen, is_innermost=function == stack[-1])
        for caller, function in dict.fromkeys(pairwise(stack)):
            edge = self._rows[function].callers.setdefault(caller, _Row())
            edge.add(seen, is_innermost=(caller, function) == tuple(stack[-2:]))

    def stats(self) -> Stats:
        return {
            function: (
                *(row.count, row.count, row.own, row.total),
                {caller: _edge(edge) for caller, edge in row.callers.items()},
            )
            for function, row in self._rows.items()
        }


class _Node:
    """A frame of the tree: in how many samples it was open, and for how long innermost."""

    __slots__ = ("children", "count", "nanoseconds")

    def __init__(self) -> None:
        self.children: dict[Function, _Node] = {}
        self.count = 0
        self.nanoseconds = 0

    def add(self, stack: list[Function], seen: _Seen) -> None:
        node = self
        for function in stack:
            node = node.children.setdefault(function, _Node())
            node.count += seen.count
        node.nanoseconds += round((seen.seconds - seen.waited) * 1e9)
        if seen.waits:
            waiting = node.children.setdefault(WAITING, _Node())
            waiting.count += seen.waits
            waiting.nanoseconds += round(seen.waited * 1e9)

    def part(self) -> calltree.Part:
        places: dict[Function, int] = {}
        numbers: list[int] = []
        depth = 0
        rest = [(1, *child) for child in self.children.items()]
        while rest:
            level, function, node = rest.pop()
            place = places.setdefault(function, len(places))
            numbers += (depth - level + 1, place, node.count, 0, 0, node.nanoseconds)
            depth = level
            rest += [(level + 1, *child) for child in node.children.items()]
        return calltree.Part("", list(places), calltree.numbers(numbers))


def _function(code: CodeType) -> Function:
    return code.co_filename, code.co_firstlineno, code.co_name


def _edge(row: _Row) -> Edge:
    return row.count, row.count, row.own, row.total
