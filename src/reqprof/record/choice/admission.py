"""Which requests are profiled, decided when they come, and the facts that they begin with."""

from __future__ import annotations

import math
import re
import secrets
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from reqprof.model import MAX_METHOD, MAX_PATH, Request
from reqprof.record.choice.control import Told
from reqprof.record.choice.rules import Choice, Sampling
from reqprof.record.choice.trigger import COOKIES, HEADER, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.record.counters import Counters
    from reqprof.record.options import Settings

A = TypeVar("A")

TRACEPARENT = "traceparent"
HEADERS = (TRACEPARENT, HEADER, COOKIES)
"""What a door is asked for: names of headers, in lower case."""

COMPARED: Final = 1
"""Requests that are only measured, where there is a budget, for each one that is profiled."""

_MOST_COMPARED = 0.1  # of all

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


class Admission:
    """The rules before the request, of one middleware.

    ``never`` says that they choose none, ``idle`` that nothing else does so at present either;
    ``quiet`` that the process is told nothing. The last two are not known before :meth:`heed`.

    Each request comes with a throw of the dice, a random number from 0 to 1. From ``reach`` on it
    chooses none but those whose trace does.
    """

    def __init__(self, settings: Settings, counters: Counters) -> None:
        self._counters = counters
        self._sampling = Sampling(settings.sample)
        self._choice = Choice(settings.include, settings.exclude)
        self._trigger = None if settings.trigger is None else Trigger(settings.trigger)
        self._has_budget = settings.budget is not None
        self._factor = 1.0  # by which the rate is lowered, to keep a budget
        self.never = self._sampling.rate == 0.0 and self._trigger is None
        self.renew()

    def renew(self) -> None:
        """It is not known what this process is told."""
        self.idle = self.quiet = False
        self.reach = math.inf
        self._told = Told()

    def heed(self, told: Told) -> None:
        """Do as the process is told."""
        self._told = told
        self.quiet = told == Told()
        self.idle = self.never and not told.armed
        self._find_reach()

    def lower(self, factor: float) -> None:
        """Multiply the rate by ``factor``, from 0 to 1, from now on."""
        self._factor = factor
        self._find_reach()

    def _find_reach(self) -> None:
        rate = self.rate
        if rate is None or self._trigger is not None or not self.quiet:
            self.reach = math.inf
        else:
            self.reach = rate + (_compared(rate) if self._has_budget else 0.0)

    @property
    def rate(self) -> float | None:
        """Of the requests so many are profiled now; None where a callable chooses."""
        rate = self._sampling.rate
        return None if rate is None else rate * self._factor

    def admit(
        self,
        arrival: Callable[[A], Arrival],
        header: Callable[[A, str], str | None],
        raw: A,
        throw: float,
    ) -> Request | None:
        """The facts of a request that is to be profiled, or ``None``.

        ``arrival(raw)`` is called for those requests alone whose facts are needed. ``header(raw,
        name)`` is the value of one of the :data:`HEADERS`, where the request has it.
        """
        if self._trigger is not None:
            request = self._triggered(arrival, header, raw)
            if request is not None:
                return request
        # A callable is given the facts that are stored if it says yes; a rate needs none.
        if self._sampling.rate is None:
            request = facts(arrival(raw))
            if not self._let_through(request):
                return None
            weight = self._weight(throw, request.trace_id, request)
            return None if weight is None else replace(request, weight=weight)
        weight = self._weight(throw, _trace_id(header(raw, TRACEPARENT)))
        if weight is None:
            return None
        request = facts(arrival(raw), weight=weight)
        return request if self._let_through(request) else None

    def admit_as_told(
        self,
        arrival: Callable[[A], Arrival],
        header: Callable[[A, str], str | None],
        raw: A,
        throw: float,
    ) -> Request | None:
        """As :meth:`admit`, where the process is told something."""
        if self._told.paused:
            self._skip(header, raw, throw)
            return None
        came = arrival(raw)
        if not any(armed.may_take(came) for armed in self._told.armed):
            return self.admit(arrival, header, raw, throw)
        request = self._triggered(arrival, header, raw) or facts(came)
        if request.chosen == "trigger":
            return request
        # What no place is left for is judged as it would have been.
        may = self._choice.takes(request)
        weight = self._weight(throw, request.trace_id, request) if may else None
        if weight is None:
            return replace(request, chosen="arm")
        return replace(request, weight=weight)

    def _weight(
        self, throw: float, trace_id: str | None, request: Request | None = None
    ) -> float | None:
        return self._sampling.weight(throw, trace_id, request, self._factor)

    def _triggered(
        self, arrival: Callable[[A], Arrival], header: Callable[[A, str], str | None], raw: A
    ) -> Request | None:
        """The facts of a request with a valid token."""
        if self._trigger is None:
            return None
        valid = self._trigger.asks(partial(header, raw), lambda: arrival(raw).path)
        if valid:
            return facts(arrival(raw), chosen="trigger")
        if valid is False:
            self._counters.add("trigger_refused")
        return None

    def compared(self, arrival: Callable[[A], Arrival], raw: A, throw: float) -> Request | None:
        """The facts of a request that those which are profiled are to be compared with.

        Under a rate alone: a callable is asked once, and it may well count.
        """
        rate = self.rate
        if rate is None or not self.quiet or not rate <= throw < rate + _compared(rate):
            return None
        request = facts(arrival(raw))
        return request if self._choice.takes(request) else None

    def _let_through(self, request: Request) -> bool:
        may = self._choice.takes(request)
        if not may:
            self._counters.add("skipped_rules")
        return may

    def _skip(self, header: Callable[[A, str], str | None], raw: A, throw: float) -> None:
        """Count a request that the rate would choose, or that a callable might."""
        rate = self._sampling
        if rate.rate is None or rate.weight(throw, _trace_id(header(raw, TRACEPARENT))) is not None:
            self._counters.add("skipped_paused")


def _compared(rate: float) -> float:
    return min(_MOST_COMPARED, COMPARED * rate)


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
