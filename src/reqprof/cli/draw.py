"""From profiles to what a person asked for: the one place that calls trees and views."""

from __future__ import annotations

import marshal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reqprof import view
from reqprof.cli import captions
from reqprof.cli.talk import printable, terminal_width
from reqprof.errors import UsageError
from reqprof.store.stats import combine
from reqprof.tree.merge import merge
from reqprof.tree.profile import tree_of
from reqprof.view import flameprof

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from reqprof.model import Profile, Stats
    from reqprof.tree.node import Node

    Caption = Callable[[], tuple[str, list[str]]]
    """Title and notes, to be asked for when all profiles have passed."""

PSTATS_VERSION = 4
"""Of marshal, as cProfile writes it."""

_TAKES = {
    ("svg", "reqprof"): {"width", "row_height", "font_size", "threshold"},
    ("svg", "flameprof"): {"width", "row_height", "font_size", "threshold"},
    ("folded", "flameprof"): {"threshold", "log_mult"},
    ("text", "reqprof"): {"width", "threshold"},
    ("folded", "reqprof"): set(),
    ("prof", "reqprof"): set(),
}
"""The options of each format and renderer; what is not here cannot be drawn."""


@dataclass(frozen=True, slots=True)
class Pen:
    """How to draw; raises UsageError for a format or an option that the renderer lacks."""

    form: str
    renderer: str = "reqprof"
    options: Mapping[str, object] = field(default_factory=dict)

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
        tree = merge(map(tree_of, profiles))
        return self._view(tree, *caption())

    def one(self, profile: Profile) -> str | bytes:
        """A single profile."""
        if self.renderer == "flameprof":
            return self._flameprof(profile.stats)
        return self._view(tree_of(profile), *captions.alone(profile))

    def _flameprof(self, stats: Stats) -> str:
        form = "log" if self.form == "folded" else self.form
        return flameprof.render(stats, format=form, **self.options)  # type: ignore[arg-type]

    def _view(self, tree: Node, title: str, notes: list[str]) -> str | bytes:
        render = view.by_name(self.form)
        if self.form == "svg":
            return render(tree, title=title, notes=notes, **self.options)
        if self.form != "text":
            return render(tree, **self.options)
        room = {"width": terminal_width()} if terminal_width() else {}
        lines = [printable(line) for line in (title, *notes)]
        return "\n".join((*lines, "", str(render(tree, **{**room, **self.options}))))
