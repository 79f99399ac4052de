"""A request when it comes in, as its door has it, and the facts that it begins with."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from reqprof.model import MAX_METHOD, MAX_PATH, Request
from reqprof.record.choice.trigger import COOKIES, HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

A = TypeVar("A")

TRACEPARENT = "traceparent"
HEADERS = (TRACEPARENT, HEADER, COOKIES)
"""What a door is asked for: names of headers, in lower case."""

# https://www.w3.org/TR/trace-context/: later versions than 00 may add fields, ff is none.
_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a door knows of a request when it comes in."""

    kind: str
    method: str
    path: str
    traceparent: str | None
    mounted: str = ""  # what stands before the path that the app's routes are for


class Incoming(NamedTuple, Generic[A]):
    """A request that is to be chosen or not: ``raw`` is what its door was called with.

    ``arrive(raw)`` is called for those alone whose facts are needed. ``read(raw, name)`` is the
    value of one of the :data:`HEADERS`, where the request has it. ``throw`` is of the dice, a
    random number from 0 to 1.
    """

    arrive: Callable[[A], Arrival]
    read: Callable[[A, str], str | None]
    raw: A
    throw: float

    def arrival(self) -> Arrival:
        """What is known of it."""
        return self.arrive(self.raw)

    def header(self, name: str) -> str | None:
        """The value of a header, by its name in lower case."""
        return self.read(self.raw, name)

    def trace_id(self) -> str | None:
        """That of its ``traceparent``, where it has a valid one."""
        return _trace_id(self.header(TRACEPARENT))

    def facts(self, **chosen: Any) -> Request:
        """See :func:`facts`."""
        return facts(self.arrival(), **chosen)


def facts(came: Arrival, **chosen: Any) -> Request:
    """What is known of a request when it begins."""
    return Request(
        id=secrets.token_hex(6),
        kind=came.kind,
        method=came.method[:MAX_METHOD],
        path=came.path[:MAX_PATH],
        start=time.time(),
        trace_id=_trace_id(came.traceparent),
        **chosen,
    )


def _trace_id(traceparent: str | None) -> str | None:
    if traceparent is None:  # most requests have none
        return None
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (found[1] == "00" and found[3]):
        return None
    return found[2]
