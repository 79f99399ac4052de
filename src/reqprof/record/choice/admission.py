"""Which requests are profiled, decided when they come."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from reqprof.record.choice.arrival import facts
from reqprof.record.choice.control import Told
from reqprof.record.choice.rules import Choice, Sampling
from reqprof.record.choice.trigger import Trigger

if TYPE_CHECKING:
    from reqprof.model import Request
    from reqprof.record.choice.arrival import Incoming
    from reqprof.record.counters import Counters
    from reqprof.record.options import Settings

COMPARED: Final = 1
"""Requests that are only measured, where there is a budget, for each one that is profiled."""

_MOST_COMPARED = 0.1  # of all


class Admission:
    """The rules before the request, of one middleware.

    ``never`` says that they choose none, ``idle`` that nothing else does so at present either;
    ``quiet`` that the process is told nothing. The last two are not known before :meth:`heed`.

    From ``reach`` on a throw of the dice chooses none but those whose trace does.
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

    def admit(self, incoming: Incoming[Any]) -> Request | None:
        """The facts of a request that is to be profiled, or ``None``."""
        if self._trigger is not None:
            request = self._triggered(incoming)
            if request is not None:
                return request
        # A callable is given the facts that are stored if it says yes; a rate needs none.
        if self._sampling.rate is None:
            request = incoming.facts()
            if not self._let_through(request):
                return None
            weight = self._weight(incoming.throw, request.trace_id, request)
            return None if weight is None else replace(request, weight=weight)
        weight = self._weight(incoming.throw, incoming.trace_id())
        if weight is None:
            return None
        request = incoming.facts(weight=weight)
        return request if self._let_through(request) else None

    def admit_as_told(self, incoming: Incoming[Any]) -> Request | None:
        """As :meth:`admit`, where the process is told something."""
        if self._told.paused:
            self._skip(incoming)
            return None
        came = incoming.arrival()
        if not any(armed.may_take(came) for armed in self._told.armed):
            return self.admit(incoming)
        request = self._triggered(incoming) or facts(came)
        if request.chosen == "trigger":
            return request
        # What no place is left for is judged as it would have been.
        may = self._choice.takes(request)
        weight = self._weight(incoming.throw, request.trace_id, request) if may else None
        if weight is None:
            return replace(request, chosen="arm")
        return replace(request, weight=weight)

    def _weight(
        self, throw: float, trace_id: str | None, request: Request | None = None
    ) -> float | None:
        return self._sampling.weight(throw, trace_id, request, self._factor)

    def _triggered(self, incoming: Incoming[Any]) -> Request | None:
        """The facts of a request with a valid token."""
        if self._trigger is None:
            return None
        valid = self._trigger.asks(incoming.header, lambda: incoming.arrival().path)
        if valid:
            return incoming.facts(chosen="trigger")
        if valid is False:
            self._counters.add("trigger_refused")
        return None

    def compared(self, incoming: Incoming[Any]) -> Request | None:
        """The facts of a request that those which are profiled are to be compared with.

        Under a rate alone: a callable is asked once, and it may well count.
        """
        rate = self.rate
        if rate is None or not self.quiet:
            return None
        if not rate <= incoming.throw < rate + _compared(rate):
            return None
        request = incoming.facts()
        return request if self._choice.takes(request) else None

    def _let_through(self, request: Request) -> bool:
        may = self._choice.takes(request)
        if not may:
            self._counters.add("skipped_rules")
        return may

    def _skip(self, incoming: Incoming[Any]) -> None:
        """Count a request that the rate would choose, or that a callable might."""
        rate = self._sampling
        if rate.rate is None or rate.weight(incoming.throw, incoming.trace_id()) is not None:
            self._counters.add("skipped_paused")


def _compared(rate: float) -> float:
    return min(_MOST_COMPARED, COMPARED * rate)
