"""What a person writes to ask something of the processes that write to a folder, and takes back."""

from __future__ import annotations

import contextlib
import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from reqprof.store.control import CLAIM, FOLDER, ORDER, PAUSE, read, refuse_links
from reqprof.store.facts import dump_line
from reqprof.store.index import FOLDER as BESIDE
from reqprof.store.private import make_private, replace_private

if TYPE_CHECKING:
    from pathlib import Path

    from reqprof.store.control import Order


def place(folder: Path, order: Order) -> None:
    """Ask for what the order says. Raises OSError."""
    facts = {name: value for name, value in asdict(order).items() if value is not None}
    _put(folder, f"{order.id}.order", facts)


def withdraw(folder: Path, order: Order) -> None:
    """Take it back: from now on no request is taken for it. Raises nothing."""
    _delete(folder / FOLDER / f"{order.id}.order")


def pause(folder: Path, until: float = math.inf) -> None:
    """Ask all processes to profile nothing, until then or until :func:`resume`. Raises OSError."""
    _put(folder, PAUSE, {"until": None if until == math.inf else until})


def resume(folder: Path) -> bool:
    """Take that back; False where it was not asked. Raises OSError."""
    try:
        (folder / FOLDER / PAUSE).unlink()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def sweep(folder: Path, now: float) -> None:
    """Delete what is over: a pause, orders, and what is left of such. Raises nothing."""
    here = folder / FOLDER
    asked = read(str(here))
    if 0 < asked.paused_until <= now:
        _delete(here / PAUSE)
    kept = {order.id for order in asked.orders if order.until > now}
    kept.update(name.partition(".")[0] for name, _ in asked.refused)  # whatever it may mean
    with contextlib.suppress(OSError):
        for path in list(here.iterdir()):
            found = ORDER.fullmatch(path.name) or CLAIM.fullmatch(path.name)
            if found and found[1] not in kept:
                _delete(path)


def _put(folder: Path, name: str, facts: dict[str, object]) -> None:
    make_private(folder / BESIDE)
    refuse_links(str(folder / FOLDER))
    make_private(folder / FOLDER)
    replace_private(str(folder / FOLDER / name), dump_line(facts) + b"\n")


def _delete(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
