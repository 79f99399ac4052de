"""How far a picture can be believed, and each of its frames, in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reqprof.view.figures import percent

if TYPE_CHECKING:
    from reqprof.tree.node import Node

EXACT = "All stacks are exact."
SAMPLED = (
    "Sampled from outside: the stacks are exact, calls are samples, and times are what the samples"
    " stand for."
)
_ESTIMATED = "reconstructed from caller-callee edges"


def trust(tree: Node) -> str:
    """What to tell the reader about the stacks of a tree."""
    if tree.sampled:
        return SAMPLED
    share = tree.exact_share()
    if share >= 1:
        return EXACT
    if share < 0.001:
        return (
            f"Stacks are {_ESTIMATED}: which function called which is exact, whole stacks are not."
        )
    exact = f"{min(99.9, 100 * share):.3g} % of the time is on exact stacks"
    return f"{exact}; the others are {_ESTIMATED}, an estimate."


def doubt(node: Node) -> str:
    """What to tell the reader about one frame; nothing where it is exact."""
    if node.exact:
        return ""
    if node.guessed >= 0.9995 * node.self_time:
        return "an estimate"
    return f"{percent(node.guessed, node.self_time)} of its self time is an estimate"
