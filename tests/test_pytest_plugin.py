"""``pytest -p reqprof.pytest``: a profile for each test, of the test alone, and tests that run as
without it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import reqprof
from reqprof.store import index, reader
from tests.conftest import calls, need_module

if TYPE_CHECKING:
    from reqprof.model import Profile

OURS = str(Path(reqprof.__file__).parent)

pytestmark = pytest.mark.recording

SOURCE = Path(reqprof.__file__).parents[1]

TESTS = '''
import os, sys, threading, time, unittest
import pytest

def work(number):
    return sum(i for i in range(number))

def fixture_work():
    return 1

@pytest.fixture
def prepared():
    fixture_work()
    yield
    fixture_work()

@pytest.mark.parametrize("number", [3, 5], ids=["a[b]::c", "x/y"])
def test_parameters(number, prepared):
    work(number)

def test_fails():
    work(2)
    assert False

def test_skips_itself():
    work(2)
    pytest.skip("no")

@pytest.mark.skip
def test_skipped():
    work(2)

@pytest.mark.xfail(strict=True)
def test_expected():
    raise ValueError

class TestClass:
    def test_method(self):
        work(2)

class Case(unittest.TestCase):
    def test_passes(self):
        work(2)

    def test_case_fails(self):
        self.assertEqual(work(2), 5)

    def test_case_skips(self):
        self.skipTest("no")

    @unittest.skip("no")
    def test_case_skipped(self):
        work(2)

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
async def test_async():
    import asyncio
    work(2)
    await asyncio.sleep(0)
    work(2)

@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forks():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)

def test_is_alone():
    assert threading.active_count() == 1

def test_own_profiler():
    import cProfile, pstats
    profile = cProfile.Profile()
    profile.runcall(work, 3)
    assert "work" in [name for _, _, name in pstats.Stats(profile).stats]

def test_own_trace():
    before, events = sys.gettrace(), []
    sys.settrace(lambda frame, event, _: events.append(event))
    work(3)
    sys.settrace(before)
    assert events

def documented():
    """
    >>> work(4)
    6
    """
'''
STORED = {
    "test_it.py::test_parameters[a[b]::c]",
    "test_it.py::test_parameters[x/y]",
    "test_it.py::test_fails",
    "test_it.py::test_expected",
    "test_it.py::TestClass::test_method",
    "test_it.py::Case::test_passes",
    "test_it.py::Case::test_case_fails",
    "test_it.py::test_async",
    "test_it.py::test_forks",
    "test_it.py::test_is_alone",
    "test_it.py::test_own_profiler",
    "test_it.py::test_own_trace",
    "test_it.py::test_it.documented",
}


class Run(NamedTuple):
    """What a pytest of its own came to."""

    status: int
    text: str
    folder: Path

    def outcomes(self) -> dict[str, str]:
        """The outcome of each test."""
        return dict(re.findall(r"^(test_\S.*?) ([A-Z]{4,})\b", self.text, re.MULTILINE))

    def profiles(self) -> dict[str | None, Profile]:
        """By node id."""
        read = [reader.read(path) for path in sorted(self.folder.glob("*.prof"))]
        found = {profile.request.path: profile for profile in read if profile.request}
        assert len(found) == len(read)
        return found


def environment() -> dict[str, str]:
    """Variables for a pytest that loads the plugins it is told to: loading all takes seconds."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    ours = {"PYTHONPATH": str(SOURCE), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "200"}
    return {**kept, **ours}


def run(tmp_path: Path, *words: str, tests: str = TESTS, out: str = "out") -> Run:
    need_module("anyio")
    (tmp_path / "test_it.py").write_text(tests)
    options = ["-p", "no:cacheprovider", "-p", "anyio", "-W", "error", "--doctest-modules"]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", *options, *words],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Run(result.returncode, result.stdout + result.stderr, tmp_path / out)


