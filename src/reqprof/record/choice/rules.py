"""Which requests are profiled, decided when they come."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar

from reqprof.paths import matcher

if TYPE_CHECKING:
    from reqprof.model import Request

C = TypeVar("C")

Sample = float | Callable[["Request"], "float | bool"]
Rule = str | Sequence[str] | Callable[["Request"], object]

_METHOD = re.compile(r"([A-Za-z]+)\s+(.*)", re.ASCII | re.DOTALL)
_RANDOM_BITS = 56


class Sampling:
    """A rate from 0 to 1, or a callable that is given the facts known at the start.

    Raises TypeError or ValueError where ``sample`` is neither.
    """

    def __init__(self, sample: Sample) -> None:
        self.rate: float | None = None if callable(sample) else _rate(sample)
        self._choose = check_callable("sample", sample) if callable(sample) else None

    def weight(
        self,
        throw: float,
        trace_id: str | None = None,
        request: Request | None = None,
        factor: float = 1.0,
    ) -> float | None:
        """How many requests a profile of this one stands for; ``None``: not profiled.

        ``throw`` is a random number from 0 to 1. A callable is given ``request``; a rate needs
        none. Either is multiplied by ``factor``. With a ``trace_id`` of 32 hex digits, which then
        decides, the request shares the fate of its trace in all services of the same rate.
        """
        rate = self.rate
        if rate is None:
            assert self._choose is not None
            assert request is not None
            rate = _rate(self._choose(request))
        rate *= factor
        if rate >= 1.0 or (rate > 0.0 and _falls_in(rate, throw, trace_id)):
            return 1.0 / rate
        return None


class Choice:
    """Which requests the rate is for: those that ``include`` names and ``exclude`` does not.

    A rule is a pattern of paths, a method and one such as ``"GET /orders/*"``, a sequence of those,
    or a callable that gets the facts known at the start; None is no rule. Patterns are those of
    :func:`reqprof.paths.matcher`. Raises TypeError or ValueError, naming the argument.
    """

    def __init__(self, include: Rule | None = None, exclude: Rule | None = None) -> None:
        if include is not None and not callable(include) and not include:
            raise ValueError(f"include names no request, so none is profiled; got {include!r}")
        self._include = None if include is None else _rule("include", include)
        self._exclude = None if exclude is None else _rule("exclude", exclude)

    def takes(self, request: Request) -> bool:
        """Whether the request may be profiled; what a callable raises goes through."""
        if self._include is not None and not self._include(request):
            return False
        return self._exclude is None or not self._exclude(request)


def _falls_in(rate: float, throw: float, trace_id: str | None) -> bool:
    if trace_id is None:
        return throw < rate
    # Of a trace id the last 7 bytes are random:
    # https://www.w3.org/TR/trace-context-2/#randomness-of-trace-id. The higher ones of them are
    # taken, as https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
    # has it: those of a lower rate are then among those of a higher one.
    randomness = int(trace_id[-_RANDOM_BITS // 4 :], 16)
    return randomness >= round((1.0 - rate) * (1 << _RANDOM_BITS))


def _rule(name: str, rule: Rule) -> Callable[[Request], object]:
    if callable(rule):
        return check_callable(name, rule)
    patterns = (rule,) if isinstance(rule, str) else rule
    if not isinstance(patterns, Sequence) or not all(isinstance(text, str) for text in patterns):
        raise TypeError(
            f'{name} is a pattern such as "/api/*" or "GET /api/*", a sequence of such,'
            f" or a callable; got {rule!r}"
        )
    try:
        parts = [_pattern(text) for text in patterns]
    except ValueError as error:
        raise ValueError(f"{name}={rule!r} cannot be used: {error}") from None
    return lambda request: any(
        method in ("", request.method.upper()) and path.fullmatch(request.path or "")
        for method, path in parts
    )


def _pattern(text: str) -> tuple[str, re.Pattern[str]]:
    """The method, or nothing for all, and the paths."""
    found = _METHOD.fullmatch(text)
    return ("", matcher(text)) if found is None else (found[1].upper(), matcher(found[2]))


def is_async(choose: Any) -> bool:
    """Whether calling it does nothing yet but make a coroutine."""
    return iscoroutinefunction(choose) or iscoroutinefunction(choose.__call__)


def check_callable(name: str, choose: C) -> C:
    """The argument ``name`` itself; raises TypeError where it cannot be called and be done."""
    if not callable(choose):
        raise TypeError(f"{name} is a callable that gets a request's facts; got {choose!r}")
    if is_async(choose):
        raise TypeError(f"{name} must not be async, as nothing could await it; got {choose!r}")
    return choose


def _rate(value: object) -> float:
    if not isinstance(value, (int, float)):
        raise TypeError(
            f"sample is a rate from 0 to 1, or a callable that returns one; got {value!r}"
        )
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"sample must be from 0 to 1; got {value!r}")
    return float(value)
