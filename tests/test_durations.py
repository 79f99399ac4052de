"""Durations as arguments: seconds, or what people write."""

from __future__ import annotations

import math
from typing import Any

import pytest

from reqprof.durations import as_seconds

pytestmark = pytest.mark.recording


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(0.5, 0.5), (3, 3.0), ("500ms", 0.5), ("1m30s", 90.0), ("0.25", 0.25), (" 2 S ", 2.0)],
)
def test_an_argument_is_seconds_or_a_text(value: Any, seconds: float) -> None:
    assert as_seconds("slower_than", value) == seconds


@pytest.mark.parametrize(
    "bad",
    [True, None, b"1s", [1], 0, -1, 0.0, "0ms", math.nan, math.inf, 10**400, "", "fast", "-1s"],
)
def test_anything_else_is_refused_with_its_name_and_value(bad: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="slower_than") as caught:
        as_seconds("slower_than", bad)
    assert repr(bad) in str(caught.value)
