"""``reqprof arm``, ``pause`` and ``resume``: what they ask, wait for and take back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reqprof import wsgi
from reqprof.store import claims, control, orders
from reqprof.store.index import FOLDER
from reqprof.store.status import Trouble
from tests.cli import making
from tests.cli.test_status import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

    Reqprof = Callable[..., Result]

# What Ctrl-C sends is ignored by a child of a background shell, and a hangup under nohup.
PROGRAM = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    " signal.signal(signal.SIGHUP, signal.SIG_DFL);"
    " runpy.run_module('reqprof', run_name='__main__', alter_sys=True)"
)


@pytest.fixture
def silent(tmp_path: Path) -> Path:
    """A folder to which a process wrote some time ago."""
    folder = tmp_path / "profiles"
    say(folder, ago=100)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to which a process writes."""
    folder = tmp_path / "profiles"
    say(folder)
    return folder


def control_files(folder: Path) -> list[str]:
    place = folder / control.FOLDER
    return sorted(path.name for path in place.iterdir()) if place.exists() else []


class Service:
    """An app in the middleware that is asked for ``paths``, over and over, until it is left."""

    def __init__(self, folder: Path, *paths: str, **options: Any) -> None:
        self.served = wsgi.ProfilerMiddleware(self._app, folder, **{"sample": 0, **options})
        self._paths = paths
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Service:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()
        assert self.served.flush()

    def get(self, path: str) -> None:
        given = {"REQUEST_METHOD": "GET", "PATH_INFO": path}
        body: Any = self.served(given, lambda *_: lambda _: None)
        b"".join(body)
        body.close()

    def _app(self, environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"x"]

    def _run(self) -> None:
        while not self._is_over.wait(0.01):
            for path in self._paths:
                self.get(path)


