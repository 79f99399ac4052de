"""``reqprof merge`` on several processes, and of sampled requests counted as many."""

from __future__ import annotations

import marshal
import os
import pstats
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.cli import adding
from reqprof.store import reduction
from reqprof.store.stats import merge
from tests.store.test_reduction import nearly

from .making import put, put_damaged, put_foreign, put_rubbish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from .conftest import Spawn

    Reqprof = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (reduction, adding):
        monkeypatch.setattr(module, "CHUNK", 5)
    for number in range(30):
        put(tmp_path / "profiles", size=3 + number % 9, duration=number / 100)
    return tmp_path / "profiles"


def table(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return marshal.loads(result.stdout_bytes)


def test_processes_give_what_pstats_gives(reqprof: Reqprof, folder: Path) -> None:
    files = sorted(map(str, folder.glob("*.prof")))
    theirs = pstats.Stats(*files).stats  # type: ignore[attr-defined]
    assert table(reqprof("merge", "--prof", "--jobs", 1)) == theirs
    assert nearly(table(reqprof("merge", "--prof", "--jobs", 3)), theirs)


@pytest.mark.parametrize("form", ["--text", "--folded", "--html", "--speedscope", "--callgrind"])
def test_every_format_is_the_same_from_several(reqprof: Reqprof, folder: Path, form: str) -> None:
    alone, shared = (reqprof("merge", form, "--jobs", jobs) for jobs in (1, 3))
    assert shared.exit_code == 0
    # Times may differ in the last digit.
    assert len(shared.stdout) == pytest.approx(len(alone.stdout), rel=0.02)


def test_the_bad_are_named_from_several(reqprof: Reqprof, folder: Path) -> None:
    put_rubbish(folder)
    put_damaged(folder)
    put_foreign(folder)
    found = [reqprof("merge", "--jobs", jobs, "--prof", "-o", f"{jobs}.prof") for jobs in (1, 3)]
    alone, shared = (sorted(one.stderr.replace("3.prof", "1.prof").splitlines()) for one in found)
    assert shared == alone
    assert len(shared) == 3
    assert [one.exit_code for one in found] == [1, 1]


def test_several_from_so_many_on(
    reqprof: Reqprof, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    def cores() -> int:
        used.append("asked")
        return 2

    monkeypatch.setattr(adding, "_cores", cores)
    monkeypatch.setattr(adding, "WORTH", 31)
    assert reqprof("merge", "--prof").exit_code == 0
    assert not used
    monkeypatch.setattr(adding, "WORTH", 30)
    assert reqprof("merge", "--prof").exit_code == 0
    assert used


DEADLY_MERGE = """
import os, signal, sys
from reqprof.cli import adding, cli
from reqprof.store import reader, reduction
def die(path, **options):
    os.kill(os.getpid(), signal.SIGKILL)
reader.read = die
adding.CHUNK = reduction.CHUNK = 5
cli(["merge", sys.argv[1], "--prof", "-o", sys.argv[2], "--jobs", "2"])
"""


def test_a_process_that_is_killed_is_told(
    folder: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    command = [sys.executable, "-c", DEADLY_MERGE, str(folder), str(tmp_path / "all.prof")]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    said = "one of the processes was killed, for want of memory perhaps; try --jobs 1"
    assert found.stderr == f"reqprof: {said}\n"
    assert not (tmp_path / "all.prof").exists()


@pytest.mark.parametrize("kill", [os.killpg, os.kill])
def test_ctrl_c_ends_all_processes_at_once(
    folder: Path, environment: dict[str, str], kill: Callable[[int, int], None]
) -> None:
    """A terminal sends it to each process of the group, others to the first one alone."""
    for _ in range(60):
        put(folder, size=3)
    command = [sys.executable, "-c", SLOW_MERGE, str(folder)]
    process = subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "reading\n"
    time.sleep(0.5)
    kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=10)  # the chunks would take longer
    assert process.returncode == 130
    assert "Traceback" not in said
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


SLOW_MERGE = """
import sys, time
from reqprof.cli import adding, ending, cli
from reqprof.store import reader, reduction
read = reader.read
def slowly(path, **options):
    if "reading" not in done:
        done.append("reading")
        print("reading", file=sys.stderr, flush=True)
    time.sleep(1)
    return read(path, **options)
done = []
reader.read = slowly
adding.CHUNK = reduction.CHUNK = 45
cli(["merge", sys.argv[1], "--prof", "-o", "/dev/null", "--jobs", "2"])
"""


@pytest.mark.parametrize("bad", ["0", "-1", "many", "257"])
def test_no_number_of_processes(reqprof: Reqprof, folder: Path, bad: str) -> None:
    result = reqprof("merge", "--jobs", bad)
    assert result.exit_code == 2
    assert "--jobs" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--jobs", "2", "--pprof"),
        ("--jobs", "1", "--each", "--svg", "-o", "out"),
        ("--dask", "tcp://x:1", "--pprof"),
    ],
)
def test_they_are_for_sums_alone(reqprof: Reqprof, folder: Path, words: tuple[str, ...]) -> None:
    result = reqprof("merge", *words)
    assert result.exit_code == 2
    assert "--jobs and --dask mean nothing to --" in result.stderr


