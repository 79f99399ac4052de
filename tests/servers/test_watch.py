"""Slow requests among many fast ones, and those whose worker is killed, under real servers."""

from __future__ import annotations

import http.client
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.store import reader
from tests.record.test_times import tallies
from tests.record.test_watch import stack_of, widest
from tests.servers import served
from tests.servers.client import get, traffic

if TYPE_CHECKING:
    from reqprof.model import Profile
    from tests.conftest import Profiles
    from tests.servers.client import Address

pytestmark = pytest.mark.recording

AFTER = 0.2  # seconds


def environ(profiles: Profiles, **options: Any) -> dict[str, str]:
    return {"TEST_PROFILES": str(profiles.folder), "TEST_OPTIONS": json.dumps(options)}


def ask(address: Address, path: str) -> int:
    connection = http.client.HTTPConnection(*address, timeout=60)
    status, _, _ = get(connection, path)
    connection.close()
    return status


@pytest.mark.parametrize(
    ("server", "app", "fast", "culprits"),
    [
        ("gunicorn", "wsgi", 2000, ["sleeping", "matching", "querying"]),
        ("gunicorn-gevent", "wsgi", 400, ["sleeping", "matching"]),
        ("uvicorn", "asgi", 2000, ["sleeping", "matching", "querying", "locked"]),
    ],
)
def test_the_slow_ones_among_many_show_what_they_were_at(
    server: str, app: str, fast: int, culprits: list[str], profiles: Profiles
) -> None:
    watched = environ(profiles, watch_after=f"{AFTER:g}s")
    with served(server, f"tests.servers.watched_apps:{app}", environ=watched) as address:
        for culprit in culprits:
            traffic(address, fast // len(culprits), ["/fast"])
            assert ask(address, f"/{culprit}") == 200
        traffic(address, fast % len(culprits), ["/fast"])
    found: dict[str, Profile] = {}
    for profile in profiles.read():
        assert profile.request is not None
        assert profile.request.engine == "watch"
        assert profile.request.duration > AFTER  # or else it was a fast one
        found[str(profile.request.path)] = profile
    within = {"locked": "acquire", **({"sleeping": "sleep"} if "gevent" in server else {})}
    for culprit in culprits:
        at = within.get(culprit, culprit)
        assert widest(found[f"/{culprit}"]) == at
        assert culprit in stack_of(found[f"/{culprit}"])
    counts = {series.route: tally.count for series, tally in tallies(profiles).items()}
    assert counts.pop("/fast") == fast
    assert counts == {"/ready": counts["/ready"], **{f"/{culprit}": 1 for culprit in culprits}}


def hang(address: Address, path: str) -> None:
    """Ask for what the server never answers."""
    with suppress(OSError, http.client.HTTPException):
        ask(address, path)


def appear(profiles: Profiles) -> Profile:
    deadline = time.monotonic() + 30
    while not profiles.paths():
        assert time.monotonic() < deadline, "no profile was written"
        time.sleep(0.05)
    return profiles.one()


def test_gunicorns_timeout_leaves_what_the_request_was_at(profiles: Profiles) -> None:
    watched = environ(profiles, watch_after=600)
    app = "tests.servers.watched_apps:wsgi"
    with served("gunicorn-sync", app, "--timeout", "2", environ=watched) as address:
        hang(address, "/stuck")
        profile = appear(profiles)
    assert widest(profile) == "stuck"
    assert profile.request is not None
    assert (profile.request.path, profile.request.exception) == ("/stuck", "SystemExit")


def test_a_worker_that_has_to_be_killed_leaves_it_too(profiles: Profiles) -> None:
    watched = environ(profiles, max_duration=0.3)
    app = "tests.servers.watched_apps:wsgi"
    with served("gunicorn-sync", app, "--timeout", "2", environ=watched) as address:
        hang(address, "/stubborn")
        profile = appear(profiles)
    assert stack_of(profile)[-1] == "stubborn"
    assert profile.request is not None
    assert (profile.request.path, profile.request.partial) == ("/stubborn", True)
    assert reader.timeline(profile).stopped_at[-1][2] == "stubborn"
