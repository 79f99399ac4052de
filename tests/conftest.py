"""What all tests share: a folder of profiles to read back, and real counterparts that may lack."""

from __future__ import annotations

import gc
import importlib.util
import os
import pstats
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import hypothesis
import pytest

from reqprof.record.engines import choose
from reqprof.record.engines.events import TOOL_IDS
from reqprof.store import reader
from reqprof.store.background import BACKGROUND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reqprof.model import Profile

# A busy machine is no fault of the code.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

MUST_RUN = os.environ.get("REQPROF_NO_SKIPS") == "1"


def need(what: str, present: bool) -> None:
    """Skip the test where its real counterpart is missing; fail instead where none may be."""
    if not present:
        (pytest.fail if MUST_RUN else pytest.skip)(f"{what} is not installed")


def need_module(name: str) -> None:
    """A Python package that the test uses."""
    need(f"the package {name}", importlib.util.find_spec(name) is not None)


@contextmanager
def service(program: str, folder: Path, **environ: str) -> Iterator[str]:
    """Runs beside the test a program that says a line, which is given, and ends with its stdin."""
    (folder / "service.py").write_text(program)
    with (
        (folder / "service.log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "service.py"],
            cwd=folder,
            env={**os.environ, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate("", timeout=60)


def need_engine(name: str) -> None:
    """The exact engine needs a C compiler when reqprof is installed."""
    need(f"the engine {name}", name != "exact" or choose.exact is not None)


@pytest.fixture(scope="module", params=choose.AUTO)
def each_engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """The test runs with each of the engines, where it does not name one."""
    need_engine(request.param)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(choose, "AUTO", (request.param,))
        patched.setenv("TEST_ENGINE", request.param)  # for the servers that the test starts
        yield request.param


def need_program(name: str) -> str:
    """A program that the test runs; returns its path."""
    path = shutil.which(name)
    need(f"the program {name}", path is not None)
    assert path is not None
    return path


class Profiles:
    """The profiles that a test's middleware leaves in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def paths(self) -> list[Path]:
        return sorted(self.folder.glob("*.prof"))

    def read(self) -> list[Profile]:
        return [reader.read(path) for path in self.paths()]

    def one(self) -> Profile:
        (profile,) = self.read()
        return profile


def calls(profile: Profile) -> dict[str, int]:
    """Calls by function name, added over files."""
    found: dict[str, int] = {}
    for (_, _, name), row in profile.stats.items():
        found[name] = found.get(name, 0) + row[1]
    return found


def callers(profile: Profile, name: str) -> dict[str, int]:
    """Calls of ``name`` by the caller's name."""
    return {
        caller[2]: edge[0]
        for function, row in profile.stats.items()
        if function[2] == name
        for caller, edge in row[4].items()
    }


def pstats_table(path: Path) -> dict[tuple[str, int, str], object]:
    """What the standard library reads from a file."""
    return pstats.Stats(str(path)).stats  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def profiles(tmp_path: Path) -> Profiles:
    return Profiles(tmp_path / "profiles")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("REQPROF_") and name != "REQPROF_NO_SKIPS":
            monkeypatch.delenv(name)
    monkeypatch.delenv("FLAMEPROF", raising=False)


def still_on() -> list[object]:
    """What is left of the engine's hold on the interpreter."""
    monitoring = getattr(sys, "monitoring", None)
    tools = [monitoring.get_tool(tool) for tool in TOOL_IDS] if monitoring else []
    return [hold for hold in (sys.getprofile(), *tools) if hold is not None]


@pytest.fixture
def no_more() -> Callable[[], None]:
    """Checks that nothing of the engine stays on when no request is in flight."""

    def check() -> None:
        assert still_on() == []

    return check


@pytest.fixture
def no_collection() -> Iterator[None]:
    """No automatic garbage collection: the callbacks that others hang on it would be recorded."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(autouse=True)
def _nothing_stays_on() -> Iterator[None]:
    """A test that leaves a request in flight slows all that follow."""
    yield
    if still_on():
        gc.collect()
        BACKGROUND.drain(10)
    assert still_on() == []
