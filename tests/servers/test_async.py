"""Work in child tasks and pool threads, streams and websockets, under the real ASGI servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import Profiles, need_module
from tests.servers import async_apps, served
from tests.servers.async_apps import CHILDREN, JOBS, SAID, WORK
from tests.servers.client import pipelined, talks, traffic, unwrapped, written
from tests.servers.counts import check_all

if TYPE_CHECKING:
    from reqprof.model import Request

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("each_engine")]

REQUESTS, SESSIONS = 60, 40  # requests to each route
SERVERS = ["uvicorn", "uvicorn-uvloop", "hypercorn", "hypercorn-trio"]


def routes(server: str) -> list[str]:
    """Those that the server's event loop can run, without the websocket."""
    return sorted({*WORK} - {"/talk"} - (async_apps.ASYNCIO_ONLY if "trio" in server else set()))


def environ(profiles: Profiles) -> dict[str, str]:
    return {"TEST_PROFILES": str(profiles.folder)}


@pytest.mark.parametrize("server", SERVERS)
def test_a_profile_has_its_requests_work_wherever_it_was_done(
    server: str, profiles: Profiles
) -> None:
    paths = routes(server)
    expected = unwrapped(server, "tests.servers.async_apps:plain", paths)
    app = "tests.servers.async_apps:wrapped"
    with served(server, app, environ=environ(profiles)) as address:
        answered = traffic(address, REQUESTS * len(paths), paths)
    assert len(answered) == REQUESTS * len(paths)
    for path, response in answered:
        assert response == expected[path]
    checked = check_all(profiles.read(), WORK)
    assert counted(checked) == dict.fromkeys(paths, REQUESTS)
    for request in checked:
        assert (request.status, request.left_running) == (200, 0)
        assert request.tasks == CHILDREN.get(str(request.path), 0)
        assert request.jobs == JOBS.get(str(request.path), 0)


def counted(checked: list[Request]) -> dict[str | None, int]:
    paths = [request.path for request in checked]
    return {path: paths.count(path) for path in paths}


@pytest.mark.parametrize("server", SERVERS)
def test_a_websocket_session_has_a_profile_of_its_own(server: str, profiles: Profiles) -> None:
    need_module("websockets")
    app = "tests.servers.async_apps:wrapped"
    with served(server, app, environ=environ(profiles)) as address:
        heard = talks(address, SESSIONS, "/talk", SAID)
    assert heard == [[str(len(words)) for words in SAID]] * SESSIONS
    checked = check_all(profiles.read(), WORK)
    assert counted(checked) == {"/talk": SESSIONS}
    assert {(request.kind, request.status) for request in checked} == {("websocket", 101)}


@pytest.mark.parametrize("server", SERVERS)
def test_several_workers_follow_their_own_requests(server: str, profiles: Profiles) -> None:
    paths = routes(server)
    app = "tests.servers.async_apps:wrapped"
    with served(server, app, "--workers", "2", environ=environ(profiles)) as address:
        traffic(address, 20 * len(paths), paths)
        written(profiles, 20 * len(paths) + 1)
    assert counted(check_all(profiles.read(), WORK)) == dict.fromkeys(paths, 20)


@pytest.mark.parametrize("server", SERVERS)
def test_a_request_that_waited_behind_another_is_no_part_of_it(
    server: str, profiles: Profiles
) -> None:
    # Its server starts it from within the send that ends the first one's response.
    app = "tests.servers.async_apps:sampled"
    with served(server, app, environ=environ(profiles)) as address:
        received = pipelined(address, ["/after", "/stream"] * 5)
    assert received.count(b"HTTP/1.1 200") == 10
    checked = check_all(profiles.read(), WORK)
    assert counted(checked) == {"/after": 5}
    assert {(request.tasks, request.left_running) for request in checked} == {(0, 0)}
