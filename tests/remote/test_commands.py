"""The commands with URLs, as processes of their own, on the S3 server; and on a Dask cluster."""

from __future__ import annotations

import json
import marshal
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.store.stats import merge
from reqprof.store.turn import Turn
from tests.cli.conftest import quiet_environment, spawn
from tests.cli.making import NOON, put, put_rubbish, tally
from tests.cli.test_dask import cluster
from tests.store.test_reduction import nearly

from .shipping import objects, replace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Spawn

__all__ = ["cluster", "spawn"]


@pytest.fixture
def environment(s3: str) -> dict[str, str]:
    """That of the commands, who find the server by it."""
    assert s3
    return quiet_environment()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(30):
        put(
            *(tmp_path / "near",),
            size=3 + number % 9,
            start=NOON + number * 7000,
            route=f"/{number % 3}",
            duration=number / 10,
        )
    tally(tmp_path / "near", [1, 2, 3])
    return tmp_path / "near"


@pytest.fixture
def far(spawn: Spawn, folder: Path, s3: str) -> str:
    """The same, shipped."""
    found = spawn("ship", folder, s3)
    assert found.returncode == 0, found.stderr
    assert re.fullmatch(
        rb"shipped 30 profiles, [\d.]+ kB, in 3 bundles of [\d.]+ kB to s3://\S+\n", found.stderr
    )
    return s3


def test_listings_are_the_same(spawn: Spawn, folder: Path, far: str) -> None:
    for more in ([], ["--by", "route"], ["--route", "/2"], ["--slower-than", "1s"]):
        near, away = (spawn("slowest", place, *more) for place in (folder, far))
        assert away.returncode == 0, away.stderr
        assert away.stdout == near.stdout
        assert len(near.stdout.splitlines()) > 3


def test_what_a_listing_names_can_be_shown(spawn: Spawn, far: str) -> None:
    rows = json.loads(spawn("slowest", far, "--json", "-n", "4").stdout)
    (row, *_) = [row for row in rows if row["file"]]
    words = (["@2"], [row["id"][:6]])
    shown = [spawn("show", *word, "--dir", far) for word in words]
    shown.append(spawn("show", row["file"]))
    assert [one.returncode for one in shown] == [0, 0, 0], shown[-1].stderr
    assert shown[0].stdout == shown[1].stdout == shown[2].stdout
    assert row["file"].encode() in shown[0].stdout
    drawn = spawn("flame", row["file"], "-o", "one.svg")
    assert drawn.returncode == 0, drawn.stderr
    assert spawn("show", row["file"], "--svg").stdout.startswith(b"<svg")


@pytest.mark.parametrize("more", [[], ["--route", "/1"], ["--since", "2026-07-02"], ["--jobs", 2]])
def test_merges_are_the_same(spawn: Spawn, folder: Path, far: str, more: list[Any]) -> None:
    near, away = (spawn("merge", place, "--prof", *more) for place in (folder, far))
    assert away.returncode == 0, away.stderr
    one, other = (marshal.loads(found.stdout) for found in (near, away))
    assert nearly(one, other)


@pytest.mark.parametrize("form", ["--text", "--html", "--svg", "--pprof"])
def test_pictures_are_the_same(spawn: Spawn, folder: Path, far: str, form: str) -> None:
    near, away = (spawn("merge", place, form) for place in (folder, far))
    assert away.returncode == 0, away.stderr
    assert len(away.stdout) == pytest.approx(len(near.stdout), abs=200)  # but for their titles


def test_several_places_at_once(spawn: Spawn, folder: Path, far: str) -> None:
    put(folder, start=NOON)
    found = spawn("merge", folder, far, "--prof", "-o", "all.prof")
    assert b"left out 30 copies of requests already counted" in found.stderr
    assert b"wrote all.prof: 31 requests" in found.stderr


def test_check_names_the_bad(spawn: Spawn, folder: Path, far: str) -> None:
    assert spawn("check", far).stderr == b"30 profiles: 30 sound, 0 bad\n"
    (bundle, *_) = objects(far)
    replace(far, bundle, b"nothing")
    put_rubbish(folder)
    replace(far, bundle.rpartition("/")[0] + "/a.prof", (folder / "rubbish.prof").read_bytes())
    found = spawn("check", far)
    assert found.returncode == 1
    reasons = [line.rpartition(b": ")[2] for line in found.stdout.splitlines()]
    assert sorted(reasons) == [
        b"it does not begin with a table",
        b"no bundle of profiles, or one that was cut short",
    ]
    assert re.fullmatch(rb"\d\d profiles: \d\d sound, 2 bad\n", found.stderr)