@contextmanager
def armed(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """``reqprof arm`` as a process, once it has said what it asks."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PROGRAM, "arm", str(folder), *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("asked "), line
        yield process
        if process.poll() is None:
            process.kill()


def test_it_lists_the_requests_as_they_come_and_ends(reqprof: Reqprof, folder: Path) -> None:
    with Service(folder, "/orders/17", "/users/3") as service:
        result = reqprof("arm", folder, "--route", "/orders/{id}", "--next", 3, "--for", "1m")
    assert result.exit_code == 0
    head, *rows = result.stdout.splitlines()
    assert head.split() == ["id", "UTC", "took", "traced", "method", "status", "route", "file"]
    assert len(rows) == 3
    for row, path in zip(sorted(rows), sorted(folder.glob("*.prof"), key=id_of), strict=True):
        id_, moment, took, traced, *rest = row.split()
        assert id_ == id_of(path)
        assert moment.endswith("Z")
        assert took.endswith("ms")
        assert traced.endswith("ms")
        assert rest == ["GET", "200", "~/orders/{id}", str(path)]
    assert result.stderr == (
        "asked 1 process for the next 3 requests of /orders/{id}, within 1m00s;"
        " Ctrl-C takes it back\n"
    )
    assert control_files(folder) == []
    assert service.served.counters["stored"] == 3


def id_of(path: Path) -> str:
    return path.stem.rpartition("_")[2]


def test_json_is_one_array_with_all_facts(reqprof: Reqprof, folder: Path) -> None:
    with Service(folder, "/orders/17"):
        result = reqprof("arm", folder, "--next", 2, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert sorted(one["file"] for one in found) == sorted(map(str, folder.glob("*.prof")))
    assert {(one["path"], one["kept"]) for one in found} == {("/orders/17", "arm")}


def test_when_the_time_is_over_it_says_how_many_came(reqprof: Reqprof, folder: Path) -> None:
    result = reqprof("arm", folder, "--route", "/none", "--next", 2, "--for", "300ms")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "300ms are over: none came" in result.stderr
    assert control_files(folder) == []


def test_what_came_in_time_is_told_though_others_did_not(reqprof: Reqprof, folder: Path) -> None:
    with Service(folder) as service:
        timer = threading.Timer(0.2, service.get, ["/a"])  # the first of its process
        timer.start()
        result = reqprof("arm", folder, "--next", 2, "--for", "2s", "--json")
        timer.join()
    assert result.exit_code == 3
    assert "2.00s are over: 1 of 2 requests came" in result.stderr
    assert [one["path"] for one in json.loads(result.stdout)] == ["/a"]


@pytest.mark.parametrize("came", [0, 1])
def test_ctrl_c_takes_it_back(folder: Path, came: int) -> None:
    with armed(folder, "--next", "5") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        (name,) = control_files(folder)
        if came:
            order = control.read(str(folder / control.FOLDER)).orders[0]
            claim = claims.claim(str(folder / control.FOLDER), order)
            assert claim is not None
            claim.fill(making.request(), "some.prof")
            process.stdout.readline()
            assert "some.prof" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        said = "1 of 5 requests came" if came else "none came"
        assert process.stderr.read() == f"taken back: {said}\n"
    assert name.endswith(".order")
    assert control_files(folder) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["term", "hup"])
def test_what_ends_it_from_outside_takes_it_back(folder: Path, number: int) -> None:
    with armed(folder, "--next", "5") as process:
        assert process.stderr is not None
        process.send_signal(number)
        assert process.wait(30) == 130
        assert process.stderr.read() == "taken back: none came\n"
    assert control_files(folder) == []


def test_a_reader_that_goes_away_takes_it_back(folder: Path) -> None:
    with armed(folder, "--next", "5") as process, Service(folder, "/a"):
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(30) == 141
    assert control_files(folder) == []


def test_the_place_of_a_process_that_was_killed_is_free_again(
    reqprof: Reqprof, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = orders.place

    def placed_and_taken(folder: Path, order: control.Order) -> None:
        place(folder, order)
        claim = claims.claim(str(folder / control.FOLDER), order)
        assert claim is not None
        os.utime(claim.path, (1.0, 1.0))

    monkeypatch.setattr(orders, "place", placed_and_taken)
    with Service(folder, "/a"):
        result = reqprof("arm", folder, "--next", 1, "--for", "1m")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "for the next request, within"),
        (("--next", 2), "for the next 2 requests, within"),
        (("--method", "get"), "for the next request of GET, within"),
        (
            ("--next", 1000, "--route", "~/a/{id}", "--method", "post", "--slower-than", "800ms"),
            "for the next 1,000 requests of POST /a/{id} slower than 800ms, within",
        ),
    ],
    ids=str,
)
def test_it_says_what_it_asks(reqprof: Reqprof, folder: Path, words: Any, said: str) -> None:
    assert said in reqprof("arm", folder, "--for", "1ms", *words).stderr


def test_what_is_asked_is_in_the_file(
    reqprof: Reqprof, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed: list[control.Order] = []
    monkeypatch.setattr(orders, "place", lambda _, order: placed.append(order))
    before = time.time()
    words = ("--route", "~/a/{id}", "--method", "get", "--slower-than", "800ms", "--next", 7)
    reqprof("arm", folder, "--for", "2ms", *words)
    (order,) = placed
    asked = (order.number, order.route, order.method, order.slower_than)
    assert asked == (7, "/a/{id}", "GET", 0.8)
    assert before <= order.until - 0.002 <= time.time()


def test_it_says_where_nobody_may_hear_it(reqprof: Reqprof, silent: Path) -> None:
    result = reqprof("arm", silent, "--for", "1ms")
    assert result.exit_code == 3
    assert f"no process of {silent} was heard in the last 15.0s" in result.stderr
    assert "asked each process to come for the next request" in result.stderr


def test_it_says_that_a_pause_is_in_its_way(reqprof: Reqprof, folder: Path) -> None:
    reqprof("pause", folder)
    result = reqprof("arm", folder, "--for", "1ms")
    assert f"{folder} is paused" in result.stderr
    assert control_files(folder) == ["pause"]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("/orders/{id}", "so far; did you mean /orders/<int:id>?"),
        ("/zzz", "was of the route /zzz so far\n"),
        ("/orders/<int:id>", ""),
        ("/orders/17", ""),
        ("/orders/*", ""),
    ],
)
def test_a_route_that_was_never_seen_is_told(
    reqprof: Reqprof, folder: Path, wanted: str, said: str
) -> None:
    making.tally(folder, [0.1], route="/orders/<int:id>")
    result = reqprof("arm", folder, "--route", wanted, "--for", "1ms")
    assert said in result.stderr
    assert bool(said) is ("so far" in result.stderr)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--route", "orders"), "'orders' matches no path; a pattern begins with / or *"),
        (("--route", "/" + "a" * 1000), "a route has at most 1000 characters"),
        (("--method", "GE T"), "'GE T' is no method"),
        (("--next", 0), "0 is not in the range"),
        (("--next", 1001), "1001 is not in the range"),
        (("--for", "soon"), "'soon' is no duration"),
        (("--slower-than", "x"), "'x' is no duration"),
    ],
    ids=str,
)
def test_what_nobody_could_do_is_wrong_usage(
    reqprof: Reqprof, folder: Path, words: Any, line: str
) -> None:
    result = reqprof("arm", folder, *words)
    assert result.exit_code == 2
    assert line in result.stderr
    assert control_files(folder) == []


@pytest.mark.parametrize("name", ["arm", "pause", "resume"])
def test_a_folder_that_is_none_is_told(reqprof: Reqprof, tmp_path: Path, name: str) -> None:
    result = reqprof(name, tmp_path / "nowhere")
    assert result.exit_code == 3
    assert "no folder" in result.stderr
    (tmp_path / "file").touch()
    assert reqprof(name, tmp_path / "file").exit_code == 2
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["arm", "pause"])
def test_where_nothing_can_be_asked_is_told(reqprof: Reqprof, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / FOLDER).write_text("x")
    result = reqprof(name, folder)
    assert result.exit_code == 3
    assert f"{folder}: nothing can be asked there: File exists" in result.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_what_root_asks_its_owners_processes_can_read(reqprof: Reqprof) -> None:
    with tempfile.TemporaryDirectory() as home:  # pytest's own let nobody else through
        Path(home).chmod(0o711)
        folder = Path(home) / "profiles"
        folder.mkdir()
        os.chown(folder, 12345, 12346)
        assert reqprof("pause", folder).exit_code == 0
        made = [folder / FOLDER, folder / control.FOLDER, folder / control.FOLDER / "pause"]
        assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(12345, 12346)}
        assert os.geteuid() == 0
        assert reqprof("resume", folder).exit_code == 0


def test_what_is_over_is_swept_away(reqprof: Reqprof, folder: Path) -> None:
    old = control.Order(id="0123456789ab", number=1, until=1.0)
    orders.place(folder, old)
    orders.pause(folder, 1.0)
    reqprof("resume", folder)
    assert control_files(folder) == []


def test_a_pause_holds_until_it_is_resumed(reqprof: Reqprof, folder: Path) -> None:
    result = reqprof("pause", folder)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"paused 1 process; end it with: reqprof resume {folder}\n"
    assert control.read(str(folder / control.FOLDER)).paused_until == float("inf")
    assert reqprof("resume", folder).stderr == "resumed 1 process\n"
    assert control_files(folder) == []
    again = reqprof("resume", folder)
    assert (again.exit_code, again.stderr) == (0, f"{folder} was not paused\n")


def test_a_pause_may_end_by_itself(reqprof: Reqprof, folder: Path) -> None:
    before = time.time()
    result = reqprof("pause", folder, "--for", "10m")
    assert result.stderr.startswith("paused 1 process for 10m00s; ")
    assert before + 600 <= control.read(str(folder / control.FOLDER)).paused_until
    assert control.read(str(folder / control.FOLDER)).paused_until <= time.time() + 600


def test_a_pause_may_be_given_before_anybody_has_written(reqprof: Reqprof, tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    result = reqprof("pause", folder)
    assert result.exit_code == 0
    assert "paused each process to come" in result.stderr
    assert control_files(folder) == ["pause"]


def test_status_says_who_is_paused(reqprof: Reqprof, tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    say(folder, paused=True, cost=None, trouble=Trouble(counter="x", why="y", at=1.0))
    head, row, *_ = reqprof("status", folder).stdout.splitlines()
    assert head.split()[-2:] == ["rate", "cost"]
    assert row.split()[-1] == "paused"
    assert json.loads(reqprof("status", folder, "--json").stdout)[0]["paused"] is True
