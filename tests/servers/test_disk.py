"""What befalls the folder while a real server writes to it: no request notices, the loss is counted
and logged once, and storing goes on by itself."""

from __future__ import annotations

import resource
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from reqprof.store import status
from tests.servers import served
from tests.servers.client import traffic, unwrapped, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.conftest import Profiles

pytestmark = pytest.mark.recording

PATHS = ["/alpha", "/beta"]


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """No process of the folder can write a byte."""
    pids = [one.pid for one in status.read(folder)]
    assert pids
    for pid in pids:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    yield
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


@contextmanager
def replaced(folder: Path) -> Iterator[None]:
    """A file has its name."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.write_bytes(b"")
    yield
    folder.unlink()
    aside.rename(folder)


@contextmanager
def deleted(folder: Path) -> Iterator[None]:
    """It goes, and its parent is a file for as long."""
    shutil.rmtree(folder)
    folder.parent.rmdir()
    folder.parent.write_bytes(b"")
    yield
    folder.parent.unlink()


@pytest.mark.parametrize("trouble", [full, replaced, deleted])
@pytest.mark.parametrize(("server", "interface"), [("gunicorn", "wsgi"), ("uvicorn", "asgi")])
def test_no_request_notices_and_storing_goes_on(
    server: str,
    interface: str,
    trouble: Callable[[Path], AbstractContextManager[None]],
    profiles: Profiles,
    capfd: pytest.CaptureFixture[str],
) -> None:
    profiles.folder /= "in it"
    expected = unwrapped(server, f"tests.servers.apps:plain_{interface}", PATHS)
    environ = {"TEST_PROFILES": str(profiles.folder)}
    with served(server, f"tests.servers.apps:{interface}", environ=environ) as address:
        assert all(got == expected[path] for path, got in traffic(address, 40, PATHS))
        written(profiles, 41)
        heard_of(profiles.folder, "stored", 41)
        with trouble(profiles.folder):
            assert all(got == expected[path] for path, got in traffic(address, 60, PATHS))
            time.sleep(1)  # they end on the background
        before = set(profiles.paths())
        assert all(got == expected[path] for path, got in traffic(address, 40, PATHS))
        heard_of(profiles.folder, "unwritten", 60)
        heard_of(profiles.folder, "stored", 81)
    assert len(set(profiles.paths()) - before) == 40
    assert all(profile.request for profile in profiles.read())
    told = [line for line in capfd.readouterr().err.splitlines() if "takes no profile" in line]
    assert all("further ones are only counted" in line for line in told)
    assert len(told) == (trouble is not full)  # then the log, a file here, takes nothing either


def heard_of(folder: Path, counter: str, number: int) -> None:
    """Wait until the server says that it counts so many."""
    deadline = time.monotonic() + 30
    while (found := sum(one.counters.get(counter, 0) for one in status.read(folder))) != number:
        assert time.monotonic() < deadline, (counter, found)
        time.sleep(0.1)
