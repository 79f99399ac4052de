"""Many requests from 16 clients at once: nobody notices, and every profile is exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import Profiles, calls
from tests.servers import apps, served
from tests.servers.client import traffic, unwrapped, written

if TYPE_CHECKING:
    from reqprof.model import Profile

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("each_engine")]

PATHS = ["/alpha", "/beta"]


def check(profile: Profile) -> str:
    """Counts of one profile against what its route does; returns the path."""
    request = profile.request
    assert request is not None
    assert request.path is not None
    assert not request.interrupted
    counted = calls(profile)
    mine, other = ("alpha", "beta") if request.path == "/alpha" else ("beta", "alpha")
    assert counted[f"{mine}_view"] == 1
    assert counted[f"{mine}_leaf"] == apps.LEAVES[request.path]
    assert not [name for name in counted if name.startswith(other)]
    assert request.status == (200 if mine == "alpha" else 201)
    return request.path


@pytest.mark.parametrize(
    ("server", "interface", "requests"),
    [
        ("waitress", "wsgi", 1000),
        ("gunicorn", "wsgi", 1000),
        ("gunicorn-sync", "wsgi", 400),
        ("gunicorn-gevent", "wsgi", 400),
        ("uvicorn", "asgi", 1000),
        ("uvicorn-uvloop", "asgi", 400),
        ("hypercorn", "asgi", 400),
        ("hypercorn-trio", "asgi", 400),
    ],
)
def test_every_response_is_the_apps_and_every_request_has_its_own_whole_profile(
    server: str, interface: str, requests: int, profiles: Profiles, each_engine: str
) -> None:
    expected = unwrapped(server, f"tests.servers.apps:plain_{interface}", PATHS)
    environ = {"TEST_PROFILES": str(profiles.folder)}
    with served(server, f"tests.servers.apps:{interface}", environ=environ) as address:
        answered = traffic(address, requests, PATHS)
    assert len(answered) == requests
    for path, response in answered:
        assert response == expected[path]
    found = [check(p) for p in profiles.read() if p.request and p.request.path in PATHS]
    assert {path: found.count(path) for path in PATHS} == dict.fromkeys(PATHS, requests // 2)
    assert {p.request.engine for p in profiles.read() if p.request} == {each_engine}


@pytest.mark.parametrize("preload", [False, True])
def test_gunicorns_forked_workers_each_write(preload: bool, profiles: Profiles) -> None:
    options = ["--workers", "2", *(["--preload"] if preload else [])]
    environ = {"TEST_PROFILES": str(profiles.folder)}
    app = "tests.servers.apps:wsgi"
    with served("gunicorn", app, *options, environ=environ) as address:
        traffic(address, 200, PATHS)
    found = [profile for profile in profiles.read() if profile.request]
    paths = [profile.request.path for profile in found if profile.request]
    assert {path: paths.count(path) for path in PATHS} == dict.fromkeys(PATHS, 100)
    assert len({profile.request.pid for profile in found if profile.request}) in (1, 2)


@pytest.mark.parametrize("server", ["uvicorn", "uvicorn-uvloop", "hypercorn", "hypercorn-trio"])
def test_several_asgi_workers_each_write(server: str, profiles: Profiles) -> None:
    environ = {"TEST_PROFILES": str(profiles.folder)}
    app = "tests.servers.apps:asgi"
    with served(server, app, "--workers", "2", environ=environ) as address:
        traffic(address, 200, PATHS)
        # As soon as one of hypercorn's workers has ended, it kills the others.
        written(profiles, 200 + 1)
    found = [check(p) for p in profiles.read() if p.request and p.request.path in PATHS]
    assert {path: found.count(path) for path in PATHS} == dict.fromkeys(PATHS, 100)
