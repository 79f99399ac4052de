"""A flame graph as one static SVG: no script, nothing to load, readable in light and dark."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from reqprof.tree.compensate import is_costed, untraced
from reqprof.tree.prune import prune
from reqprof.tree.recursion import merged
from reqprof.view import names, words
from reqprof.view.drawing import MARGIN, Drawing
from reqprof.view.layout import Box, layout
from reqprof.view.scheme import scheme
from reqprof.view.trust import trust

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reqprof.tree.node import Node
    from reqprof.view.drawing import Frame

# Three elements a frame and some for the rest keep a file below 6,000.
_MOST_FRAMES = 1950
_MOST_LINES = 50
_DEEPEST = 200
_VISIBLE = 0.3  # pixels
_THINNEST = 0.01  # pixels, what coordinates are rounded to
_NARROWEST = 100.0  # pixels of the whole


def render(
    tree: Node,
    *,
    title: str = "",
    notes: Sequence[str] = (),
    width: int = 1200,
    row_height: int | None = None,
    font_size: int = 11,
    threshold: float | None = None,
    inverted: bool = False,
    colors: str = "package",
) -> str:
    """The tree as an SVG document, the root at the bottom; recursion is merged.

    ``notes`` are lines of plain facts under the title, 50 at most. ``width``, ``row_height`` and
    ``font_size`` are pixels; a row is as high as the font needs if nothing else is said.
    ``threshold`` is the percentage of the whole below which frames are merged, by default what is
    narrower than a third of a pixel. ``inverted`` has the root at the top, an icicle, as
    flamegraph.pl's option of that name. ``colors`` is one of
    :data:`reqprof.view.scheme.SCHEMES`; raises UsageError for others. However large the tree, the
    document has less than 6,000 elements.
    """
    title = title or ("Icicle graph" if inverted else "Flame graph")
    inner = max(_NARROWEST, width - 2 * MARGIN)
    whole = merged(tree)
    shown, boxes = _visible(whole, inner, threshold)
    drawing = Drawing(inner, font_size + 7 if row_height is None else row_height, font_size)
    said = _small_print(whole, shown, boxes, recursive=_frames(whole) < _frames(tree))
    lines = _wrapped(notes, drawing.columns)[:_MOST_LINES] + _wrapped([said], drawing.columns)
    colouring = scheme(colors, [box.node for box in boxes], whole.total)
    without = untraced(shown) if is_costed(whole) else {}

    def frame(box: Box) -> Frame:
        fill = None if box.node.is_rest else colouring.fill(box.node)
        told = words.facts(box.node, whole.total, without)
        return box, fill, told, words.label(box.node, drawing.room(box), whole.total)

    drawing.heading(title, lines)
    drawing.legend(colouring.legend)
    drawing.frames(map(frame, boxes), 1 + max(box.depth for box in boxes), inverted=inverted)
    return drawing.document(title, words.description(whole, lines))


def _visible(tree: Node, inner: float, threshold: float | None) -> tuple[Node, list[Box]]:
    """The tree without what is below the threshold, and the boxes of what can be seen of it."""
    share = _VISIBLE / inner if threshold is None else threshold / 100
    shown = prune(tree, min_total=tree.total * share, max_frames=_MOST_FRAMES, max_depth=_DEEPEST)
    narrowest = max(_THINNEST, 0.999 * min(_VISIBLE, inner * share))
    boxes = layout(shown, inner)
    return shown, [box for box in boxes if box.width >= narrowest or box.depth == 0]


def _frames(tree: Node) -> int:
    return sum(1 for _ in tree.walk())


def _small_print(tree: Node, shown: Node, boxes: Sequence[Box], *, recursive: bool) -> str:
    """How far the picture can be trusted, and what it does not show."""
    hatched = any(box.node.is_rest for box in boxes)
    left_out = not hatched and len(boxes) < _frames(shown)
    parts = (
        trust(tree),
        "Recursion is merged: what repeats itself on a stack is there once." if recursive else "",
        "Hatched: callees too small or too deep to show." if hatched else "",
        "Callees too small to see are left out." if left_out else "",
        "No time was recorded." if tree.total <= 0 else "",
    )
    return " ".join(part for part in parts if part)


def _wrapped(lines: Iterable[str], width: int) -> list[str]:
    return [part for line in lines for part in wrap(names.clean(line), width)]