def test_a_bar_while_several_read(folder: Path, spawn: Spawn) -> None:
    """On a terminal alone: here there is none."""
    result = spawn("merge", folder, "--prof", "-o", "all.prof", "--jobs", "2")
    assert result.stderr == b"wrote all.prof: 30 requests\n"


# --- weights


@pytest.fixture
def sampled(tmp_path: Path) -> Path:
    """Two requests of ten, one of two, and some that stand for themselves."""
    folder = tmp_path / "profiles"
    put(folder, name="1_aa.prof", weight=10.0, size=9)
    put(folder, weight=10.0, size=9, kept="baseline")
    put(folder, weight=2.0, size=9)
    put(folder, weight=1.0, size=9, kept="slow")
    put(folder, weight=1.0, size=9, kept="trigger")
    put_foreign(folder)
    return folder


def calls(stats: Any, name: str) -> Any:
    return sum(row[1] for function, row in stats.items() if name in function[2])


@pytest.mark.parametrize("jobs", [1, 2])
def test_sampled_ones_count_for_as_many_as_they_stand_for(
    reqprof: Reqprof, sampled: Path, jobs: int
) -> None:
    plain = table(reqprof("merge", "--prof", "--jobs", jobs))
    assert calls(plain, "work") == 6
    result = reqprof("merge", "--prof", "--weighted", "--jobs", jobs)
    weighted = table(result)
    assert calls(weighted, "work") == 22
    (one,) = sampled.glob("*_aa.prof")
    assert calls(weighted, "sorted") == 22 * calls(merge([one]), "sorted")
    assert all(type(row[0]) is type(row[1]) is int for row in weighted.values())
    assert "left out 3 profiles of no uniform share, which stand for themselves" in result.stderr


@pytest.mark.parametrize("form", ["--svg", "--text", "--html", "--pprof"])
def test_a_picture_says_that_it_is_an_estimate(
    reqprof: Reqprof, sampled: Path, tmp_path: Path, form: str
) -> None:
    result = reqprof("merge", form, "--weighted", "-o", "out")
    assert result.exit_code == 0, result.output
    assert "wrote out: about 22 requests, estimated from 3" in result.stderr
    if form == "--text":
        text = (tmp_path / "out").read_text()
        assert "about 22 requests, estimated from 3" in text
        assert "Each request counts for 2 to 10, its weight: times and calls are estimates." in text
        assert re.search(r"\b22\b.*work", text)
        assert "fair average" not in text


def test_without_it_different_rates_are_told(reqprof: Reqprof, sampled: Path) -> None:
    said = reqprof("merge", "--text").stdout
    assert "Sampled as one of 2 to 10, and counted alike; --weighted makes up for it." in said


def test_one_rate_needs_no_word(reqprof: Reqprof, tmp_path: Path) -> None:
    for _ in range(3):
        put(tmp_path / "profiles", weight=20.0)
    said = reqprof("merge", "--text").stdout
    assert "Sampled" not in said
    assert "weight" not in said


def test_where_all_were_profiled_nothing_is_an_estimate(reqprof: Reqprof, tmp_path: Path) -> None:
    for _ in range(3):
        put(tmp_path / "profiles")
    plain, weighted = (reqprof("merge", "--text", *more) for more in ([], ["--weighted"]))
    assert weighted.stdout == plain.stdout


def test_where_nothing_was_sampled_nothing_can_be_scaled(reqprof: Reqprof, tmp_path: Path) -> None:
    put(tmp_path / "profiles", kept="slow")
    result = reqprof("merge", "--weighted", "--text")
    assert result.exit_code == 3
    assert "left out 1 profile of no uniform share" in result.stderr


def test_each_picture_has_one_request(reqprof: Reqprof, sampled: Path) -> None:
    result = reqprof("merge", "--weighted", "--each", "--svg", "-o", "out")
    assert result.exit_code == 2
    assert "--weighted means nothing to --each" in result.stderr
