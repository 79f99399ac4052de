"""What a view says in words: of itself as a whole, and of each frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reqprof.tree.node import ROOT
from reqprof.view import names
from reqprof.view.figures import count, percent, seconds
from reqprof.view.fit import columns, cut, cut_left
from reqprof.view.trust import doubt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reqprof.model import Function
    from reqprof.tree.node import Node

_SHORTEST = 4  # characters of a name that was cut, fewer tell nothing
_SHORTEST_PLACE = 10  # columns of a place that was cut
_LONGEST = 300  # columns of a name or a place


def description(tree: Node, lines: Sequence[str]) -> str:
    """The picture for those who do not see it: its notes, and what took most time itself."""
    own: dict[str, float] = {}
    for _, node in tree.walk():
        if not node.is_rest:
            name = cut(names.label(node.function), _LONGEST)
            own[name] = own.get(name, 0.0) + node.self_time
    top = sorted(own, key=lambda name: (-own[name], name))[:5]
    said = ", ".join(f"{name} {percent(own[name], tree.total)}" for name in top if own[name] > 0)
    return " ".join([*lines, f"Most self time: {said}." if said else ""]).strip()


def facts(node: Node, total: float, without: Mapping[Node, float]) -> str:
    """All that is known of a frame, in lines: name, place, figures, doubts.

    ``total`` is the seconds of the whole, ``without`` those without tracing where they are known.
    """
    name = "callees too small or too deep to show" if node.is_rest else names.label(node.function)
    place = names.place(node.function)
    figures = f"total {seconds(node.total)} ({percent(node.total, total)})"
    if not node.is_rest:
        figures += f", self {seconds(node.self_time)}"
    if node.calls:
        figures += f", {count(node.calls)} {noun(node)}{'' if node.calls == 1 else 's'}"
    lines = [cut(name, _LONGEST), cut(place, _LONGEST), figures, doubt(node)]
    if node in without:
        lines.append(f"about {seconds(without[node])} without tracing")
    return "\n".join(line for line in lines if line)


def noun(node: Node) -> str:
    """What the calls of a frame are."""
    if node.sampled:
        return "sample"
    return "time" if node.is_wait else "call"


def label(node: Node, room: float, total: float) -> str:
    """The longest of a frame's names that fits into so many columns, or as much as does."""
    if node.is_rest:
        return "…" if room >= 1 else ""
    if node.function == ROOT:
        return cut(f"all  {seconds(total)}", room)
    full, name = names.label(node.function), names.short(node.function)
    if columns(full) <= room:
        return full
    return cut(name, room) if columns(name) <= room or room >= _SHORTEST else ""


def with_place(function: Function, room: int) -> str:
    """The function and as much of its place, from the right, as there is room for."""
    name, place = names.label(function), names.place(function)
    left = room - columns(name) - 3
    if place and left >= min(_SHORTEST_PLACE, columns(place)):
        return f"{name} ({cut_left(place, left)})"
    return cut(name, room)
