"""What one request owns: functions that no other request runs, and a count of their calls."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    Work = Callable[[int], None]

VARIABLE: ContextVar[int | str] = ContextVar("VARIABLE", default="not set")

PLACES = ("step", "child", "job", "after")
"""Where a request's functions run: in its task, a child, a pool thread; after the response."""

_PAIR = """
def {place}(times):
    {place}_begun.append(None)
    for _ in range(times):
        {place}_inner()

def {place}_inner():
    {place}_done.append(None)
"""
_TEXT = "".join(_PAIR.format(place=place) for place in PLACES)


class Own:
    """One request's functions, which count themselves, and what it noticed.

    ``own.child(3)`` calls ``child_inner`` three times. Their file is named after the request.
    """

    step: Work
    child: Work
    job: Work
    after: Work

    def __init__(self, number: int) -> None:
        self.number = number
        self.file = file_of(number)
        self.delay = number * 7 % 5 * 0.0004  # seconds; neighbours differ, and some have none
        self.error = LookupError(f"of request {number}")
        self.seen: list[Any] = []
        self.tasks: list[None] = []  # appended to by each child task that has begun
        self.jobs: list[None] = []  # and by each call in a pool thread
        self.ready = False  # to be cancelled
        self.cancelled = False  # by the server
        self.finished = False  # what may outlive its caller
        self.released = False  # what was to outlive the app
        self.at_end: dict[str, int] = {}  # calls that had returned when the app did, if not all
        lists: dict[str, list[None]] = {
            f"{place}_{what}": [] for place in PLACES for what in ("begun", "done")
        }
        self._lists = dict(lists)
        space: dict[str, Any] = dict(lists)
        exec(compile(_TEXT, self.file, "exec"), space)
        for place in PLACES:
            setattr(self, place, space[place])

    def counts(self) -> dict[str, int]:
        """Calls so far, by function; without those that were not called."""
        names = {"begun": "", "done": "_inner"}
        made = {
            place + suffix: len(self._lists[f"{place}_{what}"])
            for place in PLACES
            for what, suffix in names.items()
        }
        return {name: number for name, number in made.items() if number}

    def see(self, what: Any = None) -> None:
        """Note ``what``, and the context variable as it is here."""
        self.seen.append((what, VARIABLE.get()))

    async def pause(self) -> None:
        """Let others run, for a time of this request's own."""
        await anyio.sleep(self.delay)

    async def until(self, what: str) -> None:
        """Wait until the flag of this name is raised, perhaps by another thread."""
        while not getattr(self, what):
            await anyio.sleep(0.0005)


def file_of(number: int) -> str:
    """The file name of that request's functions."""
    return f"<request {number}>"
