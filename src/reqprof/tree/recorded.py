"""The call tree that the exact engine recorded, from the bytes that it left in a profile."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from reqprof.store.facts import load_line
from reqprof.tree.node import ROOT, Node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqprof.model import Function

MAX_SIZE: Final = 64 << 20
"""Bytes without compression; 50,000 nodes take half a million."""

_MAX_NUMBER = 2**63
_MAX_LINE = 2**31
_MAX_COST = 1.0  # seconds


def decode(data: bytes) -> Node:
    """The tree of the whole request: the trees of its threads, added.

    Calls are true ones: a generator or coroutine is one call, however often it was resumed. Where
    it was sampled they are samples in which the frame was open, and those of the root all samples.
    ``overhead`` is what recording took by the calibration that the profile holds.
    Raises ValueError, saying what is wrong, for anything that the exact engine does not write.
    """
    if len(data) > MAX_SIZE:
        raise ValueError(f"its tree takes {len(data)} bytes, more than {MAX_SIZE}")
    line, newline, nodes = data.partition(b"\n")
    if not newline:
        raise ValueError("its tree has no nodes")
    head = load_line(line, "its tree")
    functions = [_function(row) for row in _list(head.get("functions"), "functions")]
    parts = [_part(row) for row in _list(head.get("parts"), "parts")]
    costs = _costs(head.get("costs"))
    if sum(size for _, size in parts) != len(nodes):
        raise ValueError("the parts of its tree do not fill their place")
    root = Node(ROOT, sampled="samples" in head)
    start = 0
    for first, size in parts:
        _grow(root, functions[first:], nodes[start : start + size], costs)
        start += size
    if root.sampled:
        root.calls = _count(head["samples"])
    root.add_up()
    return root


@dataclass(frozen=True, slots=True)
class _Costs:
    """Seconds that recording one event adds inside the function that is called, and outside."""

    python: tuple[float, float]
    resumption: tuple[float, float]
    c: tuple[float, float]
    uncounted: tuple[float, float]
    first: tuple[float, float]


def _grow(root: Node, functions: list[Function], data: bytes, costs: _Costs) -> None:
    """Add the nodes of one thread; ``total`` is left for later."""
    path = [root]
    seen: set[int] = set()
    rest = numbers(data)
    for up in rest:
        try:
            place, calls, resumed, uncounted, nanoseconds = (next(rest) for _ in range(5))
        except RuntimeError:
            raise ValueError("its tree ends within a node") from None
        if up >= len(path) or place >= len(functions):
            raise ValueError("its tree has a node that hangs nowhere, or of no function")
        del path[len(path) - up :]
        function = functions[place]
        node = path[-1].children.get(function)
        if node is None:
            node = path[-1].children[function] = Node(function, sampled=root.sampled)
        node.calls += calls
        node.self_time += nanoseconds * 1e-9
        root.calls += calls
        call = costs.c if function[0] == "~" else costs.python
        node.overhead += calls * call[0] + resumed * costs.resumption[0]
        node.overhead += uncounted * sum(costs.uncounted)
        if path[-1] is not root:
            path[-1].overhead += calls * call[1] + resumed * costs.resumption[1]
            if place not in seen and function[0] != "~":
                path[-1].overhead += costs.first[1]
        seen.add(place)
        path.append(node)


def numbers(data: bytes) -> Iterator[int]:
    """Those that the bytes of nodes hold (LEB128). Raises ValueError where they hold none."""
    number = shift = 0
    for byte in data:
        number |= (byte & 127) << shift
        if byte < 128:
            yield number
            number = shift = 0
        else:
            shift += 7
            if shift > 63:
                raise ValueError("its tree holds a number beyond 64 bits")
    if shift:
        raise ValueError("its tree ends within a number")


def _part(row: object) -> tuple[int, int]:
    if type(row) is not list or len(row) != 4:
        raise _wrong(row, "a thread's part")
    _, first, size, _ = row
    for number in (first, size):
        if type(number) is not int or not 0 <= number < _MAX_NUMBER:
            raise _wrong(number, "a place or a size")
    return first, size


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < _MAX_NUMBER:
        raise _wrong(value, "a number of samples")
    return value


def _costs(value: object) -> _Costs:
    found = value if type(value) is dict else {}
    return _Costs(**{field.name: _cost(found.get(field.name)) for field in fields(_Costs)})


def _cost(value: object) -> tuple[float, float]:
    if value is None:
        return 0.0, 0.0
    if type(value) is list and [type(cell) for cell in value] == [float, float]:
        inside, outside = value
        if 0 <= inside < _MAX_COST and 0 <= outside < _MAX_COST:
            return inside, outside
    raise _wrong(value, "a cost")


def _function(row: object) -> Function:
    if type(row) is list and [type(cell) for cell in row] == [str, int, str]:
        file, line, name = row
        if 0 <= line <= _MAX_LINE:
            return file, line, name
    raise _wrong(row, "a function")


def _list(value: object, name: str) -> list[object]:
    if type(value) is not list:
        raise _wrong(value, f"a list of {name}")
    return value


def _wrong(value: object, wanted: str) -> ValueError:
    # A plain repr of hostile nesting would be the next fault.
    return ValueError(f"its tree holds {reprlib.repr(value):.60} in place of {wanted}")
