"""Percentiles and the routes taken together."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from reqprof.cli.ranking import summarise
from reqprof.cli.traffic import by_route

from .making import request

durations = st.lists(st.floats(min_value=0, max_value=1e6), min_size=1, max_size=60)


@given(durations)
def test_a_route_is_summed_up_over_its_requests(values: list[float]) -> None:
    (summary,) = summarise(by_route(request(duration=value) for value in values))

    assert summary.route == "/users/{id}"
    assert summary.count == len(values)
    assert summary.max == max(values)
    assert math.isclose(summary.total, math.fsum(values), abs_tol=1e-6)
    assert summary.p50 <= summary.p95 <= summary.p99 <= summary.max


def test_routes_with_the_most_time_in_all_come_first() -> None:
    requests = [
        request(route="/slow", duration=1.0),
        *(request(route="/often", duration=0.3) for _ in range(4)),
        request(route=None, path="/no/template", duration=0.1),
        request(route=None, path=None, duration=0.05),
        request(route="/guess", guessed=True, duration=0.01),
        request(route="/guess", duration=0.02),
    ]

    assert [(one.route, one.guessed, one.count) for one in summarise(by_route(requests))] == [
        ("/often", False, 4),
        ("/slow", False, 1),
        ("/no/template", False, 1),
        ("-", False, 1),
        ("/guess", False, 1),
        ("/guess", True, 1),
    ]
