"""``reqprof merge --dask``: on a real cluster of two processes."""

from __future__ import annotations

import marshal
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.store.stats import merge
from tests.conftest import need_module, service
from tests.servers import ROOT
from tests.store.test_reduction import nearly

from .making import put, put_foreign, put_rubbish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Spawn

CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of its scheduler."""
    need_module("distributed")
    folder = tmp_path_factory.mktemp("cluster")
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    environ = {"PYTHONPATH": path, "DASK_TEMPORARY_DIRECTORY": str(folder)}
    with service(CLUSTER, folder, **environ) as address:
        yield address


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More than a chunk for each worker."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(450):
        put(folder, size=3 + number % 9, route=f"/{number % 5}", duration=number / 100)
    put_foreign(folder)
    return folder


def test_tables(spawn: Spawn, cluster: str, folder: Path) -> None:
    found = spawn("merge", folder, "--prof", "--dask", cluster)
    assert found.returncode == 0, found.stderr
    stats: Any = marshal.loads(found.stdout)
    assert nearly(stats, merge(sorted(folder.glob("*.prof"))))


@pytest.mark.parametrize("form", ["--text", "--html"])
def test_trees(spawn: Spawn, cluster: str, folder: Path, form: str) -> None:
    far, near = (spawn("merge", folder, form, *more) for more in (["--dask", cluster], []))
    assert far.returncode == 0, far.stderr
    # Times may differ in the last digit.
    assert len(far.stdout) == pytest.approx(len(near.stdout), rel=0.02)


def test_the_bad_are_named(spawn: Spawn, cluster: str, tmp_path: Path) -> None:
    put(tmp_path / "some")
    put_rubbish(tmp_path / "some")
    found = spawn("merge", "some", "--prof", "-o", "all.prof", "--dask", cluster)
    assert found.returncode == 1
    assert b"some/rubbish.prof: not a profile" in found.stderr
    assert b"wrote all.prof: 1 request" in found.stderr


def test_workers_that_see_other_files(
    spawn: Spawn, cluster: str, folder: Path, tmp_path: Path
) -> None:
    """As on a machine of their own: here the folder goes before they read."""
    script = f"""
import shutil, sys
from reqprof.cli import adding, cli
executor = adding._cluster
def elsewhere(address):
    shutil.rmtree("some")
    return executor(address)
adding._cluster = elsewhere
cli(["merge", "some", "--prof", "-o", "all.prof", "--dask", {cluster!r}])
"""
    shutil.copytree(folder, tmp_path / "some")
    (tmp_path / "reqprof_elsewhere.py").write_text(script)
    command = [sys.executable, "reqprof_elsewhere.py"]
    path = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    found = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env=path, check=False
    )
    assert found.returncode == 1
    assert "can be read; the cluster's workers must see the same files" in found.stderr
    assert not (tmp_path / "all.prof").exists()


def test_no_scheduler_there(spawn: Spawn, folder: Path) -> None:
    need_module("distributed")
    found = spawn("merge", folder, "--prof", "-o", "all.prof", "--dask", "tcp://127.0.0.1:9")
    assert found.returncode == 3
    (line,) = found.stderr.decode().splitlines()
    assert line.startswith("reqprof: no Dask scheduler at tcp://127.0.0.1:9: ")


def test_no_address(spawn: Spawn, folder: Path) -> None:
    need_module("distributed")
    found = spawn("merge", folder, "--prof", "-o", "all.prof", "--dask", "nonsense://x")
    assert found.returncode == 3
    assert b"reqprof: no Dask scheduler at nonsense://x: " in found.stderr


def test_without_dask_it_says_what_to_install(
    spawn: Spawn, folder: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "distributed.py").write_text("raise ImportError('not here')\n")
    path = os.pathsep.join([str(tmp_path), environment["PYTHONPATH"]])
    words = ["merge", folder, "--prof", "-o", "all.prof", "--dask", "tcp://127.0.0.1:9"]
    found = spawn(*words, env={"PYTHONPATH": path})
    assert found.returncode == 2
    assert b"--dask needs Dask: pip install 'reqprof[dask]'" in found.stderr


def test_it_is_not_for_this_machine(spawn: Spawn, folder: Path) -> None:
    found = spawn(
        "merge", folder, "--jobs", "2", "--dask", "tcp://127.0.0.1:9", "--prof", "-o", "a"
    )
    assert found.returncode == 2
    assert b"--jobs is for this machine" in found.stderr
