"""The call tree of one profile: as it was recorded, or else reconstructed from its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reqprof.errors import BadProfile
from reqprof.tree.build import build
from reqprof.tree.recorded import decode

if TYPE_CHECKING:
    from reqprof.model import Profile
    from reqprof.tree.node import Node


def tree_of(profile: Profile) -> Node:
    """Exact where the exact engine recorded it. Raises BadProfile for a damaged tree."""
    if profile.tree is None:
        return build(profile.stats)
    try:
        return decode(profile.tree)
    except ValueError as error:
        if profile.path is None:
            raise
        raise BadProfile(profile.path, str(error)) from None
