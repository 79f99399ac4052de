"""``reqprof status``: what each process does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from reqprof import wsgi
from reqprof.store.index import FOLDER
from reqprof.store.status import StatusFile, Trouble
from tests.store.test_status import SAID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Reqprof = Callable[..., Result]


def say(folder: Path, ago: float = 1.0, **facts: Any) -> None:
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    StatusFile(folder).save(replace(SAID, **{"written": time.time() - ago, **facts}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "profiles"


def test_each_process_has_a_row(reqprof: Reqprof, folder: Path) -> None:
    counters = {"profiled": 1200, "stored": 900, "not_kept": 200, "dropped": 60, "unwritten": 40}
    counters |= {"skipped_concurrent": 7, "skipped_rules": 2, "failed_stats": 3, "watched": 5}
    say(folder, counters=counters, stored_bytes=4_560_000)
    say(folder, pid=43, started=2000.0, rate=None, cost=None, trouble=None, counters={})
    result = reqprof("status", folder)

    assert (result.exit_code, result.stderr) == (0, "")
    head, first, second, _, reasons, *rest = result.stdout.splitlines()
    assert head.split() == [
        *("process", "heard", "timed", "profiled", "watched", "stored", "not", "kept", "lost"),
        *("skipped", "failed", "in", "flight", "written", "rate", "cost"),
    ]
    assert first.split()[0] == "web-1:42"
    assert first.split()[2:] == [
        *("1,234", "1,200", "5", "900", "200", "100", "9", "3", "1", "4.56", "MB", "0.01", "1.9%")
    ]
    assert second.split()[-2:] == ["a", "callable"]
    assert reasons == (
        "dropped 60, failed_stats 3, not_kept 200, skipped_concurrent 7, skipped_rules 2,"
        " unwritten 40"
    )
    assert rest == ["", "last trouble", "web-1:42 at 1970-01-01T00:16:41Z: unwritten: no room"]


def test_one_that_is_silent_is_left_out_unless_asked_for(reqprof: Reqprof, folder: Path) -> None:
    say(folder, ago=100)
    say(folder, pid=43)
    result = reqprof("status", folder)
    assert "web-1:43" in result.stdout
    assert "web-1:42" not in result.stdout
    assert result.stderr == "1 more not heard for long; --all lists them\n"
    assert "web-1:42" in reqprof("status", folder, "--all").stdout


def test_json_has_all_that_they_say(reqprof: Reqprof, folder: Path) -> None:
    say(folder)
    (said,) = json.loads(reqprof("status", folder, "--json").stdout)
    assert said["counters"] == SAID.counters
    assert said["trouble"] == {"counter": "unwritten", "why": "no room", "at": 1001.0}


@pytest.mark.parametrize(
    ("make", "code", "line"),
    [
        (lambda folder: None, 3, "no folder"),
        (lambda folder: folder.mkdir(), 3, "no process has written to"),
        (lambda folder: say(folder, ago=100), 3, "; --all lists 1 process"),
        (lambda folder: folder.write_text("x"), 2, "is a file, not a folder"),
    ],
)
def test_nothing_to_tell_ends_with_a_line(
    reqprof: Reqprof, folder: Path, make: Callable[[Path], Any], code: int, line: str
) -> None:
    make(folder)
    result = reqprof("status", folder)
    assert result.exit_code == code
    assert line in result.stderr
    assert result.stderr.count("\n") == 1


def test_what_is_not_printable_is_escaped(reqprof: Reqprof, folder: Path) -> None:
    say(folder, trouble=Trouble(counter="x", why="a\x1b[31m\nb", at=1.0))
    assert "a\\x1b[31m\\nb" in reqprof("status", folder).stdout


def test_watching_shows_it_anew_until_it_is_ended(folder: Path) -> None:
    say(folder)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
    # A child of a background shell would ignore what Ctrl-C sends.
    program = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        " runpy.run_module('reqprof', run_name='__main__', alter_sys=True)"
    )
    command = [sys.executable, "-c", program, "status", str(folder), "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        heads = 0
        for line in process.stdout:
            heads += line.startswith("process")
            if heads == 2:
                break
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(30) == 130


def test_a_middleware_says_how_it_is(reqprof: Reqprof, folder: Path) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"x"]

    chosen = iter([True, False, False])
    served = wsgi.ProfilerMiddleware(app, folder, sample=lambda request: next(chosen))
    for _ in range(3):
        body: Any = served({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: lambda _: None)
        body.close()
    assert served.flush()
    (said,) = json.loads(reqprof("status", folder, "--json").stdout)
    assert (said["pid"], said["timed"], said["in_flight"]) == (os.getpid(), 3, 0)
    assert said["counters"] == served.counters
    assert said["stored_bytes"] == sum(path.stat().st_size for path in folder.glob("*.prof"))
    assert said["engine"] in ("exact", "cprofile")
    assert said["trouble"] is None
    assert time.time() - 60 < said["started"] <= said["written"] <= time.time()
