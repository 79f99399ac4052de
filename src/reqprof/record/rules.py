"""Which requests are profiled."""

from __future__ import annotations

import random
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from reqprof.model import Request

C = TypeVar("C")

Sample = float | Callable[["Request"], "float | bool"]


class Sampling:
    """A rate from 0 to 1, or a callable that is given the facts known at the start.

    Raises TypeError or ValueError where ``sample`` is neither.
    """

    def __init__(self, sample: Sample, chance: Callable[[], float] = random.random) -> None:
        self.rate: float | None = None if callable(sample) else _rate(sample)
        self._choose = check_callable("sample", sample) if callable(sample) else None
        self._chance = chance

    def weight(self, facts: Callable[[], Request]) -> float | None:
        """How many requests a profile of this one stands for; ``None``: not profiled.

        ``facts`` is only called where the choice depends on them.
        """
        rate = self.rate
        if rate is None:
            assert self._choose is not None
            rate = _rate(self._choose(facts()))
        if rate >= 1.0 or (rate > 0.0 and self._chance() < rate):
            return 1.0 / rate
        return None


def check_callable(name: str, choose: C) -> C:
    """The argument ``name`` itself; raises TypeError where it cannot be called and be done."""
    if not callable(choose):
        raise TypeError(f"{name} is a callable that gets a request's facts; got {choose!r}")
    if iscoroutinefunction(choose) or iscoroutinefunction(choose.__call__):
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
