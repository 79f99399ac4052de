"""The requests that an order has had: each is a file, so that no two processes take the same place.

A file that only one can make needs no lock, which a process that is killed would keep.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final, NamedTuple

from reqprof.errors import BadProfile, NotFound
from reqprof.store.control import CLAIM
from reqprof.store.facts import dump_line, from_facts, load_line, to_facts
from reqprof.store.private import open_private

if TYPE_CHECKING:
    from pathlib import Path

    from reqprof.model import Request
    from reqprof.store.control import Order

_MAX_SIZE: Final = 1 << 20


class Claim(NamedTuple):
    """One of an order's requests, counted from 1; its file is empty until its profile is stored."""

    number: int
    path: str

    def fill(self, request: Request, file: str) -> None:
        """Say what the request was, and in which ``file`` of the folder its profile is."""
        flags = os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0)
        with contextlib.suppress(OSError):  # whoever asked no longer listens
            descriptor = os.open(self.path, flags)
            try:
                os.write(descriptor, dump_line({"file": file, **to_facts(request)}) + b"\n")
            finally:
                os.close(descriptor)

    def release(self) -> None:
        """Give it back: there is no profile of it. Raises nothing."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)  # noqa: PTH108  Python 3.12 keeps the parts of paths


class Taken(NamedTuple):
    """A request that an order has had, and the name of its profile in the folder."""

    request: Request
    file: str


def claim(folder: str, order: Order) -> Claim | None:
    """A place for one more request, or None where all are taken or the order was taken back.

    ``folder`` is that of the control files. Raises OSError where it takes no file.
    """
    for number in range(1, order.number + 1):
        made = Claim(number, os.path.join(folder, f"{order.id}.{number}"))  # noqa: PTH118
        try:
            open_private(made.path, os.O_EXCL).close()
        except FileExistsError:
            continue
        except FileNotFoundError:
            return None
        # Looked at after the claim: who takes an order back deletes it first, its claims then.
        if os.path.lexists(os.path.join(folder, f"{order.id}.order")):  # noqa: PTH118
            return made
        made.release()
        return None
    return None


def find(folder: Path, order: Order) -> dict[int, Path]:
    """The files of the requests that an order has had, by number."""
    found: dict[int, Path] = {}
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            claimed = CLAIM.fullmatch(path.name)
            if claimed and claimed[1] == order.id:
                found[int(claimed[2])] = path
    return dict(sorted(found.items()))


def read(path: Path) -> Taken | None:
    """What was stored for a claim; None where that is still to come, or makes no sense."""
    from reqprof.store import reader  # only here: the served process writes, no more

    with contextlib.suppress(BadProfile, NotFound, ValueError):
        facts = load_line(reader.contents(path, _MAX_SIZE)[0])
        file = facts.get("file")
        if type(file) is str and file and "/" not in file and "\\" not in file:
            return Taken(from_facts(facts), file)
    return None
