"""Which requests are profiled, and how many each of them stands for."""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqprof.model import Request
from reqprof.record.choice.rules import Choice, Sampling

pytestmark = pytest.mark.recording

FACTS = Request(id="0123456789ab", method="GET", path="/users/7")


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
    found = Sampling(rate).weight(throw)
    assert found == (None if weight is None else pytest.approx(weight))
    assert Sampling(lambda request: rate).weight(throw, request=FACTS) == found


@pytest.mark.parametrize("rate", [0.5, 1.0])
@pytest.mark.parametrize("factor", [1.0, 0.5, 0.001])
def test_a_factor_lowers_the_rate_and_raises_the_weight(rate: float, factor: float) -> None:
    for sample in (rate, lambda request: rate):
        sampling, edge = Sampling(sample), rate * factor
        if edge < 1.0:
            assert sampling.weight(edge * 0.999, None, FACTS, factor) == pytest.approx(1 / edge)
            assert sampling.weight(edge * 1.001, None, FACTS, factor) is None
        else:
            assert sampling.weight(0.999999, None, FACTS, factor) == 1.0


@pytest.mark.parametrize("rate", [0, 0.0, 1, 1.0, True, False])
def test_a_sure_thing_heeds_no_dice(rate: float) -> None:
    for throw in (0.0, 0.5, math.nextafter(1.0, 0.0)):
        assert (Sampling(rate).weight(throw) is not None) == bool(rate)


def test_the_share_comes_out_over_many_requests() -> None:
    throws = [number / 1000 for number in range(1000)]
    chosen = [Sampling(0.3).weight(throw) for throw in throws]
    assert sum(weight is not None for weight in chosen) == 300
    assert sum(weight or 0.0 for weight in chosen) == pytest.approx(1000)


def test_a_callable_sees_the_facts_once_and_each_time_anew() -> None:
    seen: list[Request] = []

    def choose(request: Request) -> float:
        seen.append(request)
        return len(seen) % 2

    sampling = Sampling(choose)
    assert [sampling.weight(0.5, request=FACTS) for _ in range(4)] == [1.0, None, 1.0, None]
    assert seen == [FACTS] * 4
    assert sampling.rate is None


class Chooser:
    def __call__(self, request: Request) -> bool:
        return request.path == "/users/7"

    def method(self, request: Request, path: str = "/users/7") -> bool:
        return request.path == path


@pytest.mark.parametrize(
    "choose",
    [Chooser(), Chooser().method, functools.partial(Chooser().method, path="/users/7")],
    ids=["object", "method", "partial"],
)
def test_anything_that_can_be_called_chooses(choose: Any) -> None:
    assert Sampling(choose).weight(0.5, request=FACTS) == 1.0


@pytest.mark.parametrize("bad", [None, "1", "all", [1], Fraction(1, 2), 1j, object()])
def test_what_is_no_rate_is_refused(bad: Any) -> None:
    with pytest.raises(TypeError, match="sample is a rate from 0 to 1") as caught:
        Sampling(bad)
    assert repr(bad) in str(caught.value)
    with pytest.raises(TypeError, match="sample is a rate from 0 to 1"):
        Sampling(lambda request: bad).weight(0.5, request=FACTS)


@pytest.mark.parametrize("bad", [-0.0001, 1.0001, 2, -1, 100, math.inf, -math.inf, math.nan])
def test_a_rate_out_of_range_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="sample must be from 0 to 1") as caught:
        Sampling(bad)
    assert repr(bad) in str(caught.value)
    with pytest.raises(ValueError, match="sample must be from 0 to 1"):
        Sampling(lambda request: bad).weight(0.5, request=FACTS)


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
        Sampling(lambda request: float(request.labels["nothing"])).weight(0.5, request=FACTS)


def trace(randomness: float) -> str:
    """A trace id of that share of the highest randomness."""
    return "f" * 18 + f"{int(randomness * 2**56):014x}"


