"""The drawing of the third-party ``flameprof`` package, for those used to it."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from reqprof.errors import ReqprofError
from reqprof.view.names import clean

if TYPE_CHECKING:
    from reqprof.model import Function, Stats


def render(
    stats: Stats,
    *,
    format: str = "svg",  # noqa: A002  flameprof's own word
    width: int = 1200,
    row_height: int = 24,
    font_size: int = 12,
    threshold: float = 0.1,
    log_mult: int = 1_000_000,
) -> str:
    """The table as flameprof draws it: ``svg``, or ``log`` for its folded stacks.

    Options and defaults are those of its command, ``threshold`` in percent. Names are cleaned
    first, so that an SVG is well formed. Raises ReqprofError where flameprof is not installed and
    where it fails, as it does on tables of one function or without time, and on deep ones.
    """
    try:
        import flameprof
    except ImportError as error:
        raise ReqprofError(
            "the flameprof package is not installed: pip install flameprof"
        ) from error
    out = StringIO()
    try:
        flameprof.render(
            _cleaned(stats), out, format, threshold / 100, width, row_height, font_size, log_mult
        )
    except Exception as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ReqprofError(
            f"flameprof cannot draw this profile ({why}); reqprof's own svg can"
        ) from error
    return out.getvalue()


def _cleaned(stats: Stats) -> Stats:
    return {
        _clean(function): (*entry[:4], {_clean(f): edge for f, edge in entry[4].items()})
        for function, entry in stats.items()
    }


def _clean(function: Function) -> Function:
    file, line, name = function
    # A colon instead: a semicolon separates the frames of its folded stacks.
    return clean(file).replace(";", ":"), line, clean(name).replace(";", ":")
