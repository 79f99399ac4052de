"""Colours for frames, the same in every picture, with text on them that can be read."""

from __future__ import annotations

from bisect import bisect_right
from hashlib import blake2b
from math import cos, radians, sin
from typing import NamedTuple

from reqprof.view.names import APP, NATIVE, STDLIB, WAIT


class Shade(NamedTuple):
    """A fill as ``#rrggbb``, on a light page and on a dark one."""

    light: str
    dark: str


INK = Shade("#1b1b1f", "#f2f2f4")
"""The text on every fill."""

PAGE = Shade("#ffffff", "#18181b")
"""What pictures are drawn on."""

HATCH = Shade("#b9b9c2", "#5a5a64")
"""The lines that fill what stands for several frames."""

# The app's own code is what a reader looks for first, so no package gets a hue near its orange.
_APP_HUE = 62.0
_FIRST_HUE = 110.0
_HUES = 270.0
# Under this salt the packages that often come together (Flask, Werkzeug, Jinja2, SQLAlchemy;
# Starlette, FastAPI, Pydantic; Django and its own) get hues far apart.
_SALT = b"29684"


def shade(package: str) -> Shade:
    """The fill for frames of a package, as :func:`reqprof.view.names.package` names it.

    The empty name is that of the frame below all others.
    """
    if not package:
        return Shade("#d9d9df", "#4a4a53")
    if package == APP:
        return Shade(oklch(0.82, 0.13, _APP_HUE), oklch(0.51, 0.11, _APP_HUE))
    if package == STDLIB:
        return Shade(oklch(0.87, 0.035, 250), oklch(0.44, 0.035, 250))
    if package == NATIVE:
        return Shade(oklch(0.91, 0.004, 250), oklch(0.36, 0.006, 250))
    if package == WAIT:
        return Shade(oklch(0.94, 0.035, 100), oklch(0.33, 0.03, 100))
    number = _number(package)
    hue = _FIRST_HUE + _HUES * (number % 4096) / 4096
    deep = number >> 12 & 1
    return Shade(
        oklch(0.84 - 0.05 * deep, 0.08 + 0.03 * deep, hue),
        oklch(0.46 - 0.04 * deep, 0.075 + 0.02 * deep, hue),
    )


def warm(name: str) -> Shade:
    """One of 32 fills from red to yellow for a name, which they say nothing about."""
    number = _number(name)
    hue, deep = 25 + 70 * (number % 16) / 15, number >> 4 & 1
    return Shade(
        oklch(0.86 - 0.07 * deep, 0.09 + 0.03 * deep, hue),
        oklch(0.48 - 0.06 * deep, 0.09 + 0.01 * deep, hue),
    )


HEAT = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1)
"""The shares, 0 to 1, from which a fill is the next stronger one."""


def heat(share: float) -> Shade:
    """The fill for a share of the time: next to none has hardly a colour, much a strong one."""
    step = bisect_right(HEAT, share) - 1
    part = max(0, step) / (len(HEAT) - 1)
    return Shade(
        oklch(0.93 - 0.25 * part, 0.008 + 0.16 * part, 25),
        oklch(0.36 + 0.16 * part, 0.006 + 0.155 * part, 25),
    )


def _number(name: str) -> int:
    digest = blake2b(name.encode("utf-8", "replace"), digest_size=4, salt=_SALT).digest()
    return int.from_bytes(digest, "big")


def oklch(lightness: float, chroma: float, hue: float) -> str:
    """The nearest sRGB colour, ``#rrggbb``; lightness and chroma 0 to 1, hue in degrees.

    Björn Ottosson, "A perceptual color space for image processing", 2020.
    """
    a, b = chroma * cos(radians(hue)), chroma * sin(radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    small = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * small,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * small,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * small,
    )
    return "#" + "".join(f"{round(255 * _gamma(part)):02x}" for part in linear)


def _gamma(linear: float) -> float:
    """The transfer function of sRGB (IEC 61966-2-1)."""
    value = min(1.0, max(0.0, linear))
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
