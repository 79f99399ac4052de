"""Which requests are profiled."""

from __future__ import annotations

import random
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reqprof.model import Request

Sample = float | Callable[["Request"], "float | bool"]


class Sampling:
    """A rate from 0 to 1, or a callable that is given the facts known at the start.

    Raises TypeError or ValueError where ``sample`` is neither.
    """

    def __init__(self, sample: Sample, chance: Callable[[], float] = random.random) -> None:
        if callable(sample) and _is_async(sample):
            raise TypeError(f"sample must not be async, as nothing could await it; got {sample!r}")
        self.rate: float | None = None if callable(sample) else _rate(sample)
        self._choose = sample if callable(sample) else None
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


def _is_async(choose: Any) -> bool:
    return iscoroutinefunction(choose) or iscoroutinefunction(choose.__call__)


def _rate(value: object) -> float:
    if not isinstance(value, (int, float)):
        raise TypeError(
            f"sample is a rate from 0 to 1, or a callable that returns one; got {value!r}"
        )
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"sample must be from 0 to 1; got {value!r}")
    return float(value)
