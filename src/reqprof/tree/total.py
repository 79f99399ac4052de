"""The sum of the trees of many profiles, as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reqprof.tree.merge import add
from reqprof.tree.node import ROOT, Node
from reqprof.tree.profile import tree_or_table

if TYPE_CHECKING:
    from reqprof.errors import BadProfile
    from reqprof.model import Profile


class Total:
    """All in one tree: a :class:`reqprof.store.reduction.Sum`.

    ``damaged`` are those whose trees or waits could not be read, of which the tables count.
    """

    def __init__(self, *, with_waits: bool = True, weighted: bool = False) -> None:
        self.tree = Node(ROOT)
        self.damaged: list[BadProfile] = []
        self._with_waits = with_waits
        self._weighted = weighted

    def add(self, profile: Profile) -> None:
        """Add the profile's tree; where ``weighted``, as often as its request's weight says."""
        add(self.tree, self._tree(profile), self._weight(profile))

    def join(self, other: Total) -> None:
        """Add what another has added up."""
        add(self.tree, other.tree)
        self.damaged += other.damaged

    def _tree(self, profile: Profile) -> Node:
        return tree_or_table(profile, self.damaged.append, with_waits=self._with_waits)

    def _weight(self, profile: Profile) -> float:
        return profile.weight if self._weighted else 1
