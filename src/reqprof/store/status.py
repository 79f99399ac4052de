"""What each process that writes to a folder says of itself, in a file of its own."""

from __future__ import annotations

import contextlib
import os
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from reqprof.errors import BadProfile, NotFound
from reqprof.store.facts import MAX_MOMENT, MAX_TEXT, dump_line, load_line
from reqprof.store.index import FOLDER, process_name
from reqprof.store.private import replace_private

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX: Final = ".status"
MAX_SIZE: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What went wrong last: the counter's name, why, and when, in seconds since 1970."""

    counter: str
    why: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One middleware in one process. Times are seconds since 1970."""

    host: str
    pid: int
    started: float
    written: float
    python: str
    engine: str  # nothing before the first request that was to be profiled
    rate: float | None  # of now; None where a callable chooses
    cost: float | None = None  # share of the process's CPU in the last minute; None: not known
    timed: int  # requests that have ended, profiled or not; 0 where none are timed
    in_flight: int  # profiled ones
    stored_bytes: int
    paused: bool = False  # by reqprof pause
    counters: dict[str, int] = field(default_factory=dict)
    trouble: Trouble | None = None


class StatusFile:
    """This process's file. For the background thread alone, where the folder is there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._name = ""
        self._pid = 0

    def save(self, status: Status) -> None:
        """Replace it; raises OSError."""
        if self._pid != os.getpid():
            self._name, self._pid = process_name() + SUFFIX, os.getpid()
        path = os.path.join(self._folder, self._name)  # noqa: PTH118
        replace_private(path, dump_line(asdict(status)) + b"\n")


def read(folder: Path) -> list[Status]:
    """What the processes say, the one that began first first; what is damaged is left out."""
    from reqprof.store import reader  # only here: the served process writes, no more

    found = []
    for path in _files(folder / FOLDER):
        with contextlib.suppress(BadProfile, NotFound, ValueError):
            found.append(_from_facts(load_line(reader.contents(path, MAX_SIZE)[0], "it")))
    return sorted(found, key=lambda status: (status.started, status.pid))


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.name.endswith(SUFFIX)]
    except OSError:
        return []  # none yet


def _from_facts(facts: dict[str, Any]) -> Status:
    known = {name: facts[name] for name in _KINDS if name in facts}
    for name, value in known.items():
        if type(value) not in _KINDS[name] or (type(value) in _NUMBER and not 0 <= value <= 1e15):
            raise ValueError(f"{name} = {value!r:.40}")
    counters = known.get("counters", {})
    if not all(type(count) is int and count >= 0 for count in counters.values()):
        raise ValueError("a counter is no count")
    trouble = known.pop("trouble", None)
    try:
        return Status(**known, trouble=None if trouble is None else _trouble(trouble))
    except TypeError as error:  # something is missing
        raise ValueError(str(error)) from None


def _trouble(facts: dict[str, Any]) -> Trouble:
    texts = [facts.get("counter"), facts.get("why")]
    if not all(type(text) is str and len(text) <= MAX_TEXT for text in texts):
        raise ValueError("its trouble is no text")
    if type(facts.get("at")) not in _NUMBER or not 0 <= facts["at"] <= MAX_MOMENT:
        raise ValueError("its trouble has no time")
    return Trouble(counter=facts["counter"], why=facts["why"], at=facts["at"])


_NUMBER = (int, float)
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("host", "python", "engine"), (str,)),
    **dict.fromkeys(("pid", "timed", "in_flight", "stored_bytes"), (int,)),
    **dict.fromkeys(("started", "written"), _NUMBER),
    **dict.fromkeys(("rate", "cost"), (*_NUMBER, type(None))),
    "paused": (bool,),
    "counters": (dict,),
    "trouble": (dict, type(None)),
}
assert _KINDS.keys() == {each.name for each in fields(Status)}
