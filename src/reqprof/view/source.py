"""Lines of code for a picture, which are put there only when a person asks for them."""

from __future__ import annotations

import ast
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from reqprof.view import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reqprof.model import Function
    from reqprof.tree.node import Node

_MOST_FUNCTIONS = 30  # whose code is looked for
_MOST_LINES = 80
_LARGEST_FILE = 2_000_000  # bytes

_Blocks = dict[tuple[int, str], list[str]]
"""The lines of each function of a file, by its first line and name."""


class Source(TypedDict):
    """A function's lines, and the number of the first."""

    first: int
    lines: list[str]


def sources(tree: Node, numbers: Mapping[Function, int]) -> dict[int, Source]:
    """The lines of the functions with the most self time, by number.

    They are read from the disk as it is now. A profile may come from anyone and name any file, or
    be older than the file is: only what is a function of that name at that line of a Python file is
    taken.
    """
    own: dict[Function, float] = {}
    for _, node in tree.walk():
        if node.function in numbers and node.function[0].endswith(".py"):
            own[node.function] = own.get(node.function, 0.0) + node.self_time
    top = sorted(own, key=lambda one: (-own[one], one))[:_MOST_FUNCTIONS]
    files = {file: _blocks(Path(file)) for file in {function[0] for function in top}}
    found: dict[int, Source] = {}
    for file, first, name in top:
        lines = files[file].get((first, name))
        if lines:
            found[numbers[file, first, name]] = {"first": first, "lines": lines}
    return found


def _blocks(path: Path) -> _Blocks:
    """None where the file cannot be had or is no Python."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_FILE:
            return {}
        with tokenize.open(path) as file:
            text = file.read()
        module = ast.parse(text)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return {}
    lines = text.splitlines()
    found: _Blocks = {}
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            first = _first_line(node)
            name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
            last = min(node.end_lineno or first, first + _MOST_LINES - 1)
            found[first, name] = [_shown(line) for line in lines[first - 1 : last]]
    return found


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> int:
    """As code objects have it: that of the first decorator, if there is any."""
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _shown(line: str) -> str:
    return names.clean(line.expandtabs(4))
