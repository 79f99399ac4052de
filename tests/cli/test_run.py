"""``reqprof run``: a real server for a person's app, and one line where there can be none."""

from __future__ import annotations

import gc
import http.client
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from reqprof.cli import run
from reqprof.cli.listing import cells
from reqprof.cli.talk import Screen
from reqprof.model import Request
from tests.conftest import Profiles, calls, need_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .conftest import Spawn

    Run = Callable[..., AbstractContextManager["Running"]]

WSGI = """
import gc, time

def work(path):
    if path == "/slow":
        time.sleep(0.3)
    if path == "/boom":
        raise ValueError("no luck")
    return repr(gc.get_threshold()).encode()

def app(environ, start_response):
    body = work(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]

def make():
    return app
"""

ASGI = """
import gc, asyncio

async def work(path):
    if path == "/slow":
        await asyncio.sleep(0.3)
    if path == "/boom":
        raise ValueError("no luck")
    return repr(gc.get_threshold()).encode()

async def app(scope, receive, send):
    if scope["type"] == "http":
        body = await work(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

def make():
    return app
"""

APPS = {"wsgi": (WSGI, "werkzeug"), "asgi": (ASGI, "uvicorn")}

PROGRAM = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    " runpy.run_module('reqprof', run_name='__main__', alter_sys=True)"
)
"""A child of a background shell would ignore what Ctrl-C sends."""


