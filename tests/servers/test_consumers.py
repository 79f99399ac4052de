"""What others' tools make of the files that each real server leaves: they open, trailer and all."""

from __future__ import annotations

import os
import pstats
import socket
import subprocess
import sys
import urllib.request
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Profiles, need_module
from tests.servers import served
from tests.servers.client import traffic

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.recording


def run(*arguments: str) -> str:
    """What a tool prints, run as its user runs it."""
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def opens_in_pstats(path: Path, folder: Path) -> None:
    names = {function[2] for function in pstats.Stats(str(path)).stats}  # type: ignore[attr-defined]
    assert names & {"alpha_view", "beta_view"}


def opens_in_gprof2dot(path: Path, folder: Path) -> None:
    need_module("gprof2dot")
    assert "_view" in run("gprof2dot", "-f", "pstats", "-n", "0", "-e", "0", str(path))


def opens_in_tuna(path: Path, folder: Path) -> None:
    need_module("tuna")
    run("tuna", str(path), "--outdir", str(folder), "--no-browser")
    assert "_view" in (folder / "index.html").read_text()


def opens_in_flameprof(path: Path, folder: Path) -> None:
    need_module("flameprof")
    picture = folder / "flameprof.svg"
    run("flameprof", "-o", str(picture), str(path))
    assert "_view" in ElementTree.tostring(ElementTree.parse(picture).getroot(), "unicode")


def opens_in_snakeviz(path: Path, folder: Path) -> None:
    need_module("snakeviz")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-u", "-m", "snakeviz", "--server", "-p", str(port), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            # It takes another port where that one is in use by now, and prints its address.
            url = next(line for line in process.stdout if line.startswith("http")).strip()
            with urllib.request.urlopen(url, timeout=30) as page:
                assert "_view" in page.read().decode()
        finally:
            process.kill()


OPENS = [
    opens_in_pstats,
    opens_in_gprof2dot,
    opens_in_tuna,
    opens_in_flameprof,
    opens_in_snakeviz,
]


@pytest.fixture(scope="module", params=["waitress", "gunicorn", "uvicorn"])
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One profile of each route, as that server left it."""
    folder = tmp_path_factory.mktemp(request.param)
    interface = "asgi" if request.param == "uvicorn" else "wsgi"
    app, environ = f"tests.servers.apps:{interface}", {"TEST_PROFILES": str(folder)}
    with served(request.param, app, environ={**environ, "PATH": os.environ["PATH"]}) as address:
        traffic(address, 4, ["/alpha", "/beta"])
    found = {
        profile.request.path: profile.path
        for profile in Profiles(folder).read()
        if profile.request and isinstance(profile.path, Path)
    }
    return [path for route in ("/alpha", "/beta") if (path := found[route])]


@pytest.mark.parametrize("opens", OPENS, ids=lambda opens: opens.__name__)
def test_it_opens(opens: Callable[[Path, Path], None], sample: list[Path], tmp_path: Path) -> None:
    for path in sample:
        opens(path, tmp_path)
