"""Frameworks under the servers they are run with: whole profiles, under their routes' names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import need_module
from tests.servers import served
from tests.servers.client import traffic, unwrapped
from tests.servers.counts import check_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conftest import Profiles
    from tests.servers.counts import Work

pytestmark = pytest.mark.recording

REQUESTS = 30  # to each path


def check(
    profiles: Profiles,
    server: str,
    plain: str,
    wrapped: str,
    work: Mapping[str, Work],
    routes: Mapping[str, str],
) -> None:
    """Ask the app with and without reqprof; compare answers, counts and routes."""
    paths = sorted(work)
    expected = unwrapped(server, plain, paths)
    environ = {"TEST_PROFILES": str(profiles.folder)}
    with served(server, wrapped, environ=environ) as address:
        answered = traffic(address, REQUESTS * len(paths), paths)
    assert len(answered) == REQUESTS * len(paths)
    for path, response in answered:
        assert response == expected[path]
        assert response[0] == 200
    checked = check_all(profiles.read(), work)
    seen = [request.path for request in checked]
    assert {path: seen.count(path) for path in paths} == dict.fromkeys(paths, REQUESTS)
    for request in checked:
        assert (request.route, request.guessed) == (routes[str(request.path)], False)


@pytest.mark.parametrize("server", ["uvicorn", "uvicorn-uvloop", "hypercorn"])
def test_fastapi_with_all_that_it_runs_in_threads(server: str, profiles: Profiles) -> None:
    need_module("fastapi")
    from tests.servers.fastapi_app import ROUTES, WORK

    app = "tests.servers.fastapi_app:app"
    check(profiles, server, app, app, WORK, ROUTES)


@pytest.mark.parametrize("server", ["gunicorn", "gunicorn-gevent", "waitress"])
def test_flask(server: str, profiles: Profiles) -> None:
    need_module("flask")
    from tests.servers.flask_app import ROUTES, WORK

    app = "tests.servers.flask_app:app"
    check(profiles, server, app, app, WORK, ROUTES)


DJANGO_WORK = {
    "/sync/7/": {"sync_work": 1, "sync_leaf": 7},
    "/async/7/": {"async_work": 2, "async_leaf": 9},
    "/shops/x/both/7/": {"both_work": 3, "both_leaf": 16},
}
"""The calls that each path of ``django_site`` makes: Django is set up only once in a process."""

DJANGO_ROUTES = {
    "/sync/7/": "/sync/<int:times>/",
    "/async/7/": "/async/<int:times>/",
    "/shops/x/both/7/": "/shops/<slug:shop>/both/<int:times>/",
}


@pytest.mark.parametrize(
    ("server", "interface"),
    [("gunicorn", "wsgi"), ("uvicorn-sigint", "asgi"), ("hypercorn", "asgi")],
)
def test_django_with_sync_and_async_views(server: str, interface: str, profiles: Profiles) -> None:
    need_module("django")
    site = "tests.servers.django_site"
    check(
        profiles,
        server,
        f"{site}:plain_{interface}",
        f"{site}:{interface}",
        DJANGO_WORK,
        DJANGO_ROUTES,
    )
