"""A page that profiling makes much dearer, and one that it hardly does; under a budget."""

from __future__ import annotations

import os
from typing import Any

import reqprof

BUDGET = 0.1


def leaf(depth: int) -> int:
    return 1 if depth < 2 else leaf(depth - 1) + leaf(depth - 2)


def plain(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/calls":
        leaf(9)
    else:
        sum(range(600_000))
    return [b"done"]


wsgi = reqprof.ProfilerMiddleware(
    plain, out_dir=os.environ.get("TEST_PROFILES", "profiles"), budget=BUDGET
)
