"""A thousand requests from 16 clients at once: nobody notices, and every profile is exact."""

from __future__ import annotations

import http.client
import threading
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Profiles, calls
from tests.servers import apps, served

if TYPE_CHECKING:
    from reqprof.model import Profile

pytestmark = pytest.mark.recording

REQUESTS, CLIENTS = 1000, 16
PATHS = ["/alpha", "/beta"]

Response = tuple[int, list[tuple[str, str]], bytes]


def get(connection: http.client.HTTPConnection, path: str) -> Response:
    connection.request("GET", path)
    response = connection.getresponse()
    headers = sorted((name, value) for name, value in response.getheaders() if name != "Date")
    return response.status, [h for h in headers if h[0].lower() != "date"], response.read()


def traffic(address: tuple[str, int], requests: int) -> list[tuple[str, Response]]:
    """The responses to ``requests``, sent by all clients together."""
    answered: list[tuple[str, Response]] = []
    numbers = iter(range(requests))
    lock = threading.Lock()

    def client() -> None:
        connection = http.client.HTTPConnection(*address, timeout=60)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            path = PATHS[number % len(PATHS)]
            answered.append((path, get(connection, path)))
        connection.close()

    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    return answered


def unwrapped(server: str, interface: str) -> dict[str, Response]:
    with served(server, f"tests.servers.apps:plain_{interface}") as address:
        connection = http.client.HTTPConnection(*address, timeout=60)
        expected = {path: get(connection, path) for path in PATHS}
        connection.close()
    return expected


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
    ("server", "interface"), [("waitress", "wsgi"), ("gunicorn", "wsgi"), ("uvicorn", "asgi")]
)
def test_every_response_is_the_apps_and_every_request_has_its_own_whole_profile(
    server: str, interface: str, profiles: Profiles
) -> None:
    expected = unwrapped(server, interface)
    environ = {"TEST_PROFILES": str(profiles.folder)}
    with served(server, f"tests.servers.apps:{interface}", environ=environ) as address:
        answered = traffic(address, REQUESTS)
    assert len(answered) == REQUESTS
    for path, response in answered:
        assert response == expected[path]
    found = [check(p) for p in profiles.read() if p.request and p.request.path in PATHS]
    assert {path: found.count(path) for path in PATHS} == dict.fromkeys(PATHS, REQUESTS // 2)


@pytest.mark.parametrize("preload", [False, True])
def test_gunicorns_forked_workers_each_write(preload: bool, profiles: Profiles) -> None:
    options = ["--workers", "2", *(["--preload"] if preload else [])]
    environ = {"TEST_PROFILES": str(profiles.folder)}
    app = "tests.servers.apps:wsgi"
    with served("gunicorn", app, *options, environ=environ) as address:
        traffic(address, 200)
    found = [profile for profile in profiles.read() if profile.request]
    paths = [profile.request.path for profile in found if profile.request]
    assert {path: paths.count(path) for path in PATHS} == dict.fromkeys(PATHS, 100)
    assert len({profile.request.pid for profile in found if profile.request}) in (1, 2)


def test_uvicorns_workers_each_write(profiles: Profiles) -> None:
    environ = {"TEST_PROFILES": str(profiles.folder)}
    app = "tests.servers.apps:asgi"
    with served("uvicorn", app, "--workers", "2", environ=environ) as address:
        traffic(address, 200)
    paths = [profile.request.path for profile in profiles.read() if profile.request]
    assert {path: paths.count(path) for path in PATHS} == dict.fromkeys(PATHS, 100)
