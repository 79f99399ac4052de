"""From profiles to what a person asked for: the one place that calls trees and views."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from reqprof import view
from reqprof.cli import captions, request
from reqprof.cli.talk import printable, say, terminal_width
from reqprof.errors import NotFound, UsageError
from reqprof.store import stats as tables
from reqprof.tree import total as trees
from reqprof.tree.compensate import compensated, is_costed
from reqprof.tree.compensate import untraced as untraced_totals
from reqprof.tree.forest import Forest
from reqprof.tree.merge import add
from reqprof.tree.node import ROOT, Node
from reqprof.tree.profile import tree_or_table
from reqprof.view import flameprof
from reqprof.view.trust import trust

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from reqprof.errors import BadProfile
    from reqprof.model import Profile, Request, Stats

    Total = tables.Total | trees.Total

    Caption = Callable[[], tuple[str, list[str]]]
    """Title and notes, to be asked for when all profiles have passed."""

_OF_TREES = {"untraced", "no_waits"}
"""What changes the tree, and no view needs to know."""

_SIZES = {"width", "row_height", "font_size", "threshold"}

_TAKES = {
    ("svg", "reqprof"): {*_SIZES, "title", "inverted", "colors", *_OF_TREES},
    ("svg", "flameprof"): _SIZES,
    ("html", "reqprof"): {"title", "threshold", "inverted", "source", *_OF_TREES},
    ("folded", "flameprof"): {"threshold", "log_mult"},
    ("text", "reqprof"): {"title", "width", "threshold", *_OF_TREES},
    ("folded", "reqprof"): _OF_TREES,
    ("speedscope", "reqprof"): {"title", *_OF_TREES},
    ("pprof", "reqprof"): {"no_waits"},
    ("callgrind", "reqprof"): {"title"},
    ("prof", "reqprof"): set(),
}
"""The options of each format and renderer; what is not here cannot be drawn."""

SAID = {
    "untraced": "Times are without what recording added to each frame, an estimate.",
    "no_waits": "Waits are left out.",
}
"""What a picture says of itself where an option changed it."""

_NAMELESS = "profiles of other tools"


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

    @property
    def streams(self) -> bool:
        """Whether it takes the requests one by one, and not their sum."""
        return self.renderer == "reqprof" and view.FORMATS[self.form].made_of == "requests"

    @property
    def table_only(self) -> bool:
        """Whether it draws the sum of the profiles' tables, and needs nothing else of them."""
        return self.renderer == "flameprof" or view.FORMATS[self.form].made_of == "table"

    def total(self, *, weighted: bool = False) -> Callable[[], Total]:
        """What makes the sum that it can draw, still empty."""
        if self.table_only:
            return partial(tables.Total, weighted=weighted)
        how = {"with_waits": not self.options.get("no_waits"), "weighted": weighted}
        # A tree for each request, then the sum: merged edges lose which caller meant which callee.
        if view.FORMATS[self.form].made_of == "trees":
            return partial(Forest, _route, **how)
        return partial(trees.Total, **how)

    def sum(self, total: Total, caption: Caption) -> str | bytes:
        """What :meth:`total` made, when all profiles were added to it."""
        if isinstance(total, tables.Total):
            stats = tables.whole_counts(total.stats)
            if self.renderer == "flameprof":
                return self._flameprof(stats)
            return self._table(stats, caption)
        if isinstance(total, Forest):
            return self._forest(total, caption)
        return self._alone(total.tree, caption)

    def stream(
        self, profiles: Iterable[Profile], caption: Caption, count: int, *, weighted: bool = False
    ) -> str | bytes:
        """The requests one by one, of which there are about ``count``."""
        requests = (
            (profile.request, self._tree(profile, profile.weight if weighted else 1))
            for profile in profiles
        )
        return self._render(requests, comments=partial(_lines, caption), count=count)

    def one(self, profile: Profile) -> str | bytes:
        """A single profile."""
        if self.streams:
            return self.stream([profile], lambda: captions.alone(profile), 1)
        total = self.total()()
        total.add(profile)
        for error in getattr(total, "damaged", ()):
            self.damaged(error)
        return self.sum(total, lambda: captions.alone(profile))

    def frames(self, profile: Profile) -> Node:
        """The tree of a single profile."""
        return self._compensated(self._tree(profile))

    def text(self, tree: Node) -> str:
        """The tree alone, for a page that says the rest."""
        room = {"width": terminal_width()} if terminal_width() else {}
        options = {name: value for name, value in self._of_view().items() if name != "title"}
        return str(view.by_name("text")(tree, **{**room, **options}))

    def _of_view(self) -> dict[str, object]:
        return {name: value for name, value in self.options.items() if name not in _OF_TREES}

    def _render(self, matter: object, **captioned: object) -> str | bytes:
        return view.by_name(self.form)(matter, **{**captioned, **self._of_view()})

    def _table(self, stats: Stats, caption: Caption) -> str | bytes:
        if self.form == "prof":
            return self._render(stats)
        title, notes = caption()
        return self._render(stats, title=title, notes=notes)

    def _forest(self, forest: Forest, caption: Caption) -> str | bytes:
        title, notes = caption()
        whole = self._compensated(forest.tree)
        parts = {"routes": self._parts(forest.widest_routes().items())}
        if self.form == "html":
            slowest = forest.slowest()
            parts["requests"] = self._parts(
                (captions.short(facts), tree) for facts, tree in slowest
            )
        return self._render(whole, title=title, notes=self._notes(notes), **parts)

    def _parts(self, trees: Iterable[tuple[str, Node]]) -> dict[str, Node]:
        change = compensated if self.options.get("untraced") else lambda tree: tree
        return {name: change(tree) for name, tree in trees}

    def _alone(self, tree: Node, caption: Caption) -> str | bytes:
        tree = self._compensated(tree)
        title, notes = caption()
        if self.form == "folded":
            say(trust(tree))  # the format has no place for it
            return self._render(tree)
        if self.form == "text":
            lines = [str(self.options.get("title", title)), *self._notes(notes)]
            return "\n".join((*map(printable, lines), "", self.text(tree)))
        return self._render(tree, title=title, notes=self._notes(notes))

    def _notes(self, notes: list[str]) -> list[str]:
        said = [line for name, line in SAID.items() if self.options.get(name)]
        return [*notes, *said]

    def _tree(self, profile: Profile, weight: float = 1) -> Node:
        with_waits = not self.options.get("no_waits")
        tree = tree_or_table(profile, self.damaged, with_waits=with_waits)
        if weight != 1:
            tree, once = Node(ROOT), tree
            add(tree, once, weight)
        return tree

    def _compensated(self, tree: Node) -> Node:
        if not self.options.get("untraced"):
            return tree
        if not is_costed(tree):
            raise NotFound("nothing here says what recording cost each frame: leave out --untraced")
        return compensated(tree)

    def _flameprof(self, stats: Stats) -> str:
        form = "log" if self.form == "folded" else self.form
        return flameprof.render(stats, format=form, **self.options)  # type: ignore[arg-type]


def _lines(caption: Caption) -> list[str]:
    title, notes = caption()
    return [title, *notes]


def _route(facts: Request | None) -> str:
    return _NAMELESS if facts is None else request.route(facts)


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
