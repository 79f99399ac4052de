"""``on_profile``: what the user wants done with each profile, once it is stored."""

from __future__ import annotations

import logging
import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.store import reader
from tests.record.test_recorder import AsgiService, Service, WsgiService, counts, service, work

if TYPE_CHECKING:
    from reqprof.model import Request
    from tests.conftest import Profiles

__all__ = ["service"]

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("each_engine")]


def test_it_gets_the_facts_and_the_file_on_the_writers_thread(
    service: Service, profiles: Profiles
) -> None:
    got: list[tuple[Request, Path, str]] = []

    def done(request: Request, path: Path) -> None:
        assert reader.read(path).request == request
        got.append((request, path, threading.current_thread().name))

    served = service(work, profiles.folder, on_profile=done)
    served.get("/a")
    served.get("/b")
    assert counts(served) == {"profiled": 2, "stored": 2}
    assert [request.path for request, _, _ in got] == ["/a", "/b"]
    assert sorted(path for _, path, _ in got) == profiles.paths()
    assert all(type(path) is type(Path()) for _, path, _ in got)
    assert {thread for _, _, thread in got} == {"reqprof-writer"}


def test_a_program_that_it_starts_takes_signals(service: Service, profiles: Profiles) -> None:
    ended: list[int] = []

    def done(request: Request, path: Path) -> None:
        program = subprocess.Popen(["/bin/sleep", "60"])
        program.terminate()
        try:
            ended.append(program.wait(10))
        finally:
            program.kill()

    served = service(work, profiles.folder, on_profile=done)
    for _ in range(2):
        served.get()
    assert counts(served) == {"profiled": 2, "stored": 2}
    assert ended == [-signal.SIGTERM] * 2


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_what_it_raises_is_counted_and_told_once(
    service: Service, profiles: Profiles, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def done(request: Request, path: Path) -> None:
        raise error

    served = service(work, profiles.folder, on_profile=done)
    with caplog.at_level(logging.WARNING, "reqprof"):
        for _ in range(3):
            assert served.get() == b"ok"
        assert counts(served) == {"profiled": 3, "stored": 3, "failed_on_profile": 3}
    assert [line for line in caplog.messages if "on_profile" in line] == [
        f"failed_on_profile: on_profile= raised {error!r} (further ones are only counted)"
    ]


def test_it_is_not_called_for_what_was_not_stored(tmp_path: Path) -> None:
    got: list[Any] = []
    (tmp_path / "file").write_text("")
    served = WsgiService(work, tmp_path / "file" / "p", on_profile=lambda *what: got.append(what))
    served.get()
    assert counts(served) == {"profiled": 1, "unwritten": 1, "unsaved_times": 1}
    assert got == []


def test_a_file_of_a_chosen_name_is_found_too(profiles: Profiles) -> None:
    got: list[Path] = []
    served = WsgiService(
        work,
        profiles.folder,
        filename_format="{method}",
        on_profile=lambda request, path: got.append(path),
    )
    served.get()
    served.get()  # the name is taken
    assert counts(served)["stored"] == 2
    assert sorted(got) == profiles.paths()


def test_it_may_itself_be_served(profiles: Profiles) -> None:
    """As it runs in no request, what it calls is a request like any other."""
    inner = AsgiService(work, profiles.folder / "inner")
    served = WsgiService(work, profiles.folder, on_profile=lambda *_: inner.get())
    served.get()
    assert counts(served) == {"profiled": 1, "stored": 1}
    assert counts(inner) == {"profiled": 1, "stored": 1}