def test_dask_reads_from_the_store(
    s3: str, spawn: Spawn, folder: Path, far: str, request: pytest.FixtureRequest
) -> None:
    """Its workers, which were started with the same environment, ask the store themselves."""
    assert s3 == far
    address = request.getfixturevalue("cluster")
    found = spawn("merge", far, "--prof", "--dask", address)
    assert found.returncode == 0, found.stderr
    stats: Any = marshal.loads(found.stdout)
    assert nearly(stats, merge(sorted(folder.glob("*.prof"))))
    near, away = (spawn("merge", far, "--html", *more) for more in ([], ["--dask", address]))
    assert away.returncode == 0, away.stderr
    assert len(away.stdout) == pytest.approx(len(near.stdout), rel=0.02)


class TestShip:
    def test_and_delete(self, spawn: Spawn, folder: Path, s3: str) -> None:
        found = spawn("ship", folder, s3, "--delete")
        assert found.returncode == 0
        assert found.stderr.endswith(b"; deleted 30 here\n")
        again = spawn("ship", folder, s3)
        assert again.stderr == b"shipped 0 profiles, 0 B\n"
        assert len(spawn("slowest", s3, "-n", "0").stdout.splitlines()) == 34

    def test_one_at_a_time(self, spawn: Spawn, folder: Path, s3: str) -> None:
        with Turn(folder, "").taken():
            found = spawn("ship", folder, s3)
        assert found.returncode == 1
        assert b"another process ships it; try again when that is done" in found.stderr

    @pytest.mark.parametrize(
        ("words", "status", "said"),
        [
            (["near", "far"], 2, "'far' is no URL; write s3://bucket/profiles, or file:///..."),
            (["none", "s3://bucket"], 3, "no file or folder 'none'"),
            (["near", "s4://bucket"], 2, "s4://bucket: Protocol not known: s4"),
            (["near", "s3://no-such-bucket/p"], 3, "The specified bucket does not exist"),
            (["near"], 2, "Missing argument 'URL'"),
        ],
    )
    def test_what_cannot_be(
        self, spawn: Spawn, folder: Path, s3: str, words: list[str], status: int, said: str
    ) -> None:
        assert s3.startswith("s3://")
        assert folder.exists()
        found = spawn("ship", *words)
        assert found.returncode == status
        (*_, line) = found.stderr.decode().splitlines()
        assert said in line
        assert b"Traceback" not in found.stderr


@pytest.mark.parametrize("command", ["slowest", "merge", "check", "show", "flame"])
def test_nothing_there(spawn: Spawn, s3: str, command: str) -> None:
    found = spawn(command, f"{s3}/none")
    assert found.returncode == 3
    assert found.stderr.decode() == f"reqprof: nothing there: {s3}/none\n"


@pytest.mark.parametrize("missing", ["fsspec", "s3fs"])
def test_what_is_to_be_installed(
    spawn: Spawn, tmp_path: Path, environment: dict[str, str], missing: str
) -> None:
    (tmp_path / f"{missing}.py").write_text("raise ImportError('not here')\n")
    path = os.pathsep.join([str(tmp_path), environment["PYTHONPATH"]])
    found = spawn("slowest", "s3://bucket/p", env={"PYTHONPATH": path})
    assert found.returncode == 2
    needed = "pip install 'reqprof[cloud]'" if missing == "fsspec" else "s3fs"
    assert needed in found.stderr.decode()
    assert len(found.stderr.splitlines()) == 1


def test_bundles_that_were_copied_here(spawn: Spawn, folder: Path, tmp_path: Path) -> None:
    assert spawn("ship", folder, f"file://{tmp_path}/far").returncode == 0
    for where in tmp_path.glob("far/*/*/*.zip"):
        where.rename(tmp_path / f"one {where.name}")
    near, away = (spawn("merge", place, "--prof") for place in (folder, "one*"))
    assert away.returncode == 0, away.stderr
    assert nearly(*(marshal.loads(found.stdout) for found in (near, away)))
    (one, *_) = tmp_path.glob("one*")
    assert len(spawn("slowest", one.name, "-n", "0").stdout.splitlines()) > 5
