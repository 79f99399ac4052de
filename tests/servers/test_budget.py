"""A budget on a real server: the rate goes down, up and down with what profiling costs."""

from __future__ import annotations

import time
from math import sqrt
from typing import TYPE_CHECKING

import pytest

from reqprof.store import status
from tests.servers import served
from tests.servers.client import traffic

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Profiles

pytestmark = pytest.mark.recording

A_ROUND = 100  # requests
PATIENCE_SECONDS = 120


def test_the_rate_follows_the_load_and_the_weights_add_up(profiles: Profiles) -> None:
    sent = 0

    def rate() -> float:
        return max((said.rate or 0.0 for said in status.read(profiles.folder)), default=0.0)

    def until(path: str, holds: Callable[[float], bool]) -> float:
        nonlocal sent
        ends = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < ends:
            traffic(address, A_ROUND, [path])
            sent += A_ROUND
            if holds(found := rate()):
                return found
        pytest.fail(f"the rate is {rate()} after {sent} requests")

    environ = {"TEST_PROFILES": str(profiles.folder)}
    with served("gunicorn", "tests.servers.budget_app:wsgi", environ=environ) as address:
        low = until("/calls", lambda rate: 0 < rate < 0.03)  # the first guess is above that
        high = until("/long", lambda rate: rate > 2 * low)
        until("/calls", lambda rate: 0 < rate < high / 1.5)
    weights = [found.request.weight for found in profiles.read() if found.request]
    assert min(weights) >= 1
    # Each was one of so many, by chance, so the sum is right within five times its deviation.
    assert sum(weights) == pytest.approx(sent, abs=5 * sqrt(sum(w * (w - 1) for w in weights)))
