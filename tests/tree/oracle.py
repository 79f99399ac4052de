"""True stacks, and the numbers that cProfile would give for them, from one trace of calls.

A trace is a list of events, each a time in seconds with the function that was entered, or None
where the innermost one was left. Both results come from the same clock readings, so that what a
tree differs in from the true one is the fault of the tree.
"""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass, field
from time import perf_counter
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple

from reqprof.tree.node import ROOT, Node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType

    from reqprof.model import Function, Stats

Event = tuple[float, "Function | None"]
Stack = tuple["Function", ...]


@dataclass(slots=True)
class Tally:
    """What ``_lsprof`` keeps of a function, or of a function under one caller.

    Only the outermost of nested activations adds to ``total`` (``_lsprof.c``, ``Stop``).
    """

    calls: int = 0
    recursive: int = 0
    self_time: float = 0.0
    total: float = 0.0
    level: int = 0

    def leave(self, own: float, elapsed: float) -> None:
        self.level -= 1
        self.calls += 1
        self.self_time += own
        if self.level == 0:
            self.total += elapsed
        else:
            self.recursive += 1


@dataclass(slots=True)
class Activation:
    function: Function
    entered: float
    stack: Stack
    inside: float = 0.0


@dataclass(slots=True)
class Truth:
    """Self seconds and calls of each stack, recursion merged, and cProfile's table."""

    self_time: dict[Stack, float] = field(default_factory=dict)
    calls: dict[Stack, int] = field(default_factory=dict)
    stats: Stats = field(default_factory=dict)


def truth(events: Iterable[Event]) -> Truth:
    """The stacks and the table of one trace; what was entered and never left is left out."""
    result = Truth()
    functions: dict[Function, Tally] = {}
    edges: dict[tuple[Function, Function], Tally] = {}
    active: list[Activation] = []
    for time, function in events:
        if function is not None:
            _enter(function, time, active, functions, edges)
        elif active:
            _leave(time, active, functions, edges, result)
    result.stats = _table(functions, edges)
    return result


def _enter(
    function: Function,
    time: float,
    active: list[Activation],
    functions: dict[Function, Tally],
    edges: dict[tuple[Function, Function], Tally],
) -> None:
    functions.setdefault(function, Tally()).level += 1
    stack: Stack = ()
    if active:
        edges.setdefault((active[-1].function, function), Tally()).level += 1
        stack = active[-1].stack
    stack = stack[: stack.index(function)] if function in stack else stack
    active.append(Activation(function, time, (*stack, function)))


def _leave(
    time: float,
    active: list[Activation],
    functions: dict[Function, Tally],
    edges: dict[tuple[Function, Function], Tally],
    result: Truth,
) -> None:
    done = active.pop()
    elapsed = time - done.entered
    own = elapsed - done.inside
    result.self_time[done.stack] = result.self_time.get(done.stack, 0.0) + own
    result.calls[done.stack] = result.calls.get(done.stack, 0) + 1
    functions[done.function].leave(own, elapsed)
    if active:
        active[-1].inside += elapsed
        edges[active[-1].function, done.function].leave(own, elapsed)


def _table(
    functions: dict[Function, Tally], edges: dict[tuple[Function, Function], Tally]
) -> Stats:
    stats: Stats = {
        function: (t.calls - t.recursive, t.calls, t.self_time, t.total, {})
        for function, t in functions.items()
        if t.calls
    }
    for (caller, callee), t in edges.items():
        if t.calls and caller in stats:
            stats[callee][4][caller] = (t.calls, t.calls - t.recursive, t.self_time, t.total)
    return stats


def as_called(events: Iterable[Event]) -> Node:
    """The tree with a frame for each call on a path, as the exact engine records it."""
    root = Node(ROOT)
    path, entered, inside = [root], [0.0], [0.0]
    for time, f in events:
        if f is not None:
            path.append(path[-1].children.setdefault(f, Node(f)))
            entered.append(time)
            inside.append(0.0)
            continue
        elapsed = time - entered.pop()
        node = path.pop()
        node.calls += 1
        root.calls += 1
        node.self_time += elapsed - inside.pop()
        inside[-1] += elapsed
    root.add_up()
    return root


def record(work: Callable[[], object]) -> list[Event]:
    """The trace of a call, C functions included, named as cProfile names them."""
    recorder = Recorder()
    return list(recorder.events(recorder.record(work)))


class Trace(NamedTuple):
    """Events in little room, so that many traces can be kept."""

    times: array[float]
    entered: array[int]  # numbers of functions, which the recorder knows; -1 where one was left


class Recorder:
    """Traces calls one after the other and keeps no object of theirs but code."""

    def __init__(self) -> None:
        self._labels: list[Function] = []
        self._number: dict[object, int] = {}
        self._code: list[CodeType] = []  # kept, for another may get the id of one that is gone

    def record(self, work: Callable[[], object]) -> Trace:
        times = array("d")
        seen: list[Any] = []

        def listen(frame: FrameType, event: str, argument: Any) -> None:
            times.append(perf_counter())
            if event == "call":
                seen.append(frame.f_code)
            else:
                seen.append(argument if event == "c_call" else None)

        sys.setprofile(listen)
        try:
            work()
        finally:
            sys.setprofile(None)
        return Trace(times, array("i", map(self._numbered, seen)))

    def events(self, trace: Trace) -> Iterator[Event]:
        for time, number in zip(trace.times, trace.entered, strict=True):
            yield time, self._labels[number] if number >= 0 else None

    def _numbered(self, what: Any) -> int:
        if what is None:
            return -1
        if isinstance(what, CodeType):
            key: object = id(what)
        else:  # bound methods are made for each call; this is all that their label tells
            key = type(what.__self__), what.__module__, what.__name__
        if key not in self._number:
            self._number[key] = len(self._labels)
            self._labels.append(label(what))
            if isinstance(what, CodeType):
                self._code.append(what)
        return self._number[key]


def label(what: Any) -> Function:
    """The pstats name of a code object or C function (``_lsprof.c``, ``normalizeUserObj``)."""
    if isinstance(what, CodeType):
        return what.co_filename, what.co_firstlineno, what.co_name
    owner = what.__self__
    if owner is None or isinstance(owner, type(sys)):
        module = what.__module__
        return "~", 0, f"<built-in method {module}.{what.__name__}>"
    method = getattr(type(owner), what.__name__, None)
    return "~", 0, repr(method) if method is not None else f"<built-in method {what.__name__}>"