class TestTraces:
    @pytest.mark.parametrize(
        ("rate", "trace_id", "weight"),
        [
            # the thresholds that OpenTelemetry's specification gives for these rates
            (0.5, "f" * 18 + "80000000000000", 2.0),
            (0.5, "f" * 18 + "7fffffffffffff", None),
            (0.25, "0" * 18 + "c0000000000000", 4.0),
            (0.25, "f" * 18 + "bfffffffffffff", None),
            (0.01, trace(0.9901), 100.0),
            (0.01, trace(0.9899), None),
            (1.0, "1" + "0" * 31, 1.0),
            (0.0, "f" * 32, None),
        ],
    )
    def test_the_last_seven_bytes_decide(
        self, rate: float, trace_id: str, weight: float | None
    ) -> None:
        found = Sampling(rate).weight(0.5, trace_id)
        assert found == (None if weight is None else pytest.approx(weight))
        assert Sampling(lambda request: rate).weight(0.5, trace_id, FACTS) == found

    @given(st.integers(1, 2**128 - 1), st.floats(0, 1, exclude_min=True), st.floats(0, 1))
    def test_a_service_with_a_higher_rate_has_all_traces_of_one_with_a_lower(
        self, number: int, one: float, other: float
    ) -> None:
        low, high = sorted([one, other])
        trace_id = f"{number:032x}"
        if Sampling(low).weight(0.5, trace_id) is not None:
            assert Sampling(high).weight(0.5, trace_id) is not None

    def test_the_share_comes_out_over_many_traces(self) -> None:
        sampling, random = Sampling(0.1), Random(1)
        chosen = [sampling.weight(0.5, f"{random.getrandbits(128):032x}") for _ in range(10_000)]
        assert sum(weight is not None for weight in chosen) == pytest.approx(1000, rel=0.1)


def asked(method: str = "GET", path: str | None = "/orders/17") -> Request:
    return Request(id="0123456789ab", method=method, path=path)


class TestChoice:
    @pytest.mark.parametrize(
        ("include", "exclude", "request_", "takes"),
        [
            (None, None, asked(), True),
            ("/orders/*", None, asked(), True),
            ("/orders/{id}", None, asked(), True),
            ("/users/*", None, asked(), False),
            ("GET /orders/*", None, asked(), True),
            ("get  /orders/*", None, asked(), True),
            ("POST /orders/*", None, asked(), False),
            ("GET /orders/*", None, asked("get"), True),
            ("WEBSOCKET *", None, asked("WEBSOCKET"), True),
            (["/users/*", "POST /orders/*"], None, asked("POST"), True),
            (("/users/*", "POST /orders/*"), None, asked("GET"), False),
            (lambda request: request.path == "/orders/17", None, asked(), True),
            (lambda request: None, None, asked(), False),
            ("*", None, asked(path=None), True),
            (None, "/orders/*", asked(), False),
            (None, "/health", asked(), True),
            (None, [], asked(), True),
            (None, ["/health", "OPTIONS *"], asked("OPTIONS"), False),
            (None, lambda request: request.method == "GET", asked(), False),
            ("/orders/*", "/orders/1*", asked(), False),
            ("/orders/*", "/orders/2*", asked(), True),
            ("/users/*", "/orders/2*", asked(), False),
        ],
    )
    def test_included_and_not_excluded(
        self, include: Any, exclude: Any, request_: Request, takes: bool
    ) -> None:
        assert Choice(include, exclude).takes(request_) is takes

    @pytest.mark.parametrize("name", ["include", "exclude"])
    @pytest.mark.parametrize(
        "bad", ["orders", " ", "GET", "GET orders", ["/a", "b"], 7, [7], b"/a", {"/a"}, True]
    )
    def test_what_is_no_rule_is_refused_by_name(self, name: str, bad: Any) -> None:
        with pytest.raises((TypeError, ValueError), match=name) as caught:
            Choice(**{name: bad})
        assert repr(bad) in str(caught.value)

    @pytest.mark.parametrize("nothing", ["", [], ()])
    def test_to_include_nothing_is_refused(self, nothing: Any) -> None:
        with pytest.raises(ValueError, match="include names no request"):
            Choice(include=nothing)

    def test_an_async_one_is_refused(self) -> None:
        with pytest.raises(TypeError, match="include must not be async"):
            Choice(include=choose_later)
