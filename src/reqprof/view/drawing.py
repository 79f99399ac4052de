"""An SVG document that is written from the top down: heading, legend, rows of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from reqprof.view import names
from reqprof.view.colour import HATCH, INK, PAGE, Shade
from reqprof.view.fit import columns, cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reqprof.view.layout import Box

    Frame = tuple[Box, Shade | None, str, str]
    """A box with its fill, None for the hatched ones; what is told of it; its label."""

MARGIN = 10.0
# What characters take of the font size: the frames' font is monospaced, the heading's is not, and
# a sentence is narrower than as many characters of a name.
_MONOSPACED = 0.602
_PROPORTIONAL = 0.56
_PROSE = 0.5
_LARGE = 18
_SMALL = 12
_LINE = 17.0
_INDENT = 3.0  # pixels between the edge of a frame and its label

_TEXT = Shade("#1b1b1f", "#ececf0")
_MUTED = Shade("#55555f", "#aeaeb8")

_SANS = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,'DejaVu Sans',sans-serif"
_MONO = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"


class Drawing:
    """The document; ``inner`` is its width without margins, all sizes are pixels."""

    def __init__(self, inner: float, row_height: float, font_size: float) -> None:
        self.inner = inner
        self.row_height = row_height
        self.font_size = font_size
        self._y = MARGIN
        self._body: list[str] = []
        self._classes: dict[Shade, str] = {}

    def room(self, box: Box) -> float:
        """The columns of text that a frame has place for."""
        return (box.width - 2 * _INDENT) / (self.font_size * _MONOSPACED)

    @property
    def columns(self) -> int:
        """The characters of a line of the heading."""
        return max(20, int(self.inner / (_SMALL * _PROPORTIONAL)))

    def heading(self, title: str, lines: Sequence[str]) -> None:
        self._y += _LARGE
        room = self.inner / (_LARGE * _PROPORTIONAL)
        self._text(MARGIN, self._y, cut(names.clean(title), room), "t")
        self._y += 4
        for line in lines:
            self._y += _LINE
            self._text(MARGIN, self._y, line, "m")

    def legend(self, entries: Iterable[tuple[str, Shade | None]]) -> None:
        """Texts behind one another, each after a swatch of its colour where it has one."""
        x = MARGIN
        self._y += 10
        for text, shade in entries:
            swatch, each = (17, _SMALL * _PROPORTIONAL) if shade else (0, _SMALL * _PROSE)
            text = cut(text, (self.inner - swatch) / each)
            width = swatch + columns(text) * each
            if x > MARGIN and x + width > MARGIN + self.inner:
                x = MARGIN
                self._y += _LINE
            if shade:
                self._rect(x, self._y, 12, 12, self._class_of(shade))
                self._body.append("</rect>")
            self._text(x + swatch, self._y + 10.5, text, "m")
            x += width + 14
        self._y += 22

    def frames(self, frames: Iterable[Frame], rows: int, *, inverted: bool) -> None:
        """So many rows, the root's at the bottom, or at the top where ``inverted``."""
        for frame in frames:
            depth = frame[0].depth
            row = depth if inverted else rows - 1 - depth
            self._frame(frame, self._y + self.row_height * row)
        self._y += self.row_height * rows + MARGIN

    def document(self, title: str, description: str) -> str:
        """The whole of it, with a title and a description for those who do not see it."""
        width, height = self.inner + 2 * MARGIN, round(self._y)
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
        return "\n".join((*head, *self._body, "</svg>", ""))

    def _style(self) -> str:
        fixed = {".page": PAGE, "text": INK, ".t": _TEXT, ".m": _MUTED}
        shades = fixed | {f".{name}": shade for shade, name in self._classes.items()}
        light = "".join(f"{selector}{{fill:{each.light}}}" for selector, each in shades.items())
        dark = "".join(f"{selector}{{fill:{each.dark}}}" for selector, each in shades.items())
        # Dark on a screen only: paper is white.
        return (
            f"text{{font:{self.font_size}px {_MONO};pointer-events:none;white-space:pre}}"
            f".t{{font:600 {_LARGE}px {_SANS}}}.m{{font:{_SMALL}px {_SANS}}}"
            f".r{{fill:url(#rp-hatch)}}.h{{stroke:{HATCH.light};stroke-width:2}}{light}"
            f"@media screen and (prefers-color-scheme:dark){{.h{{stroke:{HATCH.dark}}}{dark}}}"
        )

    def _frame(self, frame: Frame, y: float) -> None:
        box, shade, told, label = frame
        left, right = round(MARGIN + box.x, 2), round(MARGIN + box.x + box.width, 2)
        # Thin gaps tell neighbours apart, but must not eat the small ones.
        gap, line = min(0.6, (right - left) / 4), min(1.0, self.row_height / 4)
        height = self.row_height - line
        self._rect(left, y, right - left - gap, height, self._class_of(shade) if shade else "r")
        self._body[-1] += f"<title>{escape(told)}</title></rect>"
        if label:
            self._text(left + _INDENT, y + height / 2 + self.font_size * 0.35, label, "")

    def _class_of(self, shade: Shade) -> str:
        return self._classes.setdefault(shade, f"p{len(self._classes)}")

    def _rect(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        self._body.append(
            f'<rect class="{kind}" x="{x:.7g}" y="{y:.7g}"'
            f' width="{width:.6g}" height="{height:.7g}">'
        )

    def _text(self, x: float, y: float, text: str, kind: str) -> None:
        start = f'<text class="{kind}"' if kind else "<text"
        self._body.append(f'{start} x="{x:.7g}" y="{y:.7g}">{escape(text)}</text>')
