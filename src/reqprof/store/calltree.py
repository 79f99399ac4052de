"""An exactly recorded call tree as bytes: the section ``tree`` in the trailer of a ``.prof``.

``docs/format.md`` describes them; :mod:`reqprof.tree.recorded` reads them. Writing runs in the
served process: this module imports the standard library and nothing of the reading half.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reqprof.model import Function

SECTION: Final = "tree"


@dataclass(frozen=True, slots=True)
class Part:
    """The tree of one thread: its functions, and the nodes, which name them by their places.

    ``nodes`` holds six numbers for each node, a node before its children: how many levels to go
    up from the last one, the function, calls, resumptions, calls it made that have no node, and
    own nanoseconds. Each is written in sevens of bits, the lowest first, in bytes whose eighth
    bit says that more follow (LEB128, DWARF 5, 7.6).
    """

    thread: str
    functions: list[Function]
    nodes: bytes
    beyond: int = 0  # calls for which no node was left


def encode(
    parts: Iterable[Part],
    costs: Mapping[str, Sequence[float]],
    *,
    samples: int | None = None,
) -> bytes:
    """The section: one line of JSON in ASCII, then the nodes of all parts.

    ``costs`` are the seconds that recording one event adds to what is called and to what calls it:
    see :mod:`reqprof.record.engines.cost`. With ``samples``, so many stacks were seen, and what the
    nodes call calls are those in which they were open.
    """
    functions: list[Function] = []
    rows: list[list[object]] = []
    nodes: list[bytes] = []
    for part in parts:
        rows.append([part.thread, len(functions), len(part.nodes), part.beyond])
        functions += part.functions
        nodes.append(part.nodes)
    head: dict[str, object] = {
        "costs": {event: list(cost) for event, cost in costs.items()},
        "parts": rows,
        "functions": functions,
    }
    if samples is not None:
        head["samples"] = samples
    line = json.dumps(head, separators=(",", ":")).encode("ascii")
    return b"\n".join((line, b"".join(nodes)))


def numbers(values: Iterable[int]) -> bytes:
    """Numbers from 0 as the bytes of nodes."""
    found = bytearray()
    for value in values:
        while value > 127:
            found.append(value & 127 | 128)
            value >>= 7
        found.append(value)
    return bytes(found)
