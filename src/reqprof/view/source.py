"""Lines of code for a picture, which are put there only when a person asks for them."""

from __future__ import annotations

import inspect
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from reqprof.view import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reqprof.model import Function
    from reqprof.tree.node import Node

_MOST_FUNCTIONS = 30
_MOST_LINES = 80
_LARGEST_FILE = 2_000_000  # bytes


class Source(TypedDict):
    """A function's lines, and the number of the first."""

    first: int
    lines: list[str]


def sources(tree: Node, numbers: Mapping[Function, int]) -> dict[int, Source]:
    """The lines of the functions with the most self time, by number.

    They are read from the disk as it is now. Only files that end in ``.py`` are: a profile may
    come from anyone, and name any file.
    """
    own: dict[Function, float] = {}
    for _, node in tree.walk():
        if node.function[0].endswith(".py"):
            own[node.function] = own.get(node.function, 0.0) + node.self_time
    found: dict[int, Source] = {}
    for function in sorted(own, key=lambda one: (-own[one], one)):
        if len(found) == _MOST_FUNCTIONS:
            break
        lines = _lines(function) if function in numbers else []
        if lines:
            found[numbers[function]] = {"first": function[1], "lines": lines}
    return found


def _lines(function: Function) -> list[str]:
    """The function's own lines, none where they cannot be had."""
    path = Path(function[0])
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_FILE:
            return []
        with tokenize.open(path) as file:
            below = file.readlines()[max(0, function[1] - 1) :]
        block = inspect.getblock(below)
    except (OSError, ValueError, SyntaxError, tokenize.TokenError):
        return []
    return [names.clean(line.rstrip("\n").expandtabs(4)) for line in block[:_MOST_LINES]]
