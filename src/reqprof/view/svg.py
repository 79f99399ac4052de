"""A flame graph as one static SVG: no script, nothing to load, readable in light and dark."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from reqprof.tree.compensate import is_costed, untraced
from reqprof.tree.node import ROOT
from reqprof.tree.prune import prune
from reqprof.view import names
from reqprof.view.colour import INK, Shade, shade
from reqprof.view.figures import count, percent, seconds
from reqprof.view.fit import columns, cut
from reqprof.view.layout import Box, layout
from reqprof.view.trust import doubt, trust

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reqprof.tree.node import Node

# Three elements a frame and some for the rest keep a file below 6,000.
_MOST_FRAMES = 1950
_DEEPEST = 200
_VISIBLE = 0.3  # pixels
_THINNEST = 0.01  # pixels, what coordinates are rounded to
_MARGIN = 10.0
_LEGEND = 9
_SHORTEST = 4  # characters of a name that was cut, fewer tell nothing
# What characters take of the font size: the frames' font is monospaced, the heading's is not.
_MONOSPACED = 0.602
_PROPORTIONAL = 0.56
_SMALL = 12
_LINE = 17.0

_PAGE = Shade("#ffffff", "#18181b")
_TEXT = Shade("#1b1b1f", "#ececf0")
_MUTED = Shade("#55555f", "#aeaeb8")
_HATCH = Shade("#b9b9c2", "#5a5a64")

_SANS = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,'DejaVu Sans',sans-serif"
_MONO = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"


def render(
    tree: Node,
    *,
    title: str = "Flame graph",
    notes: Sequence[str] = (),
    width: int = 1200,
    row_height: int = 18,
    font_size: int = 11,
    threshold: float | None = None,
) -> str:
    """The tree as an SVG document, the root at the bottom.

    ``notes`` are lines of plain facts under the title. ``width``, ``row_height`` and
    ``font_size`` are pixels; ``threshold`` is the percentage of the whole below which frames are
    merged, by default what is narrower than a third of a pixel. However large the tree, the
    document has less than 6,000 elements.
    """
    inner = max(100.0, width - 2 * _MARGIN)
    share = _VISIBLE / inner if threshold is None else threshold / 100
    smallest = tree.total * share
    shown = prune(tree, min_total=smallest, max_frames=_MOST_FRAMES, max_depth=_DEEPEST)
    narrowest = max(_THINNEST, 0.999 * min(_VISIBLE, inner * share))
    boxes = [box for box in layout(shown, inner) if box.width >= narrowest or box.depth == 0]
    legend = _legend(boxes)
    lines = _wrapped([*notes, _small_print(tree, shown)], inner)
    drawing = _Drawing(inner, row_height, font_size, tree.total)
    if is_costed(tree):
        drawing.without = untraced(shown)
    drawing.heading(title, lines)
    drawing.legend(legend)
    drawing.frames(boxes)
    return drawing.document(title, _description(tree, lines))


def _small_print(tree: Node, shown: Node) -> str:
    merged = any(node.is_rest for _, node in shown.walk())
    return " ".join(
        part
        for part in (
            trust(tree),
            "Hatched: callees too small or too deep to show." if merged else "",
            "No time was recorded." if tree.total <= 0 else "",
        )
        if part
    )


def _wrapped(lines: Iterable[str], width: float) -> list[str]:
    room = max(20, int(width / (_SMALL * _PROPORTIONAL)))
    return [part for line in lines for part in wrap(names.clean(line), room)]


def _legend(boxes: Sequence[Box]) -> list[str]:
    """The packages in the picture: the app first, then by self time, the greatest first."""
    times: dict[str, float] = {}
    for box in boxes[1:]:
        if not box.node.is_rest:
            package = names.package(box.node.function)
            times[package] = times.get(package, 0.0) + box.node.self_time
    return sorted(times, key=lambda package: (package != names.APP, -times[package], package))


def _description(tree: Node, lines: Sequence[str]) -> str:
    """The picture in words: the notes, and the functions that took most time themselves."""
    own: dict[str, float] = {}
    for _, node in tree.walk():
        if not node.is_rest:
            name = names.label(node.function)
            own[name] = own.get(name, 0.0) + node.self_time
    top = sorted(own, key=lambda name: (-own[name], name))[:5]
    said = ", ".join(f"{name} {percent(own[name], tree.total)}" for name in top if own[name] > 0)
    return " ".join([*lines, f"Most self time: {said}." if said else ""]).strip()


class _Drawing:
    """An SVG document being written from the top down."""

    def __init__(self, inner: float, row_height: int, font_size: int, total: float) -> None:
        self.inner = inner
        self.row_height = row_height
        self.font_size = font_size
        self.total = total
        self.y = _MARGIN
        self.body: list[str] = []
        self.classes: dict[str, str] = {}
        self.without: dict[Node, float] = {}  # seconds without tracing, where that is known

    def heading(self, title: str, lines: Sequence[str]) -> None:
        self.y += 18
        room = self.inner / (18 * _PROPORTIONAL)
        self._text(_MARGIN, self.y, cut(names.clean(title), room), "t")
        self.y += 4
        for line in lines:
            self.y += _LINE
            self._text(_MARGIN, self.y, line, "m")

    def legend(self, packages: Sequence[str]) -> None:
        """A swatch and a name for each package, as far as they fit on one line."""
        x = _MARGIN
        self.y += 10
        for package in packages[:_LEGEND]:
            width = 18 + columns(package) * _SMALL * _PROPORTIONAL + 14
            if x + width > self.inner:
                break
            self._rect(x, self.y, 12, 12, self._class_of(package))
            self.body.append("</rect>")
            self._text(x + 17, self.y + 10.5, package, "m")
            x += width
        self.y += 22

    def frames(self, boxes: Sequence[Box]) -> None:
        bottom = self.y + self.row_height * max(box.depth for box in boxes)
        for box in boxes:
            self._frame(box, bottom - self.row_height * box.depth)
        self.y = bottom + self.row_height + _MARGIN

    def document(self, title: str, description: str) -> str:
        width, height = self.inner + 2 * _MARGIN, round(self.y)
        size = f'width="{width:g}" height="{height}" viewBox="0 0 {width:g} {height}"'
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}',
            'role="img" aria-labelledby="rp-title rp-desc">',
            f'<title id="rp-title">{escape(names.clean(title))}</title>',
            f'<desc id="rp-desc">{escape(description)}</desc>',
            f"<style>{self._style()}</style>",
            '<defs><pattern id="rp-hatch" width="5" height="5"',
            'patternUnits="userSpaceOnUse" patternTransform="rotate(45)">',
            '<path class="h" d="M0 0V5"/></pattern></defs>',
            '<rect class="page" width="100%" height="100%"/>',
        )
        return "\n".join((*head, *self.body, "</svg>", ""))

    def _style(self) -> str:
        fixed = {".page": _PAGE, "text": INK, ".t": _TEXT, ".m": _MUTED}
        shades = fixed | {f".{name}": shade(package) for package, name in self.classes.items()}
        light = "".join(f"{selector}{{fill:{each.light}}}" for selector, each in shades.items())
        dark = "".join(f"{selector}{{fill:{each.dark}}}" for selector, each in shades.items())
        return (
            f"text{{font:{self.font_size}px {_MONO};pointer-events:none;white-space:pre}}"
            f".t{{font:600 18px {_SANS}}}.m{{font:{_SMALL}px {_SANS}}}"
            f".r{{fill:url(#rp-hatch)}}.h{{stroke:{_HATCH.light};stroke-width:2}}{light}"
            f"@media(prefers-color-scheme:dark){{.h{{stroke:{_HATCH.dark}}}{dark}}}"
        )

    def _frame(self, box: Box, y: float) -> None:
        left, right = round(_MARGIN + box.x, 2), round(_MARGIN + box.x + box.width, 2)
        # A thin gap tells neighbours apart, but must not eat the narrow ones.
        gap = min(0.6, (right - left) / 4)
        kind = "r" if box.node.is_rest else self._class_of(names.package(box.node.function))
        self._rect(left, y, right - left - gap, self.row_height - 1, kind)
        self.body[-1] += f"<title>{escape(self._facts(box.node))}</title></rect>"
        text = _fitting(box.node, (box.width - 6) / (self.font_size * _MONOSPACED), self.total)
        if text:
            baseline = y + (self.row_height - 1) / 2 + self.font_size * 0.35
            self._text(left + 3, baseline, text, "")

    def _facts(self, node: Node) -> str:
        name = (
            "callees too small or too deep to show" if node.is_rest else names.label(node.function)
        )
        facts = f"total {seconds(node.total)} ({percent(node.total, self.total)})"
        if not node.is_rest:
            facts += f", self {seconds(node.self_time)}"
        if node.calls:
            one, many = ("time", "times") if node.is_wait else ("call", "calls")
            facts += f", {count(node.calls)} {one if node.calls == 1 else many}"
        lines = [name, names.place(node.function), facts, doubt(node)]
        if node in self.without:
            lines.append(f"about {seconds(self.without[node])} without tracing")
        return "\n".join(line for line in lines if line)

    def _class_of(self, package: str) -> str:
        return self.classes.setdefault(package, f"p{len(self.classes)}")

    def _rect(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        self.body.append(
            f'<rect class="{kind}" x="{x:.7g}" y="{y:.7g}"'
            f' width="{width:.6g}" height="{height:.7g}">'
        )

    def _text(self, x: float, y: float, text: str, kind: str) -> None:
        start = f'<text class="{kind}"' if kind else "<text"
        self.body.append(f'{start} x="{x:.7g}" y="{y:.7g}">{escape(text)}</text>')


def _fitting(node: Node, room: float, total: float) -> str:
    """The longest of a frame's names that fits into so many columns, or as much as does."""
    if node.is_rest:
        return "…" if room >= 1 else ""
    if node.function == ROOT:
        return cut(f"all  {seconds(total)}", room)
    full, name = names.label(node.function), names.short(node.function)
    if columns(full) <= room:
        return full
    return cut(name, room) if columns(name) <= room or room >= _SHORTEST else ""
