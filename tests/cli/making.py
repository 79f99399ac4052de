"""Profiles to try the command on: real tables, invented facts."""

from __future__ import annotations

import cProfile
import itertools
import json
import pstats
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from reqprof.model import Request
from reqprof.store import index
from reqprof.store.caps import Caps
from reqprof.store.format import encode
from reqprof.store.traffic import Series, Tally, Window
from reqprof.store.traffic_files import TrafficFiles
from reqprof.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reqprof.model import Stats, Timeline

_numbers = itertools.count(1)

NOON = 1782907200.0
"""2026-07-01 12:00 UTC."""


def fib(number: int) -> int:
    """Recursive, so that calls and primitive calls differ."""
    return number if number < 2 else fib(number - 1) + fib(number - 2)


def work(size: int) -> None:
    """A little of everything: recursion, C functions, library code."""
    fib(size % 9)
    json.dumps([list(range(size))] * 3)
    re.compile(f"a*b{size}").match("ab")
    sorted(range(size), key=lambda value: -value)


def table(size: int = 20) -> Stats:
    """What cProfile counts of :func:`work`."""
    profile = cProfile.Profile()
    profile.enable()
    work(size)
    profile.disable()
    profile.create_stats()
    stats: Stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    return stats


def request(**facts: Any) -> Request:
    """A request with facts that pass for real, and its own id."""
    number = next(_numbers)
    usual: dict[str, Any] = {
        "id": f"{number * 0x1F2E3D4C5B % 16**12:012x}",
        "method": "GET",
        "path": "/users/17",
        "route": "/users/{id}",
        "status": 200,
        "start": NOON + number,
        "duration": 0.25,
        "total": facts.get("duration", 0.25),
        "python": "3.11.7",
        "host": "web-1",
        "pid": 42,
    }
    return Request(**{**usual, **facts})


def put(folder: Path, *, name: str | None = None, size: int = 20, **facts: Any) -> Path:
    """Write a profile of ours into the folder; its path."""
    told = request(**facts)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or f"{told.start:.0f}_{told.id}.prof")
    path.write_bytes(encode(table(size), told))
    return path


def put_waiting(
    folder: Path, timeline: Timeline | None, tree: bytes | None = None, **facts: Any
) -> Path:
    """Have a profile written as the served process does; its path."""
    told = request(**facts)
    caps = Caps(max_files=None, max_bytes=None, min_free=None)
    Writer(folder, caps).write(table(), told, None, timeline, tree)
    (path,) = folder.glob(f"*{told.id}.prof")
    return path


def put_foreign(folder: Path, name: str = "foreign.prof", size: int = 20) -> Path:
    """Write a profile as another tool does; its path."""
    profile = cProfile.Profile()
    profile.enable()
    work(size)
    profile.disable()
    folder.mkdir(parents=True, exist_ok=True)
    profile.dump_stats(folder / name)
    return folder / name


def put_damaged(folder: Path, name: str = "damaged.prof") -> Path:
    """Write a profile of ours whose trailer makes no sense any more; its path."""
    path = put(folder, name=name)
    data = bytearray(path.read_bytes())
    data[-16] ^= 0xFF  # the format's version
    path.write_bytes(data)
    return path


def put_rubbish(folder: Path, name: str = "rubbish.prof") -> Path:
    """Write a file that only its name makes a profile; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"this is no profile")
    return folder / name


def tally(
    folder: Path, durations: Sequence[float], host: str = "web-1", route: str = "/timed"
) -> None:
    """Have requests to one route tallied as a served process does that profiles none of them."""
    window = Window(host, 42, NOON, NOON + 299)
    counted = window.tallies.setdefault(Series("http", "GET", route, False, "2xx"), Tally())
    for duration in durations:
        facts = {"route": route, "duration": duration, "host": host, "engine": ""}
        counted.add(duration, partial(request, **facts))
    (folder / index.FOLDER).mkdir(exist_ok=True)
    TrafficFiles(folder).save(window, is_over=True)
