"""What the colours of a picture tell: each scheme's fill for a frame, and its legend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reqprof.errors import UsageError
from reqprof.tree.node import ROOT
from reqprof.view import colour, names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reqprof.tree.node import Node
    from reqprof.view.colour import Shade

_MOST_PACKAGES = 9


@dataclass(frozen=True, slots=True)
class Scheme:
    """A fill for each frame that is no remainder, and what explains it.

    The legend is a list of texts, each with its colour or, where it is plain text, None.
    """

    fill: Callable[[Node], Shade]
    legend: list[tuple[str, Shade | None]]


def scheme(name: str, frames: Iterable[Node], total: float) -> Scheme:
    """The scheme of that name for a picture of these frames and so many seconds.

    Raises UsageError where there is none.
    """
    if name not in _SCHEMES:
        raise UsageError(f"no colours {name!r}: choose one of {', '.join(SCHEMES)}")
    return _SCHEMES[name]([node for node in frames if not node.is_rest], total)


def _by_package(frames: list[Node], total: float) -> Scheme:
    times: dict[str, float] = {}
    for node in frames:
        package = names.package(node.function)
        times[package] = times.get(package, 0.0) + node.self_time
    times.pop("", None)
    found = sorted(times, key=lambda package: (package != names.APP, -times[package], package))
    return Scheme(
        lambda node: colour.shade(names.package(node.function)),
        [(package, colour.shade(package)) for package in found[:_MOST_PACKAGES]],
    )


def _by_name(frames: list[Node], total: float) -> Scheme:
    return Scheme(
        lambda node: _fixed(node) or colour.warm(names.label(node.function)),
        [("A colour for each function, the same in every picture.", None), *_waits(frames)],
    )


def _by_self_time(frames: list[Node], total: float) -> Scheme:
    def fill(node: Node) -> Shade:
        return _fixed(node) or colour.heat(node.self_time / total if total > 0 else 0.0)

    steps = [(f"{100 * share:g} %", colour.heat(share)) for share in colour.HEAT]
    return Scheme(
        fill, [("Self time, from this share of the whole:", None), *steps, *_waits(frames)]
    )


def _fixed(node: Node) -> Shade | None:
    """The fill of what is no function, in whatever scheme."""
    if node.is_wait or node.function == ROOT:
        return colour.shade(names.package(node.function))
    return None


def _waits(frames: list[Node]) -> list[tuple[str, Shade | None]]:
    there = any(node.is_wait for node in frames)
    return [(names.WAIT, colour.shade(names.WAIT))] if there else []


_SCHEMES = {"package": _by_package, "hash": _by_name, "self": _by_self_time}

SCHEMES = tuple(_SCHEMES)
"""The names that :func:`scheme` knows: by package, by function name, by self time."""
