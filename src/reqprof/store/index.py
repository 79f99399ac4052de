"""Find profiles without opening them: one append-only file of facts per process, copied from them.

The index is a cache. What it lacks is read from the profiles' own trailers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from reqprof.store.facts import dump_line, to_facts
from reqprof.store.format import SUFFIX

if TYPE_CHECKING:
    from reqprof.model import Request

FOLDER: Final = ".reqprof"
"""Inside the folder of the profiles."""

_FOREIGN = re.compile(r"[/\\\x00]")


def line(name: str, size: int, request: Request) -> bytes:
    """The index line, newline included, of the profile ``name`` of ``size`` bytes.

    Raises ValueError for a name that is a path, and for facts that are no finite numbers.
    """
    if not _is_plain(name):
        raise ValueError(f"{name!r} is not the name of a profile in the folder")
    return dump_line({"file": name, "size": size, **to_facts(request)}) + b"\n"


def _is_plain(name: str) -> bool:
    return name.endswith(SUFFIX) and not name.startswith(".") and not _FOREIGN.search(name)
