"""Orders and pauses reach every worker of a real server: exactly so many, and none at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from reqprof.store import status
from reqprof.store.index import FOLDER
from tests.servers import served
from tests.servers.client import traffic, written

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.store.status import Status
    from tests.conftest import Profiles
    from tests.servers.client import Address

pytestmark = pytest.mark.recording

PATHS = ["/alpha", "/beta"]
SERVERS = [("gunicorn", "wsgi", "4"), ("uvicorn", "asgi", "2")]


class Load:
    """Clients that ask for all the paths until they are let go."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.wait(0.01):
            traffic(self._address, 40, PATHS)


def reqprof(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reqprof", *map(str, words)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


UNHEARD_SECONDS = 3
"""A worker that has had no request tells nobody that it has read what it is told."""


def until(folder: Profiles, holds: Callable[[list[Status]], bool]) -> None:
    """Wait until it holds of what the workers say."""
    deadline = time.monotonic() + 60
    while not holds(status.read(folder.folder)):
        assert time.monotonic() < deadline, status.read(folder.folder)
        time.sleep(0.1)


def total(counter: str, said: list[Status]) -> int:
    return sum(one.counters.get(counter, 0) for one in said)


def all_paused(said: list[Status]) -> bool:
    return all(one.paused for one in said)


@pytest.mark.parametrize(("server", "interface", "workers"), SERVERS)
def test_exactly_so_many_are_profiled_and_none_afterwards(
    server: str, interface: str, workers: str, profiles: Profiles
) -> None:
    profiles.folder.mkdir()
    app = f"tests.servers.apps:idle_{interface}"
    environ = {"TEST_PROFILES": str(profiles.folder)}
    with served(server, app, "--workers", workers, environ=environ) as address:
        traffic(address, 100, PATHS)
        for number, path in ((7, "/alpha"), (1, "/beta"), (30, "/alpha")):
            before = set(profiles.paths())
            words = ("--route", path, "--next", number, "--for", "100s", "--json")
            with Load(address):
                said = json.loads(reqprof("arm", profiles.folder, *words).stdout)
                traffic(address, 100, PATHS)
            assert [one["path"] for one in said] == [path] * number
            assert {one["file"] for one in said} == set(map(str, profiles.paths())) - {
                *map(str, before)
            }
        traffic(address, 200, PATHS)
    requests = [profile.request for profile in profiles.read()]
    assert len(requests) == 38
    assert {(one.chosen, one.kept) for one in requests if one} == {("arm", "arm")}
    assert not list((profiles.folder / FOLDER / "control").iterdir())


@pytest.mark.parametrize(("server", "interface", "workers"), SERVERS)
def test_while_paused_no_worker_profiles(
    server: str, interface: str, workers: str, profiles: Profiles
) -> None:
    environ = {"TEST_PROFILES": str(profiles.folder)}
    app = f"tests.servers.apps:{interface}"
    with served(server, app, "--workers", workers, environ=environ) as address:
        traffic(address, 100, PATHS)
        written(profiles, 100 + 1)
        reqprof("pause", profiles.folder)
        until(profiles, lambda said: total("profiled", said) == 101 and all_paused(said))
        time.sleep(UNHEARD_SECONDS)
        traffic(address, 100, PATHS)
        until(profiles, lambda said: total("skipped_paused", said) == 100)
        assert len(profiles.paths()) == 101
        reqprof("resume", profiles.folder)
        until(profiles, lambda said: not any(one.paused for one in said))
        traffic(address, 100, PATHS)
        written(profiles, 201)
    assert len(profiles.paths()) == 201
