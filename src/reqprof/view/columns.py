"""Trees as columns of numbers over one list of functions, which is how the HTML page takes them."""

from __future__ import annotations

from posixpath import commonpath
from string import ascii_lowercase, ascii_uppercase, digits
from typing import TYPE_CHECKING

from reqprof.tree.node import REST, ROOT, WAITING
from reqprof.view import names
from reqprof.view.colour import shade
from reqprof.view.layout import order
from reqprof.view.whole import nanosecond

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reqprof.model import Function
    from reqprof.tree.node import Node

_DIGITS = f"{ascii_uppercase}{ascii_lowercase}{digits}+/"

_KINDS = {
    names.APP: "app",
    names.STDLIB: "stdlib",
    names.NATIVE: "C",
    names.GENERATED: "generated",
    names.WAIT: "wait",
}


class Functions:
    """The functions of all trees, each once, numbered as they come."""

    def __init__(self) -> None:
        self.numbers: dict[Function, int] = {}
        self.packages: dict[tuple[str, str], int] = {}  # by name and kind

    def number(self, function: Function) -> int:
        """The function's place in the list."""
        return self.numbers.setdefault(function, len(self.numbers))

    def columns(self) -> dict[str, list[object]]:
        """Names, places and packages, by number."""
        self.number(REST)  # which the page makes itself where it cuts
        home = names.clean(_home(self.numbers))
        return {
            "label": [names.label(function) for function in self.numbers],
            "short": [names.short(function) for function in self.numbers],
            "place": [names.place(function).removeprefix(home) for function in self.numbers],
            "where": [_where(function) for function in self.numbers],
            "package": [self._package(function) for function in self.numbers],
        }

    def package_list(self) -> list[dict[str, str]]:
        """Each package with its kind and its colours, by number; to be asked for last."""
        return [
            {"name": name, "kind": kind, "light": shade(name).light, "dark": shade(name).dark}
            for name, kind in self.packages
        ]

    def _package(self, function: Function) -> int:
        name = names.package(function)
        key = (name, _kind(function, name))
        return self.packages.setdefault(key, len(self.packages))


def _home(functions: Iterable[Function]) -> str:
    """The folder that all of the app's own files are in, which need not be told of each."""
    files = {function[0] for function in functions if names.package(function) == names.APP}
    folders = {file.rpartition("/")[0] or "/" for file in files if file.startswith("/")}
    shared = commonpath(folders) if folders else ""
    return f"{shared}/" if len(shared) > 1 else ""


def _kind(function: Function, package: str) -> str:
    if function in (ROOT, REST):
        return "root" if function == ROOT else "rest"
    if package in _KINDS:
        return _KINDS[package]
    return "framework" if package.lower() in names.FRAMEWORKS else "package"


def _where(function: Function) -> str:
    """The whole path with the line, for copying; nothing for what is in no file."""
    if function[0] == "~" or function in (ROOT, REST, WAITING):
        return ""
    return names.clean(f"{function[0]}:{function[1]}")


def columns(tree: Node, functions: Functions) -> dict[str, int | str | list[float]]:
    """The frames, parents before children and siblings widest first; times in nanoseconds.

    ``size`` is how many they are, ``ends`` how many frames end just before each. ``doubt`` is 0 for
    an exact frame, and else one more than the thousandths of its self time that are an estimate. It
    and ``added``, what recording added, are left out where they are all 0. Each column is packed,
    but ``calls`` where they are estimates.
    """
    found: dict[str, list[float]] = {
        name: [] for name in ("ends", "fn", "self", "calls", "doubt", "added")
    }
    before = -1
    for depth, node in _widest_first(tree):
        found["ends"].append(before + 1 - depth)
        before = depth
        found["fn"].append(functions.number(node.function))
        found["self"].append(nanosecond(node.self_time))
        found["calls"].append(
            node.calls if isinstance(node.calls, int) else float(f"{node.calls:.6g}")
        )
        found["doubt"].append(_doubt(node))
        found["added"].append(nanosecond(node.overhead))
    for name in ("doubt", "added"):
        if not any(found[name]):
            del found[name]
    return {"size": len(found["fn"]), **{name: _packed(each) for name, each in found.items()}}


def _packed(numbers: list[float]) -> str | list[float]:
    """Whole numbers as text, which a page reads three times as fast as a list of them.

    Each is written in base 32, least first, with the digits of base64 (RFC 4648, section 4), of
    which the upper half say that more follow: the variable-length quantities of source maps
    (ECMA-426), but without a sign.
    """
    whole = [number for number in numbers if isinstance(number, int) and number >= 0]
    return "".join(map(_quantity, whole)) if len(whole) == len(numbers) else numbers


def _quantity(number: int) -> str:
    found = ""
    while number > 31:
        found += _DIGITS[32 | number & 31]
        number >>= 5
    return found + _DIGITS[number]


def _widest_first(tree: Node) -> Iterator[tuple[int, Node]]:
    waiting = [(0, tree)]
    while waiting:
        depth, node = waiting.pop()
        yield depth, node
        children = sorted(node.children.values(), key=order, reverse=True)
        waiting.extend((depth + 1, child) for child in children)


def _doubt(node: Node) -> int:
    if node.exact:
        return 0
    share = node.guessed / node.self_time if node.self_time > 0 else 1.0
    return 1 + round(1000 * min(1.0, share))
