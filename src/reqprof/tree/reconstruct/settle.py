"""Bringing a grown tree back to the numbers that were measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reqprof.tree.reconstruct.growth import Growth

# A function that was reached in passing must not swallow the time of all its other frames.
_LARGEST_FACTOR = 20.0
# Sums of a sound table agree far better than this.
_ROUNDING = 1e-9


def settle(grown: Growth) -> None:
    """Scale the guessed frames so that self times add up to what was measured, in place.

    Each edge's self time (each function's, where it recurses) was measured, and a tree that was
    cut, or a cycle that was guessed, misses it. What is set right comes out of the callees that
    were not expanded. The widths of exact frames stay as they are, and so the whole is kept.
    """
    _calibrate(grown)
    _fit_below_exact(grown)
    _keep_whole(grown)


def _calibrate(grown: Growth) -> None:
    graph = grown.graph
    found: dict[tuple[bool, int], float] = {}
    keys: list[tuple[bool, int]] = []
    for edge, own in zip(grown.edge, grown.own, strict=True):
        function = graph.callee[edge]
        key = (True, function) if graph.cyclic[function] else (False, edge)
        keys.append(key)
        found[key] = found.get(key, 0.0) + own
    factors = {
        key: min(_LARGEST_FACTOR, _measured(grown, key) / own) if own > 0 else 1.0
        for key, own in found.items()
    }
    for frame, key in enumerate(keys):
        if not grown.exact[frame]:
            grown.own[frame] *= factors[key]


def _measured(grown: Growth, key: tuple[bool, int]) -> float:
    cyclic, number = key
    return grown.graph.self_time[number] if cyclic else grown.graph.edge_self[number]


def _fit_below_exact(grown: Growth) -> None:
    """Let the guessed frames below each exact one fill just what is left of its width."""
    anchors, room = _anchors(grown)
    own = dict.fromkeys(room, 0.0)
    rest = dict.fromkeys(room, 0.0)
    for frame, anchor in enumerate(anchors):
        own[anchor] += 0.0 if grown.exact[frame] else grown.own[frame]
        rest[anchor] += grown.rest[frame]
    for frame, anchor in enumerate(anchors):
        left = room[anchor] - own[anchor]
        if left > 0 and rest[anchor] > 0:
            grown.rest[frame] *= left / rest[anchor]
            continue
        grown.rest[frame] = 0.0
        if not grown.exact[frame] and own[anchor] > 0:
            grown.own[frame] *= room[anchor] / own[anchor]


def _anchors(grown: Growth) -> tuple[list[int], dict[int, float]]:
    """Each frame's nearest exact frame, itself included, and the seconds guesses fill there."""
    anchors: list[int] = []
    room = {-1: grown.graph.time}
    for frame, parent in enumerate(grown.parent):
        if grown.exact[frame]:
            anchors.append(frame)
            room[frame] = grown.width[frame] - grown.own[frame]
            below = parent
        else:
            anchors.append(anchors[parent] if parent >= 0 else -1)
            continue
        room[below] -= grown.width[frame]
    return anchors, {anchor: max(0.0, seconds) for anchor, seconds in room.items()}


def _keep_whole(grown: Growth) -> None:
    """Scale the lot where the table contradicts itself; nothing in it is exact then."""
    whole = sum(grown.own) + sum(grown.rest)
    time = grown.graph.time
    if abs(whole - time) <= _ROUNDING * time:
        return
    factor = time / whole if whole > 0 else 0.0
    grown.own = [own * factor for own in grown.own]
    grown.rest = [rest * factor for rest in grown.rest]
    grown.exact = [False] * len(grown.exact)
