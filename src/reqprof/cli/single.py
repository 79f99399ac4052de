"""A single profile as ``reqprof flame`` draws it: a picture, or folded stacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reqprof import view
from reqprof.cli import captions, gather, output
from reqprof.cli.talk import complain, say
from reqprof.tree.profile import tree_or_table
from reqprof.tree.prune import prune
from reqprof.view.figures import seconds
from reqprof.view.trust import trust

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reqprof.model import Profile
    from reqprof.tree.node import Node

_TAKEN_OVER = "another profiler took over; what came after that is not drawn"


@dataclass(frozen=True, slots=True)
class Drawing:
    """How a profile is drawn, and where to."""

    form: str  # svg or log
    path: Path | None  # None is stdout
    threshold: float  # percent of the whole time
    log_mult: int  # what a log counts in a second
    look: Mapping[str, int]  # sizes of a picture, in pixels

    def draw(self, profile: Profile, title: str = "") -> int:
        """Draw it; gives the exit status."""
        remarks = gather.Remarks()
        tree = tree_or_table(profile, remarks.table_alone)
        if _is_interrupted(profile):
            complain(_TAKEN_OVER)
        content = self._log(tree) if self.form == "log" else self._picture(tree, profile, title)
        output.deliver(content, self.path)
        if self.path is not None:
            output.wrote(self.path, f"{seconds(tree.total)} profiled")
        return remarks.status

    def _picture(self, tree: Node, profile: Profile, title: str) -> str | bytes:
        heading, notes = captions.alone(profile)
        if _is_interrupted(profile):
            notes = [*notes, f"Interrupted: {_TAKEN_OVER}."]
        return view.by_name("svg")(
            tree, title=title or heading, notes=notes, threshold=self.threshold, **self.look
        )

    def _log(self, tree: Node) -> str | bytes:
        say(trust(tree))  # the format has no place for it
        shown = prune(tree, min_total=tree.total * self.threshold / 100)
        return view.by_name("folded")(shown, unit=self.log_mult)


def _is_interrupted(profile: Profile) -> bool:
    return profile.request is not None and profile.request.interrupted
