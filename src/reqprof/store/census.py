"""What a folder holds: its profiles, those of other tools apart, and the files beside them.

It is looked through again and again while the folder is in use: what was found out about a file
once is not asked again.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from io import FileIO
from typing import TYPE_CHECKING

from reqprof.store import naming
from reqprof.store.facts import from_facts
from reqprof.store.format import MAGIC, SUFFIX, tail_facts
from reqprof.store.index import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

TEMPORARY = ".reqprof-"
"""How the name of a file begins that is still being written."""

_TEMPORARY = re.compile(re.escape(TEMPORARY) + r"[0-9a-f]{12}-[0-9]+-[0-9]+")
_OURS = re.compile(
    r"[A-Za-z0-9-]+-[0-9]+-[0-9a-f]{8}\.(jsonl|times|(open\.times|status)(-[0-9a-f]{8})?)"
)
_STALE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Held:
    """A profile of a folder, or a file that serves them. ``written`` is in seconds since 1970."""

    name: str
    path: str
    size: int
    written: float


class Census:
    """Of one folder, for one thread. What vanishes while it looks is left out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # By its name, which only one file has ever had: our default names hold an id.
        self._known: dict[str, Held] = {}
        self._outcomes: dict[Held, naming.Outcome | None] = {}
        self.left_behind: list[Held] = []
        """What killed processes had begun to write, as :meth:`profiles` last saw it."""

    def profiles(self) -> list[Held]:
        """Those that have names of ours, or a trailer.

        Raises OSError where the folder cannot be listed.
        """
        known: dict[str, Held] = {}
        found: list[Held] = []
        begun: list[Held] = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX):
                    held = self._known.get(entry.name) or _held(entry)
                    if held is None:
                        continue
                    if naming.is_default(held.name):
                        known[held.name] = held
                    elif self.outcome(held) is None:
                        continue
                    found.append(held)
                elif _TEMPORARY.fullmatch(entry.name) and (held := _held(entry)) is not None:
                    begun.append(held)
        self._known = known
        late = time.time() - _STALE_SECONDS
        self.left_behind = [held for held in begun if held.written < late]
        there = set(found)
        self._outcomes = {held: it for held, it in self._outcomes.items() if held in there}
        return found

    def ours(self, profiles: list[Held]) -> list[Held]:
        """Those whose trailer says so too, for a name may lie: they may be deleted."""
        return [held for held in profiles if self.outcome(held) is not None]

    def outcome(self, held: Held) -> naming.Outcome | None:
        """How its request went; None where it is no profile of ours, whatever its name says."""
        if held not in self._outcomes:
            self._outcomes[held] = _outcome(held)
        return self._outcomes[held]

    def beside(self) -> list[Held]:
        """The index, the tallies and what else of ours serves the profiles."""
        return [held for held in self._all_beside() if _OURS.fullmatch(held.name)]

    def tallies(self) -> list[Held]:
        """Of these, the tallies of all requests."""
        return [held for held in self.beside() if ".times" in held.name]

    def size_beside(self) -> int:
        """Bytes of all that is there, control files too."""
        return sum(held.size for held in self._all_beside())

    def _all_beside(self) -> list[Held]:
        folder = self._folder / FOLDER
        if folder.is_symlink():
            return []  # whatever it leads to is not ours
        try:
            with os.scandir(folder) as entries:
                return [held for entry in entries if (held := _held(entry)) is not None]
        except OSError:
            return []  # nothing yet


def _held(entry: os.DirEntry[str]) -> Held | None:
    try:
        if not entry.is_file(follow_symlinks=False):
            return None
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return None  # another process pruned it just now
    return Held(entry.name, entry.path, status.st_size, status.st_mtime)


def remove(held: Held) -> bool:
    """Whether it was there, and ours to delete."""
    try:
        os.unlink(held.path)  # noqa: PTH108  a plain call is half the price of a Path
    except OSError:
        return False
    return True


def _outcome(held: Held) -> naming.Outcome | None:
    try:
        with FileIO(held.path) as file:
            file.seek(-len(MAGIC), os.SEEK_END)
            if file.read() != MAGIC:
                return None
            # A name of ours tells enough, now that the file has proved to be what it says.
            return naming.outcome(held.name) or _from_trailer(file)
    except OSError:  # gone, or empty
        return None


def _from_trailer(file: FileIO) -> naming.Outcome:
    try:
        facts = tail_facts(file.fileno(), os.fstat(file.fileno()).st_size)
        told = None if facts is None else naming.outcome(naming.name(from_facts(facts)))
    except ValueError:
        told = None
    return told or naming.Outcome(("", ""), 0, failed=False)  # ours, and damaged
