"""Other tools beside reqprof in one process: they keep what they would have, and so does it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True)
class Told:
    """What a process tells of the requests that it served, and of what the tool made of them."""

    answers: list[Any]  # the messages or the status, headers and body; what the app raised
    seen: Any  # what the tool recorded
    counts: dict[str, list[dict[str, int]]]  # calls by name, of each profile, by path
    counters: dict[str, int]
    interrupted: list[str]  # paths
    said: str  # on standard error, but for addresses


def run(*command: str, environ: dict[str, str] | None = None) -> tuple[Any, str]:
    """The JSON in the last line that ``python -m command`` prints, and its standard error."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**os.environ, **(environ or {}), "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@cache
def told(tool: str, installed: str, middleware: str, *settings: tuple[str, str]) -> Told:
    """The shop served beside ``tool``: see :mod:`tests.beside.serving` for the arguments.

    ``settings`` are the tool's, by environment variable.
    """
    with TemporaryDirectory() as folder:
        found, said = run(
            f"tests.beside.{tool}_process", installed, middleware, folder, environ=dict(settings)
        )
    return Told(**found, said=re.sub(r"\b(0x[0-9a-f]+|\d{9,})\b", "...", said))
