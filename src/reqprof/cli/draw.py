"""From profiles to what a person asked for: the one place that calls trees and views."""

from __future__ import annotations

import marshal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from reqprof import view
from reqprof.cli import captions
from reqprof.cli.talk import printable, say, terminal_width
from reqprof.errors import BadProfile, NotFound, UsageError
from reqprof.store.stats import combine
from reqprof.tree.build import build
from reqprof.tree.compensate import compensated, is_costed
from reqprof.tree.compensate import untraced as untraced_totals
from reqprof.tree.merge import merge
from reqprof.tree.profile import tree_of
from reqprof.view import flameprof
from reqprof.view.trust import trust

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from reqprof.model import Profile, Stats
    from reqprof.tree.node import Node

    Caption = Callable[[], tuple[str, list[str]]]
    """Title and notes, to be asked for when all profiles have passed."""

PSTATS_VERSION = 4
"""Of marshal, as cProfile writes it."""

_TAKES = {
    ("svg", "reqprof"): {"width", "row_height", "font_size", "threshold", "untraced", "no_waits"},
    ("svg", "flameprof"): {"width", "row_height", "font_size", "threshold"},
    ("folded", "flameprof"): {"threshold", "log_mult"},
    ("text", "reqprof"): {"width", "threshold", "untraced", "no_waits"},
    ("folded", "reqprof"): {"untraced", "no_waits"},
    ("prof", "reqprof"): set(),
}
"""The options of each format and renderer; what is not here cannot be drawn."""


UNTRACED = "Times are without what recording added to each frame, an estimate."

threshold = click.option(
    "--threshold",
    metavar="PERCENT",
    type=click.FloatRange(0, 100),
    help="Of the whole time, below which frames are not drawn.",
)
untraced = click.option(
    "--untraced",
    is_flag=True,
    default=None,
    help="Times without what recording added, an estimate that only exact trees have.",
)
no_waits = click.option(
    "--no-waits",
    is_flag=True,
    default=None,
    help="Without the time in which async requests were suspended.",
)
_OF_TREES = {"untraced", "no_waits"}
"""What changes the tree, and no view needs to know."""


@dataclass(frozen=True, slots=True)
class Pen:
    """How to draw; raises UsageError for a format or an option that the renderer lacks.

    ``damaged`` is told of profiles whose tree or waits cannot be read; their tables are drawn.
    """

    form: str
    renderer: str = "reqprof"
    options: Mapping[str, object] = field(default_factory=dict)
    damaged: Callable[[BadProfile], None] = lambda error: None

    def __post_init__(self) -> None:
        known = _TAKES.get((self.form, self.renderer))
        if known is None:
            raise UsageError(
                f"--renderer {self.renderer} cannot make {self.form}: drop one of the two"
            )
        for name in self.options:
            if name not in known:
                by = f" by {self.renderer}" if self.renderer != "reqprof" else ""
                raise UsageError(f"--{name.replace('_', '-')} means nothing to {self.form}{by}")

    def many(self, profiles: Iterable[Profile], caption: Caption) -> str | bytes:
        """All profiles added up."""
        if self.form == "prof":
            return marshal.dumps(combine(profile.stats for profile in profiles), PSTATS_VERSION)
        if self.renderer == "flameprof":
            return self._flameprof(combine(profile.stats for profile in profiles))
        # A tree for each request, then the sum: merged edges lose which caller meant which callee.
        tree = merge(map(self._tree, profiles))
        if self.form == "folded":
            say(trust(tree))  # the format has no place for it
        return self._view(tree, *caption())

    def one(self, profile: Profile) -> str | bytes:
        """A single profile."""
        if self.renderer == "flameprof":
            return self._flameprof(profile.stats)
        return self._view(self._tree(profile), *captions.alone(profile))

    def frames(self, profile: Profile) -> Node:
        """The tree of a single profile."""
        return self._compensated(self._tree(profile))

    def text(self, tree: Node) -> str:
        """The tree alone, for a page that says the rest."""
        room = {"width": terminal_width()} if terminal_width() else {}
        return str(view.by_name("text")(tree, **{**room, **self._of_view()}))

    def _of_view(self) -> dict[str, object]:
        return {name: value for name, value in self.options.items() if name not in _OF_TREES}

    def _tree(self, profile: Profile) -> Node:
        try:
            return tree_of(profile, with_waits=not self.options.get("no_waits"))
        except BadProfile as error:
            self.damaged(error)
            return build(profile.stats)

    def _compensated(self, tree: Node) -> Node:
        if not self.options.get("untraced"):
            return tree
        if not is_costed(tree):
            raise NotFound("nothing here says what recording cost each frame: leave out --untraced")
        return compensated(tree)

    def _flameprof(self, stats: Stats) -> str:
        form = "log" if self.form == "folded" else self.form
        return flameprof.render(stats, format=form, **self.options)  # type: ignore[arg-type]

    def _view(self, tree: Node, title: str, notes: list[str]) -> str | bytes:
        tree = self._compensated(tree)
        if self.options.get("untraced"):
            notes = [*notes, UNTRACED]
        if self.form == "text":
            lines = [printable(line) for line in (title, *notes)]
            return "\n".join((*lines, "", self.text(tree)))
        render = view.by_name(self.form)
        if self.form == "svg":
            return render(tree, title=title, notes=notes, **self._of_view())
        return render(tree, **self._of_view())


def as_json(tree: Node) -> dict[str, object]:
    """Every frame of a tree, parents before children, seconds in full."""
    without = untraced_totals(tree) if is_costed(tree) else {}
    return {
        "exact_share": tree.exact_share(),
        "frames": [
            {
                "depth": depth,
                "file": node.function[0],
                "line": node.function[1],
                "name": node.function[2],
                "calls": node.calls,
                "self": node.self_time,
                "total": node.total,
                "untraced": without.get(node),
                "exact": node.exact,
                "waiting": node.is_wait,
            }
            for depth, node in tree.walk()
        ],
    }
