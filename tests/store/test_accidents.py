"""20,000 damaged profiles, of ours and of other tools: none crashes, hangs or fills the memory, and
none with our trailer is taken for what it is not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from reqprof import session
from reqprof.store import naming
from tests.cli.making import put, request, work
from tests.servers import ROOT
from tests.store.test_decode import WRITTEN

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.recording

COUNT = 10_000


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """Profiles as they are recorded, with call tree and waits."""
    for size in (3, 20):
        job = session("accident", out_dir=tmp_path)
        with job:
            work(size)
        assert job.flush()
        put(tmp_path, size=size, name=naming.name(request()))
    assert len(list(tmp_path.glob("*.prof"))) == 4
    return tmp_path


def accidents(folder: Path, seed: int) -> list[int]:
    command = [sys.executable, "-m", "tests.store.accidents", str(folder), str(seed), str(COUNT)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr + f"; {folder}/damaged.prof"
    return [int(number) for number in done.stdout.split()]


def test_profiles_of_ours(ours: Path) -> None:
    refused, same, other = accidents(ours, 11)
    assert other == 0
    assert refused + same == COUNT
    assert refused > 0.9 * COUNT


def test_profiles_of_other_tools_and_pythons(tmp_path: Path) -> None:
    for path in WRITTEN:
        shutil.copy(path, tmp_path)
    refused, same, other = accidents(tmp_path, 12)
    assert refused + same + other == COUNT
    assert refused > 0.5 * COUNT  # no checksum tells of the rest