PLUGIN = ("-p", "reqprof.pytest")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def profiled(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(tmp_path_factory.mktemp("profiled"), *PLUGIN, "--reqprof-out", "out")


def test_each_test_ends_as_without_it(plain: Run, profiled: Run) -> None:
    assert len(plain.outcomes()) == len(STORED) + 4
    assert profiled.outcomes() == plain.outcomes()
    assert profiled.status == plain.status == 1


def test_each_test_that_ran_leaves_one_profile(profiled: Run) -> None:
    assert set(profiled.profiles()) == STORED
    assert f"reqprof: profiles of {len(STORED)} tests in {profiled.folder}" in profiled.text
    assert "left no profile" not in profiled.text


def test_parameters_share_a_route(profiled: Run) -> None:
    routes = {path: p.request.route for path, p in profiled.profiles().items() if p.request}
    assert routes["test_it.py::test_parameters[x/y]"] == "test_it.py::test_parameters"
    assert routes["test_it.py::test_parameters[a[b]::c]"] == "test_it.py::test_parameters"
    for path, route in routes.items():
        assert route == path or "[" in str(path)


def test_the_facts_are_those_of_a_job_with_what_it_raised(profiled: Run) -> None:
    raised = {}
    for path, profile in profiled.profiles().items():
        assert profile.request is not None
        assert profile.request.kind == "job"
        assert profile.request.status is None
        assert profile.request.duration > 0
        if profile.request.exception:
            raised[path] = profile.request.exception
    assert raised == {
        "test_it.py::test_fails": "AssertionError",
        "test_it.py::Case::test_case_fails": "AssertionError",
        "test_it.py::test_expected": "ValueError",
    }


def test_a_profile_holds_its_test_and_no_fixture(profiled: Run) -> None:
    for path, profile in profiled.profiles().items():
        counts = calls(profile)
        request = profile.request
        if request is not None and not request.interrupted and "documented" not in str(path):
            name = str(request.route).rpartition("::")[2]
            assert counts[name] == (2 if name == "test_async" else 1)  # once resumed
        assert "fixture_work" not in counts
        assert not [file for file, _, _ in profile.stats if file.startswith(OURS)]
    assert calls(profiled.profiles()["test_it.py::test_async"])["work"] == 2
    assert calls(profiled.profiles()["test_it.py::test_it.documented"])["work"] == 1


def test_the_folder_has_its_index(profiled: Run) -> None:
    assert len(list((profiled.folder / index.FOLDER).iterdir())) == 1
    assert {
        stored.request and stored.request.path for stored in index.find(profiled.folder).stored
    } == (STORED)


def test_the_command_ranks_and_draws_tests(profiled: Run) -> None:
    need_module("click")
    for words, says in (
        (["slowest", "out", "--kind", "job"], "test_it.py::test_async"),
        (["slowest", "out", "--by", "route"], "test_it.py::test_parameters"),
        (["merge", "out", "--route", "test_it.py::test_parameters", "--folded"], "test_it.work"),
    ):
        result = subprocess.run(
            [sys.executable, "-m", "reqprof", *words],
            cwd=profiled.folder.parent,
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert says in result.stdout


SMALL = "def test_one(): pass\ndef test_two(): sum(range(9))\n"


def test_without_a_folder_nothing_happens(tmp_path: Path) -> None:
    result = run(tmp_path, *PLUGIN, tests=SMALL)
    assert result.status == 0
    assert "reqprof: " not in result.text
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {"test_it.py"}


def test_cpu_time_is_by_its_own_clock(tmp_path: Path) -> None:
    result = run(tmp_path, *PLUGIN, "--reqprof-out=out", "--reqprof-cpu", tests=SMALL)
    assert result.status == 0
    clocks = {p.request.clock for p in result.profiles().values() if p.request}
    assert clocks == {"cpu"}


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    result = run(tmp_path, *PLUGIN, "--reqprof-out", "test_it.py", tests=SMALL)
    assert result.status == pytest.ExitCode.USAGE_ERROR
    assert "--reqprof-out test_it.py is a file; give it a folder" in result.text


def test_a_folder_that_takes_nothing_fails_no_test(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere/at/all")
    result = run(tmp_path, *PLUGIN, "--reqprof-out", "link", tests=SMALL)
    assert result.status == 0
    assert "2 tests left no profile: " in result.text
    assert "takes no profile" in result.text


def test_a_profiler_that_is_there_already_is_left_alone(tmp_path: Path) -> None:
    """Where it is the thread's; from Python 3.12 on both can record."""
    tests = SMALL + (
        "import sys, pytest\n"
        "@pytest.fixture(autouse=True)\n"
        "def profiler():\n    hook = lambda *event: None\n    sys.setprofile(hook)\n"
        "    yield\n    assert sys.getprofile() is hook\n    sys.setprofile(None)\n"
    )
    result = run(tmp_path, *PLUGIN, "--reqprof-out=out", tests=tests)
    assert result.status == 0, result.text
    if sys.version_info < (3, 12):
        assert "2 tests left no profile: another profiler was active" in result.text


def test_coverage_counts_as_without_it(tmp_path: Path) -> None:
    need_module("coverage")
    (tmp_path / "test_it.py").write_text(SMALL)
    command = [sys.executable, "-m", "coverage", "run", "--include=test_it.py", "-m", "pytest"]
    words = ["-p", "no:cacheprovider", *PLUGIN, "--reqprof-out=out"]
    for step in ([*command, *words], [sys.executable, "-m", "coverage", "report"]):
        result = subprocess.run(
            step,
            cwd=tmp_path,
            env={**environment(), "COVERAGE_FILE": "data"},
            capture_output=True,
            text=True,
            check=True,
        )
    assert "100%" in result.stdout
    assert len(list((tmp_path / "out").glob("*.prof"))) == 2


def test_processes_of_xdist_share_the_folder(tmp_path: Path) -> None:
    need_module("xdist")
    result = run(tmp_path, *PLUGIN, "--reqprof-out=out", "-p", "xdist", "-n", "2", tests=SMALL)
    assert result.status == 0, result.text
    assert set(result.profiles()) == {"test_it.py::test_one", "test_it.py::test_two"}
    assert "reqprof: profiles of 2 tests in " in result.text
