"""Whoever in this process wants to hear of each request at its end: ``reqprof run``, to print it.

Of the process and not of a middleware: one that an app has wrapped itself in is heard as well.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reqprof.model import Request

    Listener = Callable[[Request, Path | None], object]

_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Have it called on the background thread with the facts of each request, and its profile.

    At once where a profile was stored; within a second, with None, where none was.
    """
    _listeners.append(listener)


def heard() -> bool:
    """Whether anybody listens."""
    return bool(_listeners)


def tell(request: Request, path: Path | None) -> None:
    """A request has ended. What a listener raises is its own affair."""
    for listener in _listeners:
        with suppress(Exception):
            listener(request, path)
