"""Each request that ends is told of to whoever listens in the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import reqprof
from reqprof import wsgi
from reqprof.record.telling import listening
from tests.doors.test_wsgi import Server, environ

if TYPE_CHECKING:
    from pathlib import Path

    from reqprof.model import Request
    from tests.conftest import Profiles

pytestmark = pytest.mark.recording


def app(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"x"]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Request, Path | None]]:
    """What a listener was told, after one that always raises."""
    found: list[tuple[Request, Path | None]] = []

    def deaf(request: Request, path: Path | None) -> None:
        raise OSError("deaf")

    monkeypatch.setattr(listening, "_listeners", [])
    listening.listen(deaf)
    listening.listen(lambda request, path: found.append((request, path)))
    return found


def ask(middleware: wsgi.ProfilerMiddleware, path: str) -> None:
    body: Any = middleware(environ(path), Server().start_response)
    list(body)
    body.close()


def test_of_each_whether_it_was_profiled_kept_or_neither(
    heard: list[tuple[Request, Path | None]], profiles: Profiles
) -> None:
    middleware = wsgi.ProfilerMiddleware(
        app, profiles.folder, exclude="/no", keep=lambda request: request.path == "/yes"
    )
    for path in ("/yes", "/dropped", "/no"):
        ask(middleware, path)
    assert middleware.flush()
    (stored,) = profiles.paths()
    assert {request.path: path for request, path in heard} == {
        "/yes": stored,
        "/dropped": None,
        "/no": None,
    }
    assert [(request.method, request.status) for request, _ in heard] == [("GET", 200)] * 3
    assert not {name for name in middleware.counters if name.startswith("failed")}


def test_of_every_middleware_and_session_of_the_process(
    heard: list[tuple[Request, Path | None]], profiles: Profiles
) -> None:
    with reqprof.session("nightly", profiles.folder) as session:
        sorted("cba")
    assert session.flush()
    ((request, path),) = heard
    assert (request.kind, path) == ("job", profiles.paths()[0])
