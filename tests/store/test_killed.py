"""A hundred times kill -9, of four processes that write to one folder: what is there is whole, and
what was told to be stored is there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from reqprof.store import index, reader
from tests.servers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.recording

ROUNDS = 25
PROCESSES = 4

# Each id is said when its profile is stored, by one write to the pipe.
WRITER = """
import os, random, sys
from pathlib import Path
from reqprof.store.caps import Caps
from tests.store.test_writer import Writer, request
edge = {("app.py", 0, "g"): (1, 1, 0.5, 0.5)}
stats = {("app.py", n, "f"): (1, 1, 0.5, 0.5, edge) for n in range(200)}
made = Writer(Path(sys.argv[1]), Caps(max_files=None, max_bytes=None, min_free=None))
for number in range(10**9):
    told = request(id=os.urandom(6).hex(), start=1e9 + number)
    made.write(stats, told, None)
    os.write(1, told.id.encode())
"""


def test_what_killed_processes_stored(tmp_path: Path) -> None:
    chance = random.Random(5)
    told: list[list[str]] = []
    for _ in range(ROUNDS):
        writers = [writer(tmp_path) for _ in range(PROCESSES)]
        for one in writers:
            assert one.stdout is not None
            first = one.stdout.read(12)  # it writes
            time.sleep(chance.uniform(0, 0.02))
            one.send_signal(signal.SIGKILL)
            rest, _ = one.communicate()
            assert one.returncode == -signal.SIGKILL
            ids = (first + rest).decode()
            told.append([ids[start : start + 12] for start in range(0, len(ids) // 12 * 12, 12)])

    found = index.find(tmp_path)
    assert not found.bad
    for path in tmp_path.glob("*.prof"):
        assert len(reader.read(path).stats) == 200
    there = {one.known.id for one in found.stored}
    assert all(there.issuperset(ids) for ids in told)
    lacking = {one.known.id for one in found.lacking}
    assert all(lacking.isdisjoint(ids[:-1]) for ids in told)
    # Between its rename and its line, at most one of each process.
    assert len(lacking) <= ROUNDS * PROCESSES
    assert sum(map(len, told)) > ROUNDS * PROCESSES
    # What was being written has a name that nobody reads, and goes in time.
    others = {path.name for path in tmp_path.iterdir() if path.suffix != ".prof"}
    assert all(name.startswith(".reqprof") for name in others)


def writer(folder: Path) -> subprocess.Popen[bytes]:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    command = [sys.executable, "-c", WRITER, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environ)
