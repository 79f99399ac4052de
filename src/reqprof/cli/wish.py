"""The output options, the same on every command that draws: format, file, and how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from reqprof.errors import UsageError
from reqprof.view import FORMATS
from reqprof.view.scheme import SCHEMES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person wants drawn; ``options`` are those given of how, by name."""

    form: str | None = None  # None leaves it to the file's extension
    out: str | None = None
    renderer: str = "reqprof"
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_picture(self) -> bool:
        """Whether it is one at all: by its format, its file or its renderer."""
        return self.form is not None or self.out is not None or self.renderer != "reqprof"


def _flag(name: str) -> Callable[[Any], Any]:
    return click.option(f"--{name}", is_flag=True, help=FORMATS[name].purpose)


def count(name: str, text: str, default: int | None = None) -> Callable[[Any], Any]:
    """An option that is a number from 1 on."""
    return click.option(
        name,
        metavar="N",
        type=click.IntRange(min=1),
        default=default,
        show_default=default is not None,
        help=text,
    )


def threshold(text: str, default: float | None = None) -> Callable[[Any], Any]:
    """The option that says what is too small to be drawn."""
    return click.option(
        "--threshold",
        metavar="PERCENT",
        type=_Percent(0, 100),
        default=default,
        show_default=default is not None,
        help=text,
    )


class _Percent(click.FloatRange):
    """Which takes no NaN, though that is beyond no limit."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        number: float = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"{value!r} is no number.", param, ctx)
        return number


def _switch(name: str, text: str) -> Callable[[Any], Any]:
    return click.option(name, is_flag=True, default=None, help=text)


OPTIONS = (
    *(_flag(name) for name in FORMATS),
    click.option("-o", "out", metavar="FILE", help="Where to; - is stdout."),
    click.option(
        "--renderer",
        type=click.Choice(["reqprof", "flameprof"]),
        default="reqprof",
        show_default=True,
        help="flameprof draws --svg and --folded as its own command does, from added profiles.",
    ),
    click.option("--title", metavar="TEXT", help="The headline, instead of what was read."),
    count("--width", "Pixels of a picture, columns of text."),
    count("--row-height", "Pixels of a frame in an SVG."),
    count("--font-size", "Pixels, in an SVG."),
    threshold("Of the whole time, below which frames are not drawn."),
    _switch("--inverted", "An icicle: the root above, what it called below."),
    click.option(
        "--colors",
        type=click.Choice(SCHEMES),
        help="Of an SVG: by package, by name, or by self time.  [default: package]",
    ),
    _switch("--source", "Put the code of the top functions into the HTML, as it is on this disk."),
    _switch("--untraced", "Times without what recording added, by an estimate of exact trees."),
    _switch("--no-waits", "Without the time in which async requests were suspended."),
    count(
        "--log-mult",
        "What flameprof's folded stacks count in a second, 1000000 if not given.",
    ),
)

_HOW = (
    "title",
    "width",
    "row_height",
    "font_size",
    "threshold",
    "inverted",
    "colors",
    "source",
    "untraced",
    "no_waits",
    "log_mult",
)


def wishes(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the output options to a command, which gets them as one ``wish``."""

    @wraps(command)
    def with_wish(**options: Any) -> Any:
        forms = [name for name in FORMATS if options.pop(name)]
        if len(forms) > 1:
            raise UsageError(f"{' and '.join('--' + name for name in forms)}: give one of them")
        given = {name: options.pop(name) for name in _HOW}
        wish = Wish(
            form=forms[0] if forms else None,
            out=options.pop("out"),
            renderer=options.pop("renderer"),
            options={name: value for name, value in given.items() if value is not None},
        )
        return command(**options, wish=wish)

    for option in reversed(OPTIONS):
        option(with_wish)
    return with_wish
