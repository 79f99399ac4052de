"""Ways to call the command: within this process, and as one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from click.testing import CliRunner, Result

import reqprof.cli

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Path(reqprof.cli.__file__).parents[2]


class Spawn(Protocol):
    """Runs the command as a process."""

    def __call__(self, *words: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
        """The finished process, its output captured."""


@pytest.fixture(name="reqprof")
def _reqprof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Call ``reqprof`` with words, in a temporary folder; gives click's result."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REQPROF_DEBUG", "1")  # an internal error fails the test with its traceback

    def call(*words: object) -> Result:
        return CliRunner().invoke(reqprof.cli.cli, [str(word) for word in words])

    return call


@pytest.fixture
def environment() -> dict[str, str]:
    """Variables for a process that finds this package and says nothing of its own."""
    return quiet_environment()


def quiet_environment() -> dict[str, str]:
    """These variables as they are now."""
    unwanted = ("REQPROF", "PYTHONUNBUFFERED", "NO_COLOR")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, "PYTHONPATH": str(SOURCE), "PYTHONWARNINGS": "error"}


@pytest.fixture
def spawn(tmp_path: Path, environment: dict[str, str]) -> Spawn:
    """Run ``python -m reqprof`` in the temporary folder."""

    def call(*words: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "reqprof", *map(str, words)],
            cwd=tmp_path,
            env=environment | options.pop("env", {}),
            timeout=60,
            check=False,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )

    return call
