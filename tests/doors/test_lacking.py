"""Systems that lack what Linux has, such as Windows: a request is recorded, stored and read."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.recording

PROGRAM = """
import json, logging, os, random, shutil, sys, tempfile, threading
from pathlib import Path
from types import SimpleNamespace

for name in (
    "register_at_fork", "fchmod", "geteuid", "getuid", "pread", "statvfs",
    "O_CLOEXEC", "O_NOCTTY", "O_NOFOLLOW", "O_NONBLOCK",
):
    delattr(os, name)
shutil.disk_usage = lambda path: SimpleNamespace(total=2, free=1)

import reqprof
from reqprof.store import index, reader

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]

folder = Path(sys.argv[1])
middleware = reqprof.ProfilerMiddleware(app, out_dir=folder, strict=True)
response = middleware({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: lambda data: None)
assert list(response) == [b"ok"]
response.close()
assert middleware.flush(10)
assert middleware.counters["stored"] == 1, middleware.counters
(path,) = folder.glob("*.prof")
assert "app" in {function[2] for function in reader.read(path).stats}
assert reader.facts(path).status == 200
assert [one.path for one in index.find(folder).stored] == [path]
"""


def test_a_request_is_recorded_stored_and_read(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "profiles")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