@dataclass
class Running:
    """The command while it serves, and what it has said once it has ended."""

    port: int
    first: str
    err: Path
    told: list[str] = field(default_factory=list)  # of requests
    last: list[str] = field(default_factory=list)  # after the first line, on stderr
    status: int | None = None

    def says(self, text: str) -> None:
        """Wait until it does, on stderr."""
        deadline = time.monotonic() + 30
        while text not in self.err.read_text():
            assert time.monotonic() < deadline, self.err.read_text()
            time.sleep(0.05)

    def get(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", path)
        response = connection.getresponse()
        answer = response.status, response.read(), dict(response.getheaders())
        connection.close()
        return answer


@pytest.fixture(name="running")
def _running(tmp_path: Path, environment: dict[str, str]) -> Run:
    """Runs the command on a free port of a folder with ``shop.py``, and ends it by a signal."""

    @contextmanager
    def running(
        *words: object, end: signal.Signals = signal.SIGINT, **environ: str
    ) -> Iterator[Running]:
        out, err = tmp_path / "stdout", tmp_path / "stderr"
        command = [sys.executable, "-c", PROGRAM, "run", *map(str, words), "--port", "0"]
        with out.open("w") as stdout, err.open("w") as stderr:
            process = subprocess.Popen(
                command,
                cwd=tmp_path,
                env={**environment, "PYTHONWARNINGS": "", **environ},
                stdout=stdout,
                stderr=stderr,
            )
        try:
            first = _first_line(process, err)
            found = Running(int(re.findall(r"http://127\.0\.0\.1:(\d+)\b", first)[0]), first, err)
            yield found
            process.send_signal(end)
            found.status = process.wait(30)
        finally:
            process.kill()
            process.wait()
        found.told = out.read_text().splitlines()
        found.last = err.read_text().splitlines()[1:]

    return running


def _first_line(process: subprocess.Popen[bytes], err: Path) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        if "\n" in err.read_text():
            return err.read_text().splitlines()[0]
        time.sleep(0.05)
    raise AssertionError(err.read_text())


@pytest.fixture(params=APPS)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Which app ``shop:app`` is."""
    code, server = APPS[request.param]
    need_module(server)
    (tmp_path / "shop.py").write_text(code)
    return str(request.param)


class TestServing:
    def test_each_request_is_told_with_its_profile(
        self, kind: str, running: Run, profiles: Profiles
    ) -> None:
        with running("shop:app") as served:
            assert served.get("/a%20b?x=1")[0] == 200
            assert served.get("/boom")[0] == 500
            served.says("ValueError: no luck")  # the server's own traceback, after its answer
        assert served.first == (
            f"serving shop:app ({kind.upper()}) at http://127.0.0.1:{served.port},"
            " profiles go to profiles; Ctrl-C ends it"
        )
        assert served.status == 0
        assert (
            served.last[-1] == "2 profiles in profiles; what took longest: reqprof slowest profiles"
        )
        # A line is told as its request ends, which on a threaded server is after the response
        # was read: the second request may be told first.
        told = {words[3]: words for words in map(str.split, served.told)}
        by_status = {
            profile.request.status: profile for profile in profiles.read() if profile.request
        }
        fine, failed = by_status[200], by_status[None]
        assert fine.request is not None
        assert fine.path is not None
        assert failed.path is not None
        assert told["/a"][1:] == ["GET", "200", "/a", "b", fine.path.name]
        assert re.fullmatch(r"\d+(\.\d+)?ms", told["/a"][0])
        assert told["/boom"][1:] == ["GET", "-", "/boom", "(ValueError)", failed.path.name]
        assert len(served.told) == 2
        assert calls(fine)["work"] == 1

    def test_what_the_rules_leave_out_is_told_too(
        self, kind: str, running: Run, profiles: Profiles
    ) -> None:
        with running("shop:app", "--slower-than", "200ms", "--exclude", "/static/*") as served:
            for path in ("/static/x.css", "/slow", "/fast"):
                assert served.get(path)[0] == 200
        (profile,) = profiles.paths()
        told = {line.split()[3]: line.split(maxsplit=4)[4] for line in served.told}
        assert told == {"/static/x.css": "no profile", "/fast": "no profile", "/slow": profile.name}

    def test_without_any_profile_the_end_says_so(
        self, kind: str, running: Run, profiles: Profiles
    ) -> None:
        with running("shop:app", "--sample", "0", "--out", "my profiles") as served:
            served.get("/")
        more = "reqprof slowest 'my profiles'"
        assert served.last == [f"no profile was stored; what requests took: {more}"]
        assert profiles.paths() == []

    def test_no_request_at_all_ends_well(self, kind: str, running: Run) -> None:
        with running("shop:app", end=signal.SIGTERM) as served:
            pass
        assert (served.status, served.told, served.last) == (0, [], ["no request came"])

    def test_sigterm_writes_the_last_profile_too(
        self, kind: str, running: Run, profiles: Profiles
    ) -> None:
        with running("shop:app", end=signal.SIGTERM) as served:
            served.get("/")
        assert served.status == 0
        assert len(profiles.paths()) == 1

    def test_a_factory_in_another_folder(
        self, kind: str, running: Run, tmp_path: Path, profiles: Profiles
    ) -> None:
        package = tmp_path / "src" / "store"
        package.mkdir(parents=True)
        (tmp_path / "shop.py").rename(package / "front.py")
        with running("store.front:make", "--factory", "--app-dir", "src") as served:
            assert served.get("/")[0] == 200
        assert calls(profiles.one())["work"] == 1

    def test_the_response_announces_its_profile_if_asked(
        self, kind: str, running: Run, profiles: Profiles
    ) -> None:
        with running("shop:app", "--announce") as served:
            headers = {name.lower(): value for name, value in served.get("/")[2].items()}
        request = profiles.one().request
        assert request is not None
        assert headers["x-reqprof-id"] == request.id

    def test_the_app_runs_with_pythons_own_collection_of_garbage(
        self, kind: str, running: Run
    ) -> None:
        with running("shop:app") as served:
            assert served.get("/")[1] == repr(gc.get_threshold()).encode()

    def test_switched_off_by_the_environment_it_says_so(
        self, kind: str, running: Run, profiles: Profiles
    ) -> None:
        with running("shop:app", REQPROF_ENABLED="0") as served:
            assert served.get("/")[0] == 200
        assert served.last == [
            "reqprof: REQPROF_ENABLED is off in the environment: nothing is profiled"
        ]
        assert profiles.paths() == []


BELOW = """
from werkzeug.middleware.proxy_fix import ProxyFix
app = ProxyFix(reqprof.ProfilerMiddleware(app, "own"))
"""
FLASK = """
import flask
app = flask.Flask("shop")
app.wsgi_app = reqprof.ProfilerMiddleware(app.wsgi_app, "own")
"""
STARLETTE = """
import starlette.applications
app = starlette.applications.Starlette()
app.add_middleware(reqprof.ProfilerMiddleware, out_dir="own")
"""
OWN = {
    "itself": ("wsgi", "app = reqprof.ProfilerMiddleware(app, 'own')"),
    "below another": ("wsgi", BELOW),
    "flask": ("wsgi", FLASK),
    "starlette": ("asgi", STARLETTE),
}


@pytest.mark.parametrize("how", OWN)
def test_what_is_wrapped_already_is_not_wrapped_again(
    how: str, running: Run, tmp_path: Path, profiles: Profiles
) -> None:
    kind, code = OWN[how]
    for package in ("flask", "starlette", APPS[kind][1]):
        need_module(package)
    (tmp_path / "shop.py").write_text(f"{APPS[kind][0]}\nimport reqprof\n{code}\n")
    with running("shop:app", "--announce") as served:
        assert "X-Reqprof-Id" not in served.get("/")[2]
    assert "profiles go" not in served.first
    told, end = served.last
    assert told == (
        "shop:app is wrapped in reqprof's middleware: that one's options count, and not these"
    )
    own = Profiles(tmp_path / "own")
    assert [line.split()[-1] for line in served.told] == [path.name for path in own.paths()]
    assert end == f"1 profile in {own.folder}; what took longest: reqprof slowest {own.folder}"
    assert not profiles.folder.exists()


BAD: list[tuple[str, list[str], int, str]] = [
    ("", ["shop"], 2, "'shop' names no app; write MODULE:NAME, such as shop:app for the app in sh"),
    ("", ["shop.py:app"], 2, "'shop.py:app' names no app; write MODULE:NAME"),
    ("", ["shop:make()"], 2, "'shop:make()' names no app; write MODULE:NAME"),
    ("", ["nothing:app"], 3, "no module 'nothing' here, nor installed (--app-dir says where it is"),
    ("", ["shop.more:app"], 3, "no module 'shop.more' here, nor installed"),
    ("", ["shop:app", "--app-dir", "gone"], 3, "gone: no such folder"),
    ("", ["shop:app"], 3, "shop has no 'app', which 'shop:app' asks for"),
    ("class a: b = 1", ["shop:a.c.d"], 3, "shop has no 'c', which 'shop:a.c.d' asks for"),
    ("app = 7", ["shop:app"], 2, "7 is no WSGI app and no ASGI app"),
    ("def app(): ...", ["shop:app"], 2, "if it is to be called to make the app, give --factory"),
    ("app = 7", ["shop:app", "--factory"], 2, "shop:app cannot be called: it makes no app"),
    (
        "app = lambda e, s: []",
        ["shop:app", "--sample", "2"],
        2,
        "sample must be from 0 to 1; got 2",
    ),
    ("app = lambda e, s: []", ["shop:app", "--include", "x"], 2, "'x' matches no path"),
    ("", ["shop:app", "--out", "shop.py"], 2, "shop.py is a file; --out names a folder for the pr"),
    (
        "app = lambda e, s: []",
        ["shop:app", "--host", "no.invalid"],
        3,
        "cannot listen at http://no",
    ),
]


@pytest.mark.parametrize(("code", "words", "status", "line"), BAD)
def test_what_cannot_be_served_is_one_line(
    code: str, words: list[str], status: int, line: str, spawn: Spawn, tmp_path: Path
) -> None:
    need_module("werkzeug")
    (tmp_path / "shop.py").write_text(code)
    done = spawn("run", *words)
    assert (done.returncode, done.stdout) == (status, b"")
    assert line in done.stderr.decode()
    assert done.stderr.startswith(b"reqprof: ")
    assert done.stderr.count(b"\n") == 1


RAISING: list[tuple[str, list[str], str]] = [
    (
        "def f():\n    raise OSError('no database')\nf()",
        [],
        "shop cannot be imported: it raised OSE",
    ),
    ("import nothing_there", [], "shop cannot be imported: No module named 'nothing_there'"),
    (
        "def app():\n    raise OSError('no')",
        ["--factory"],
        "shop:app made no app: it raised OSError",
    ),
]


@pytest.mark.parametrize(("code", "words", "line"), RAISING)
def test_what_the_app_raises_has_its_traceback_from_its_own_first_line(
    code: str, words: list[str], line: str, spawn: Spawn, tmp_path: Path
) -> None:
    (tmp_path / "shop.py").write_text(code)
    done = spawn("run", "shop:app", *words)
    assert done.returncode == 1
    head, frame, *_, last = done.stderr.decode().splitlines()
    assert head == "Traceback (most recent call last):"
    assert frame.startswith(f'  File "{tmp_path / "shop.py"}", line ')
    assert last.startswith(f"reqprof: {line}")


def test_an_app_that_exits_says_why_itself(spawn: Spawn, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("import sys; sys.exit('set DATABASE_URL')")
    done = spawn("run", "shop:app")
    assert (done.returncode, done.stderr.strip()) == (1, b"set DATABASE_URL")


def test_an_app_that_fails_to_start_is_an_error(spawn: Spawn, tmp_path: Path) -> None:
    need_module("uvicorn")
    (tmp_path / "shop.py").write_text("""
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
""")
    done = spawn("run", "shop:app", "--port", "0", env={"PYTHONWARNINGS": ""})
    assert done.returncode == 1
    lines = done.stderr.decode().splitlines()
    assert any("no database" in line for line in lines)
    assert lines[-1] == "reqprof: the app did not start: its lifespan failed"


def test_a_port_in_use_is_one_line(kind: str, spawn: Spawn) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = spawn("run", "shop:app", "--port", port)
    assert done.returncode == 3
    assert done.stderr.decode() == (
        f"reqprof: cannot listen at http://127.0.0.1:{port}: Address already in use;"
        " --port 0 takes a free one\n"
    )


def test_a_missing_server_is_one_line(kind: str, spawn: Spawn, tmp_path: Path) -> None:
    server = APPS[kind][1]
    (tmp_path / f"{server}.py").write_text("raise ImportError")
    done = spawn("run", "shop:app")
    assert done.returncode == 2
    assert done.stderr.decode() == (
        f"reqprof: serving {'a WSGI' if kind == 'wsgi' else 'an ASGI'} app needs {server},"
        " which is not installed: pip install 'reqprof[run]'\n"
    )


@pytest.mark.parametrize("width", [51, 80, 200])
@pytest.mark.parametrize(
    "path", ["/", "/a" * 300, "/\x1b[31m", "/本" * 50], ids=["short", "long", "escape", "wide"]
)
def test_a_line_fits_the_terminal_and_is_harmless(path: str, width: int, tmp_path: Path) -> None:
    request = Request(id="0123456789ab", method="GET", path=path, status=500, duration=1.5)
    name = "20261123T160818.884091Z_0001500000us_GET_500_a_0123456789ab.prof"
    line = run.line(request, tmp_path / name, Screen(width))
    assert line.isprintable()
    assert cells(line) <= width
    assert line.startswith("  1.50s  GET        500  /")
    assert line.endswith("b.prof")
