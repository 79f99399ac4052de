"""The call tree of one profile: as it was recorded, or else reconstructed from its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reqprof.errors import BadProfile
from reqprof.store import reader
from reqprof.tree import waits
from reqprof.tree.build import build
from reqprof.tree.recorded import decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.model import Profile
    from reqprof.tree.node import Node


def tree_of(profile: Profile, *, with_waits: bool = True) -> Node:
    """Exact where the exact engine recorded it; with the request's waits below what awaited.

    Raises BadProfile where either is damaged.
    """
    try:
        tree = build(profile.stats) if profile.tree is None else decode(profile.tree)
    except ValueError as error:
        if profile.path is None:
            raise
        raise BadProfile(profile.path, str(error)) from None
    if tree.sampled and not with_waits:
        waits.leave_out(tree)
    if with_waits and profile.timeline is not None:
        waits.hang(tree, reader.timeline(profile).waits)
    return tree


def tree_or_table(
    profile: Profile, damaged: Callable[[BadProfile], object], *, with_waits: bool = True
) -> Node:
    """As :func:`tree_of`; of its table alone where the rest is damaged, which is told then."""
    try:
        return tree_of(profile, with_waits=with_waits)
    except BadProfile as error:
        damaged(error)
        return build(profile.stats)
