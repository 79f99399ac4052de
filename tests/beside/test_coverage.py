"""coverage.py, with each of its ways to look: the same lines are covered, and our counts exact."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.beside import run, shop
from tests.conftest import need_module

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.recording

CORES = ["ctrace", "pytrace"]
if sys.version_info >= (3, 12):
    CORES.append("sysmon")


def cover(core: str, middleware: str, folder: Path) -> tuple[Any, list[int]]:
    """What the process tells, and the lines of the shop that were covered in it."""
    for name in ("coverage", "starlette", "flask"):
        need_module(name)
    from coverage import CoverageData

    data = folder / f"{middleware}.coverage"
    command = ["coverage", "run", "--rcfile=/dev/null", f"--data-file={data}"]
    process = ["-m", "tests.beside.none_process", "first", middleware, str(folder / middleware)]
    told, said = run(*command, *process, environ={"COVERAGE_CORE": core})
    assert said == ""
    covered = CoverageData(str(data))
    covered.read()
    return told, sorted(covered.lines(shop.__file__) or [])


@pytest.mark.parametrize("core", CORES)
def test_lines_and_counts(tmp_path: Path, core: str) -> None:
    plain, lines = cover(core, "plain", tmp_path)
    assert set(range(*_lines_of(shop.job))) <= set(lines)
    told, beside_us = cover(core, "ours", tmp_path)
    assert beside_us == lines
    assert told["answers"] == plain["answers"]
    assert told["counts"] == {path: [counts] * 4 for path, counts in shop.COUNTS.items()}
    assert told["interrupted"] == []
    assert set(told["counters"]) == {"profiled", "stored", "pruned"}


def _lines_of(function: Any) -> tuple[int, int]:
    """The body of a function, which a pool thread runs."""
    first: int = function.__code__.co_firstlineno + 1
    return first, max(line for *_, line in function.__code__.co_lines() if line) + 1
