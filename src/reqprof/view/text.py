"""The call tree as text for a terminal, widest first."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from reqprof.tree.compensate import is_costed, untraced
from reqprof.tree.prune import prune
from reqprof.view import plateaus as widest
from reqprof.view import words
from reqprof.view.figures import count, percent, seconds
from reqprof.view.fit import columns, cut_left
from reqprof.view.layout import order
from reqprof.view.trust import EXACT, trust

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqprof.tree.node import Node

_HEAD = f"{'share':>7} {'total':>8} {{}}{'self':>8} {{:>8}}  function"
_UNTRACED = f"{'untraced':>8} "
_NARROWEST = 30  # columns for guides and name, however narrow the terminal


def render(
    tree: Node,
    *,
    threshold: float = 1.0,
    max_depth: int = 60,
    max_frames: int = 400,
    width: int = 100,
    plateaus: int = 5,
) -> str:
    """The tree in lines of at most ``width`` columns: share, total, self, calls and function.

    Frames below ``threshold`` percent of the whole are added up in a line ``…``. A frame's only
    callee stands below it without indentation, marked with an arrow; where there are more, they
    branch off. Calls and times that are estimates have a ``~``; so has what the total would have
    been without tracing, where that is known. Below the tree are so many ``plateaus``, 0 for none,
    and the longest waits. The first line gives the totals, the last how far the stacks can be
    trusted.
    """
    smallest = tree.total * threshold / 100
    shown = prune(tree, min_total=smallest, max_frames=max_frames, max_depth=max_depth)
    without = untraced(shown) if is_costed(tree) else None
    lines = [_totals(tree), "", _head(tree, without)]
    for node, guides in _branches(shown, smallest):
        figures = _figures(node, tree.total, without)
        lines.append(_line(figures, node, guides, width))
    lines += widest.lines(tree, plateaus, width)
    lines += ["", *_closing(tree, width, marks=without is not None)]
    return "\n".join(lines) + "\n"


def _head(tree: Node, without: dict[Node, float] | None) -> str:
    return _HEAD.format("" if without is None else _UNTRACED, f"{words.noun(tree)}s")


def _totals(tree: Node) -> str:
    functions = {node.function for _, node in tree.walk() if node.function[0]}
    waited = sum(node.self_time for _, node in tree.walk() if node.is_wait)
    calls = f"{_many(tree.calls, words.noun(tree))} of {_many(len(functions), 'function')}"
    if waited:
        return f"{seconds(tree.total)}, {seconds(waited)} of it waiting, in {calls}"
    return f"{seconds(tree.total)} in {calls}"


def _many(number: float, noun: str) -> str:
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def _closing(tree: Node, width: int, *, marks: bool) -> list[str]:
    said = trust(tree)
    return wrap(
        f"~ is an estimate. {said}" if marks or said != EXACT else said,
        width,
        break_on_hyphens=False,
    )


def _branches(tree: Node, smallest: float) -> Iterator[tuple[Node, str]]:
    """Each frame with what is drawn before its name, parents first, the root left out."""
    waiting = _below(tree, "", smallest)
    while waiting:
        node, mark, guides = waiting.pop()
        yield node, mark
        waiting += _below(node, guides, smallest)


def _below(node: Node, guides: str, smallest: float) -> list[tuple[Node, str, str]]:
    """The children in reverse: node, what stands before its name, and before its children's."""
    children = [
        child
        for child in sorted(node.children.values(), key=order)
        if not child.is_rest or child.total >= smallest > 0
    ]
    if len(children) == 1:
        if children[0].is_rest:
            return []
        return [(children[0], f"{guides}↓ " if node.function[0] else guides, guides)]
    below = [(child, f"{guides}├ ", f"{guides}│ ") for child in children[:-1]]
    below += [(child, f"{guides}└ ", f"{guides}  ") for child in children[-1:]]
    return below[::-1]


def _figures(node: Node, whole: float, without: dict[Node, float] | None) -> str:
    guess = "" if node.exact else "~"
    total = guess + seconds(node.total)
    bare = "" if without is None else f"{'~' + seconds(without[node]):>8} "
    own = "" if node.is_rest else guess + seconds(node.self_time)
    calls = guess + count(node.calls) if node.calls else ""
    return f"{percent(node.total, whole):>7} {total:>8} {bare}{own:>8} {calls:>8}  "


def _line(figures: str, node: Node, guides: str, width: int) -> str:
    room = max(_NARROWEST, width - len(figures))
    guides = cut_left(guides, room // 2)
    return (figures + guides + _named(node, room - columns(guides))).rstrip()


def _named(node: Node, room: int) -> str:
    return "… smaller frames" if node.is_rest else words.with_place(node.function, room)
