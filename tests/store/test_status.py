"""What a process says of itself, and what is read of it."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.store import status
from reqprof.store.index import FOLDER
from reqprof.store.status import Status, StatusFile, Trouble

if TYPE_CHECKING:
    from pathlib import Path

SAID = Status(
    host="web-1",
    pid=42,
    started=1000.0,
    written=1005.5,
    python="3.11.7",
    engine="exact",
    rate=0.01,
    cost=0.0187,
    timed=1234,
    in_flight=1,
    stored_bytes=99,
    counters={"profiled": 12, "stored": 11},
    trouble=Trouble(counter="unwritten", why="no room", at=1001.0),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / FOLDER).mkdir()
    return tmp_path


@pytest.mark.parametrize("said", [SAID, replace(SAID, trouble=None, rate=None, cost=None)])
def test_it_comes_back(folder: Path, said: Status) -> None:
    StatusFile(folder).save(said)
    assert status.read(folder) == [said]


def test_each_says_the_last_word_only(folder: Path) -> None:
    file = StatusFile(folder)
    for number in range(5):
        file.save(replace(SAID, timed=number))
    StatusFile(folder).save(replace(SAID, pid=43, started=2000.0))
    assert [(said.pid, said.timed) for said in status.read(folder)] == [(42, 4), (43, 1234)]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (folder / FOLDER).iterdir()}
    assert modes == {0o600}


@pytest.mark.parametrize(
    "change",
    [
        {"pid": "42"},
        {"pid": True},
        {"timed": -1},
        {"rate": "all"},
        {"cost": "2%"},
        {"written": 1e300},
        {"counters": {"stored": "11"}},
        {"counters": [1]},
        {"trouble": {"counter": "x"}},
        {"trouble": {"counter": "x", "why": "y", "at": 1e300}},
        {"trouble": {"counter": 1, "why": "y", "at": 1}},
        {"host": None},
    ],
)
def test_what_makes_no_sense_is_left_out(folder: Path, change: dict[str, Any]) -> None:
    path = folder / FOLDER / "a.status"
    path.write_text(json.dumps({**asdict(SAID), **change}))
    StatusFile(folder).save(SAID)
    assert status.read(folder) == [SAID]


def test_what_an_older_version_did_not_tell_is_not_known(folder: Path) -> None:
    facts = asdict(SAID)
    del facts["cost"]
    (folder / FOLDER / "a.status").write_text(json.dumps(facts))
    assert status.read(folder) == [replace(SAID, cost=None)]


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"pid":1}', b"x" * 100_000])
def test_what_is_none_is_left_out(folder: Path, data: bytes) -> None:
    (folder / FOLDER / "a.status").write_bytes(data)
    assert status.read(folder) == []


def test_nothing_there_says_nothing(tmp_path: Path) -> None:
    assert status.read(tmp_path / "nowhere") == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_has_a_file_of_its_own(folder: Path) -> None:
    file = StatusFile(folder)
    file.save(SAID)
    child = os.fork()
    if not child:
        file.save(replace(SAID, pid=43, started=2000.0))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert [said.pid for said in status.read(folder)] == [42, 43]
