"""How numbers are written: times, shares and counts, three digits of each."""

from __future__ import annotations


def seconds(value: float) -> str:
    """A time in the unit that suits it: ``1.23 s``, ``45.6 ms``, ``7.89 µs``."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size * 0.9995:
            return f"{_three(value / size)} {unit}"
    return f"{_three(value * 1e6)} µs" if value > 0 else "0 s"


def _three(value: float) -> str:
    if value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def percent(part: float, whole: float) -> str:
    """The share of the whole, ``12.3 %``; of nothing, all of it."""
    share = part / whole if whole > 0 else 1.0
    return f"{100 * share:.1f} %"


def count(value: float) -> str:
    """A number of calls, ``1,234``; an estimate below ten keeps a digit, ``0.4``."""
    if isinstance(value, int) or value >= 9.95:
        return f"{value:,.0f}"
    return f"{value:.1f}".removesuffix(".0") if value >= 0.05 else "<0.1"
