"""How far a picture can be believed, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reqprof.tree.node import Node


def trust(tree: Node) -> str:
    """What to tell the reader about the stacks of a tree; nothing where all are exact."""
    share = tree.exact_share()
    if share >= 1:
        return ""
    exact = f"{min(99.9, 100 * share):.3g} % of the time is on exact ones, the rest is an estimate."
    told = (
        exact if share >= 0.001 else "which function called which is exact, whole stacks are not."
    )
    return f"Stacks are reconstructed from caller-callee edges: {told}"
