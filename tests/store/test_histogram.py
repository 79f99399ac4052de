"""Durations in buckets, and what percentiles of them are worth."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqprof.store import histogram
from reqprof.store.histogram import ACCURACY, bucket, middle, percentile
from reqprof.store.traffic import Tally

durations = st.floats(min_value=histogram.LEAST, max_value=1e6)


@given(durations)
def test_a_bucket_stands_for_durations_near_its_middle(seconds: float) -> None:
    assert abs(middle(bucket(seconds)) - seconds) <= seconds * ACCURACY * 1.000001


@given(st.lists(durations, min_size=1, max_size=200), st.integers(1, 100))
def test_a_percentile_is_near_the_least_value_that_so_many_do_not_exceed(
    values: list[float], percent: int
) -> None:
    tally = Tally()
    for value in values:
        tally.add(value, None)
    exact = sorted(values)[math.ceil(percent * len(values) / 100) - 1]

    assert tally.percentile(percent) == pytest.approx(exact, rel=ACCURACY * 1.000001)
    assert tally.percentile(100) == max(values)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-12, math.inf, 1e30])
def test_any_duration_has_a_bucket(seconds: float) -> None:
    assert histogram.FIRST <= bucket(seconds) <= histogram.LAST


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no duration"):
        percentile({}, 50)
