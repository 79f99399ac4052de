"""One small app for each framework: ``/books/N`` calls ``leaf`` N times."""

from __future__ import annotations

import os

OUT = os.environ.get("COMPATIBILITY_PROFILES", "profiles")


def leaf() -> None: ...


def work(times: int) -> str:
    for _ in range(times):
        leaf()
    return str(times)
