"""Sizes as people write them: ``200MB``, ``1.5GiB``, ``64m``."""

from __future__ import annotations

import re

UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "k": 1 << 10,
    "m": 1 << 20,
    "g": 1 << 30,
    "t": 1 << 40,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "tib": 1 << 40,
}

_SIZE = re.compile(r"(\d+(?:\.\d*)?(?:e\d{1,2})?|\.\d+)\s*([a-z]*)", re.ASCII)


def parse_size(text: str) -> int:
    """Bytes from ``200MB`` (10**6), ``1.5GiB`` (2**30), ``64m`` (2**20) or a plain number.

    Raises ValueError.
    """
    found = _SIZE.fullmatch(text.strip().lower())
    if found is None or found[2] not in UNITS:
        raise ValueError(f"{text!r:.40} is no size; write 200MB, 1.5GiB, or plain bytes")
    return int(float(found[1]) * UNITS[found[2]])


def format_size(size: float) -> str:
    """Three significant digits, in a form that :func:`parse_size` takes back."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
