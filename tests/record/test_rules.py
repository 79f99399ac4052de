"""Which requests are profiled, and how many each of them stands for."""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.model import Request
from reqprof.record.rules import Sampling

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.recording

FACTS = Request(id="0123456789ab", method="GET", path="/users/7")


def facts() -> Request:
    return FACTS


def no_facts() -> Request:
    raise AssertionError("nobody needed the facts")


def dice(*throws: float) -> Callable[[], float]:
    return iter(throws).__next__


@pytest.mark.parametrize(
    ("rate", "throw", "weight"),
    [
        (1.0, 0.999999, 1.0),
        (1, 0.0, 1.0),
        (True, 0.5, 1.0),
        (0.25, 0.0, 4.0),
        (0.25, 0.2499, 4.0),
        (0.25, 0.25, None),
        (0.25, 0.9, None),
        (0.001, 0.0001, 1000.0),
        (0.0, 0.0, None),
        (0, 0.0, None),
        (False, 0.0, None),
    ],
)
def test_a_rate_is_the_share_of_requests_and_one_over_it_the_weight(
    rate: float, throw: float, weight: float | None
) -> None:
    found = Sampling(rate, dice(throw)).weight(no_facts)
    assert found == (None if weight is None else pytest.approx(weight))
    assert Sampling(lambda request: rate, dice(throw)).weight(facts) == found


@pytest.mark.parametrize("rate", [0, 0.0, 1, 1.0, True, False])
def test_a_sure_thing_throws_no_dice(rate: float) -> None:
    for _ in range(3):
        assert (Sampling(rate, dice()).weight(no_facts) is not None) == bool(rate)


def test_the_share_comes_out_over_many_requests() -> None:
    throws = [number / 1000 for number in range(1000)]
    sampling = Sampling(0.3, dice(*throws))
    chosen = [sampling.weight(no_facts) for _ in throws]
    assert sum(weight is not None for weight in chosen) == 300
    assert sum(weight or 0.0 for weight in chosen) == pytest.approx(1000)


def test_a_callable_sees_the_facts_once_and_each_time_anew() -> None:
    seen: list[Request] = []

    def choose(request: Request) -> float:
        seen.append(request)
        return len(seen) % 2

    sampling = Sampling(choose, dice())
    assert [sampling.weight(facts) for _ in range(4)] == [1.0, None, 1.0, None]
    assert seen == [FACTS] * 4
    assert sampling.rate is None


class Choice:
    def __call__(self, request: Request) -> bool:
        return request.path == "/users/7"

    def method(self, request: Request, path: str = "/users/7") -> bool:
        return request.path == path


@pytest.mark.parametrize(
    "choose",
    [Choice(), Choice().method, functools.partial(Choice().method, path="/users/7")],
    ids=["object", "method", "partial"],
)
def test_anything_that_can_be_called_chooses(choose: Any) -> None:
    assert Sampling(choose).weight(facts) == 1.0


@pytest.mark.parametrize("bad", [None, "1", "all", [1], Fraction(1, 2), 1j, object()])
def test_what_is_no_rate_is_refused(bad: Any) -> None:
    with pytest.raises(TypeError, match="sample is a rate from 0 to 1") as caught:
        Sampling(bad)
    assert repr(bad) in str(caught.value)
    with pytest.raises(TypeError, match="sample is a rate from 0 to 1"):
        Sampling(lambda request: bad).weight(facts)


@pytest.mark.parametrize("bad", [-0.0001, 1.0001, 2, -1, 100, math.inf, -math.inf, math.nan])
def test_a_rate_out_of_range_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="sample must be from 0 to 1") as caught:
        Sampling(bad)
    assert repr(bad) in str(caught.value)
    with pytest.raises(ValueError, match="sample must be from 0 to 1"):
        Sampling(lambda request: bad).weight(facts)


async def choose_later(request: Request) -> bool:
    return True


class ChooseLater:
    async def __call__(self, request: Request) -> bool:
        return True


@pytest.mark.parametrize(
    "bad",
    [choose_later, ChooseLater(), functools.partial(choose_later), ChooseLater().__call__],
    ids=["function", "object", "partial", "method"],
)
def test_an_async_callable_is_refused_before_anybody_forgets_to_await_it(bad: Any) -> None:
    with pytest.raises(TypeError, match="sample must not be async"):
        Sampling(bad)


def test_what_a_callable_raises_is_for_the_caller_to_keep_from_the_app() -> None:
    with pytest.raises(KeyError):
        Sampling(lambda request: float(request.labels["nothing"])).weight(facts)
