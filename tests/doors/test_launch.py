"""Serving an app profiled without touching its code, by what the environment says."""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import re
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from reqprof import launch
from reqprof.store import reader
from tests.servers import served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Profiles

pytestmark = pytest.mark.recording

SHOP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"shop"]

application = app
made = []

def create():
    made.append(True)
    return app

class nested:
    app = staticmethod(app)

async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"shop"})

def disguised(*args):
    return app(*args)

def broken():
    raise RuntimeError("the factory failed")
"""

ASK = """
def ask(app, path="/users/7"):
    body = app({"REQUEST_METHOD": "GET", "PATH_INFO": path}, lambda status, headers: None)
    text = b"".join(body)
    if hasattr(body, "close"):
        body.close()
    return text.decode()

def ask_asgi(app, path="/users/7"):
    import asyncio
    sent = []
    async def send(message):
        sent.append(message)
    scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    asyncio.run(app(scope, None, send))
    return sent[-1]["body"].decode()
"""


class Program:
    """Runs code beside a module ``shop``, with no variables of ours but those given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "shop.py").write_text(SHOP)

    def environ(self, **variables: str) -> dict[str, str]:
        paths = os.pathsep.join([str(self.folder), *sys.path])
        clean = {name: value for name, value in os.environ.items() if "REQPROF" not in name}
        return {**clean, "PYTHONPATH": paths, **variables}

    def run(self, code: str, **variables: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-c", ASK + textwrap.dedent(code)],
            cwd=self.folder,
            env=self.environ(**variables),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout.strip(), done.stderr

    def says(self, code: str, **variables: str) -> str:
        """What the code prints; it must end well and complain of nothing."""
        status, said, complaint = self.run(code, **variables)
        assert (status, complaint) == (0, "")
        return said

    def fails(self, code: str, **variables: str) -> str:
        """The last line of the traceback."""
        status, _, complaint = self.run(code, **variables)
        assert status == 1
        return complaint.strip().splitlines()[-1]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def left(folder: Path) -> list[tuple[str | None, int | None]]:
    found = [reader.read(path).request for path in folder.glob("*.prof")]
    return [(request.path, request.status) for request in found if request]


class TestLoad:
    @pytest.fixture(autouse=True)
    def _shop(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.syspath_prepend(program.folder)
        yield
        sys.modules.pop("shop", None)

    @pytest.mark.parametrize(
        "name", ["shop:app", "shop", "shop:", "shop:create()", "shop:nested.app"]
    )
    def test_an_app_by_its_name(self, name: str) -> None:
        found = launch.load(name)
        assert (found.__module__, found.__name__) == ("shop", "app")

    @pytest.mark.parametrize(
        ("name", "error", "said"),
        [
            ("shop:nothing", ValueError, "^shop has no 'nothing', which 'shop:nothing' asks for$"),
            ("shop:nested.x", ValueError, "^shop has no 'x', which 'shop:nested.x' asks for$"),
            ("shop:create(1)", ValueError, r"^shop has no 'create\(1\)'"),
            ("shop:nothing()", ValueError, "^shop has no 'nothing'"),
            ("nowhere:app", ModuleNotFoundError, "^No module named 'nowhere'$"),
            (":app", ValueError, "[Mm]odule name"),
            ("shop:broken()", RuntimeError, "^the factory failed$"),
        ],
    )
    def test_an_app_that_is_not_there(self, name: str, error: type[Exception], said: str) -> None:
        with pytest.raises(error, match=said):
            launch.load(name)


class TestApp:
    @pytest.mark.parametrize("name", ["shop:app", "shop:disguised"])
    def test_a_wsgi_app_by_its_name(self, program: Program, name: str) -> None:
        code = "from reqprof.launch import wsgi; print(ask(wsgi))"
        assert program.says(code, REQPROF_APP=name) == "shop"
        assert left(program.folder / "profiles") == [("/users/7", 200)]

    def test_an_asgi_app_by_its_name(self, program: Program) -> None:
        code = "import reqprof.launch; print(ask_asgi(reqprof.launch.asgi))"
        assert program.says(code, REQPROF_APP="shop:asgi") == "shop"
        assert left(program.folder / "profiles") == [("/users/7", 200)]

    def test_as_the_servers_find_it(self, program: Program) -> None:
        code = """
        import importlib, shop
        module = importlib.import_module("reqprof.launch")  # gunicorn, uvicorn
        assert "wsgi" in vars(module)  # uWSGI looks there
        assert "asgi" not in vars(module)
        assert module.wsgi is module.wsgi is getattr(module, "wsgi")
        assert type(module.wsgi).__module__ == "reqprof.wsgi"
        assert module.wsgi.app is shop.app
        """
        program.says(code, REQPROF_APP="shop:app")

    def test_a_factory_is_called_once(self, program: Program) -> None:
        code = "from reqprof.launch import wsgi; import shop; ask(wsgi); print(shop.made)"
        assert program.says(code, REQPROF_APP="shop:create()") == "[True]"

    def test_switched_off_it_serves_and_records_nothing(self, program: Program) -> None:
        code = "from reqprof.launch import wsgi; print(ask(wsgi), wsgi.counters)"
        said = program.says(code, REQPROF_APP="shop:app", REQPROF_ENABLED="0")
        assert said == "shop {}"
        assert not (program.folder / "profiles").exists()

    def test_an_import_without_an_app_is_no_error_until_a_server_asks(
        self, program: Program
    ) -> None:
        program.says("import reqprof.launch; reqprof.launch.load")
        told = program.fails("from reqprof.launch import wsgi")
        assert "REQPROF_APP=module:attribute" in told

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("", "ValueError: set REQPROF_APP=module:attribute"),
            ("shop:nothing", "ValueError: shop has no 'nothing', which 'shop:nothing' asks for"),
        ],
    )
    def test_an_app_that_is_not_there_stops_the_server_at_the_import(
        self, program: Program, name: str, said: str
    ) -> None:
        assert program.fails("import reqprof.launch", REQPROF_APP=name).startswith(said)

    @pytest.mark.parametrize(
        ("name", "asked", "right"), [("shop:app", "asgi", "wsgi"), ("shop:asgi", "wsgi", "asgi")]
    )
    def test_the_wrong_door_is_told_with_the_right_one(
        self, program: Program, name: str, asked: str, right: str
    ) -> None:
        told = program.fails(f"from reqprof.launch import {asked}", REQPROF_APP=name)
        assert f"is {right.upper()}: serve reqprof.launch:{right}" in told

    def test_another_attribute_is_none(self, program: Program) -> None:
        told = program.fails("from reqprof.launch import nothing", REQPROF_APP="shop:app")
        assert told.startswith("ImportError: cannot import name 'nothing'")


class TestOptions:
    def test_they_come_from_variables_of_their_names(self, program: Program) -> None:
        code = """
        import dataclasses
        from reqprof.launch import wsgi
        ask(wsgi)
        print({k: str(v) for k, v in dataclasses.asdict(wsgi._recorder.settings).items()})
        """
        said = program.says(
            code,
            REQPROF_APP="shop:app",
            REQPROF_OUT_DIR="elsewhere",
            REQPROF_SAMPLE="1.0",
            REQPROF_MAX_CONCURRENT="3",
            REQPROF_BUILTINS="no",
            REQPROF_CLOCK="cpu",
            REQPROF_MAX_FILES="12",
            REQPROF_MAX_BYTES="64MiB",
            REQPROF_MIN_FREE="none",
            REQPROF_STORE_PATH="0",
            REQPROF_STRICT="1",
            REQPROF_FILENAME_FORMAT="{method}.{path}",
        )
        assert eval(said) == {
            "out_dir": str(program.folder / "elsewhere"),
            "sample": "1.0",
            "max_concurrent": "3",
            "builtins": "False",
            "clock": "cpu",
            "max_files": "12",
            "max_bytes": str(64 << 20),
            "min_free": "None",
            "store_path": "False",
            "strict": "True",
        }
        assert [path.name for path in (program.folder / "elsewhere").glob("*.prof")] == [
            "GET.unknown.prof"
        ]

    def test_a_bad_value_stops_the_server_and_names_the_variable(self, program: Program) -> None:
        told = program.fails("import reqprof.launch", REQPROF_APP="shop", REQPROF_SAMPLE="half")
        assert told.startswith("ValueError: REQPROF_SAMPLE='half' cannot be used")

    def test_a_misspelled_variable_is_logged_with_what_may_be_meant(self, program: Program) -> None:
        status, said, complaint = program.run(
            "from reqprof.launch import wsgi; print(ask(wsgi))",
            REQPROF_APP="shop:app",
            REQPROF_OUTDIR="elsewhere",
        )
        assert (status, said) == (0, "shop")
        assert complaint.strip() == (
            "REQPROF_OUTDIR is no option of reqprof; did you mean REQPROF_OUT_DIR?"
        )

    def test_wsgi_alone_has_some_and_asgi_goes_without_them(self, program: Program) -> None:
        status, said, complaint = program.run(
            "from reqprof.launch import asgi; print(ask_asgi(asgi))",
            REQPROF_APP="shop:asgi",
            REQPROF_FILENAME_FORMAT="{method}",
        )
        assert (status, said) == (0, "shop")
        assert "filename_format is for WSGI apps" in complaint
        assert len(left(program.folder / "profiles")) == 1

    @pytest.mark.parametrize(
        ("variable", "text", "value"),
        [
            ("sample", "0.25", 0.25),
            ("sample", "1", 1.0),
            ("sample", " 1e-3 ", 0.001),
            ("max_concurrent", "None", None),
            ("builtins", "TRUE", True),
            ("builtins", "off", False),
            ("max_files", "10000", 10000),
            ("max_files", "none", None),
            ("max_bytes", "1", 1),
            ("max_bytes", "1k", 1024),
            ("max_bytes", "2KB", 2048),
            ("max_bytes", "1.5MiB", 3 << 19),
            ("max_bytes", "1G", 1 << 30),
            ("max_bytes", "1e6", 1_000_000),
            ("max_bytes", "2TiB", 2 << 40),
            ("max_bytes", "none", None),
            ("min_free", "0", 0.0),
            ("min_free", "NONE", None),
            ("out_dir", "a b", "a b"),
            ("profile_dir", "x", "x"),
            ("filename_format", "{path}", "{path}"),
        ],
    )
    def test_what_a_text_means(self, variable: str, text: str, value: Any) -> None:
        assert launch.options({f"REQPROF_{variable.upper()}": text}) == {variable: value}

    @pytest.mark.parametrize(
        ("variable", "text"),
        [
            *(("sample", bad) for bad in ("", "all", "2", "-1", "nan", "inf", "50%")),
            *(("max_concurrent", bad) for bad in ("", "0", "1.5", "many")),
            *(("builtins", bad) for bad in ("", "2", "maybe")),
            *(("clock", bad) for bad in ("", "WALL", "process")),
            *(("max_files", bad) for bad in ("", "0", "-3", "1e3", "1k")),
            *(
                ("max_bytes", bad)
                for bad in ("", "0", "b", "M", "iB", "1x", "-1k", "nan", "inf", "1e999")
            ),
            *(("min_free", bad) for bad in ("", "1", "5%", "nan")),
            *(("store_path", bad) for bad in ("", "x")),
            *(("strict", bad) for bad in ("", "x")),
            ("out_dir", ""),
            ("profile_dir", ""),
            ("out_dir", "~nobody-by-this-name"),
            ("filename_format", "{nothing}"),
        ],
    )
    def test_a_bad_value_is_told_with_its_variable(self, variable: str, text: str) -> None:
        name = f"REQPROF_{variable.upper()}"
        told = re.escape(f"{name}={text!r} cannot be used: ")
        with pytest.raises(ValueError, match=f"^{told}.") as caught:
            launch.options({name: text})
        assert "\n" not in str(caught.value)
        assert caught.value.__suppress_context__

    @pytest.mark.parametrize(
        ("variable", "hint"),
        [
            ("REQPROF_OUTDIR", "did you mean REQPROF_OUT_DIR?"),
            ("REQPROF_SAMPEL", "did you mean REQPROF_SAMPLE?"),
            ("REQPROF_MAXFILES", "did you mean REQPROF_MAX_FILES?"),
            ("REQPROF_QZX", "REQPROF_QZX is no option of reqprof"),
            ("REQPROF_", "REQPROF_ is no option of reqprof"),
        ],
    )
    def test_a_name_that_is_none_is_only_logged(
        self, variable: str, hint: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert launch.options({variable: "x"}) == {}
        (record,) = caplog.records
        assert (record.name, record.levelno) == ("reqprof", logging.WARNING)
        assert record.getMessage().endswith(hint)

    def test_other_variables_are_none_of_ours(self, caplog: pytest.LogCaptureFixture) -> None:
        others = dict.fromkeys(["PATH", "MY_REQPROF_SAMPLE", "REQPROFSAMPLE", "SAMPLE"], "x")
        others |= {"REQPROF_APP": "shop", "REQPROF_ENABLED": "0"}
        assert launch.options(others) == {}
        assert caplog.records == []


class TestFlameprof:
    """``FLAMEPROF`` is understood as flameprof understands it."""

    def test_its_example(self) -> None:
        text = "--wsgi-format='{method}.{url}.{ts}.{duration}ms' mypkg.mymod:application"
        assert launch.flameprof(text) == (
            "mypkg.mymod:application",
            {
                "out_dir": "/tmp",
                "filename_format": "{method}.{url}.{ts}.{duration}ms",
                "clock": "wall",
            },
        )

    def test_its_defaults(self) -> None:
        assert launch.flameprof("mod") == (
            "mod",
            {"out_dir": "/tmp", "filename_format": "{method}.{url}", "clock": "wall"},
        )

    def test_what_concerns_its_pictures_is_taken_and_not_needed(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        pictures = "--width 100 --row-height 9 --font-size=7 --threshold 0 --format log -o x"
        name, options = launch.flameprof(
            f"--wsgi-out-dir 'a b' {pictures} --log-mult 2 mod:app --cpu"
        )
        assert (name, options["out_dir"], options["clock"]) == ("mod:app", "a b", "cpu")
        assert caplog.records == []

    def test_what_it_does_not_know_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        assert launch.flameprof("mod:app --shiny")[0] == "mod:app"
        assert "FLAMEPROF: --shiny is not understood" in caplog.text

    @pytest.mark.parametrize("text", ["", "--cpu", "--wsgi-out-dir", "mod:app --width", "'mod:app"])
    def test_what_names_no_app_is_told(self, text: str, capsys: pytest.CaptureFixture[str]) -> None:
        told = re.escape(f"FLAMEPROF={text!r} cannot be used: ")
        with pytest.raises(ValueError, match=f"^{told}.*[a-z]"):
            launch.flameprof(text)
        assert capsys.readouterr() == ("", "")

    def test_ours_win_over_its(self, program: Program) -> None:
        program.says(
            "from reqprof.launch import wsgi; ask(wsgi)",
            FLAMEPROF="--wsgi-out-dir theirs --wsgi-format {url} shop:app",
            REQPROF_OUT_DIR="ours",
        )
        assert [path.name for path in (program.folder / "ours").iterdir() if path.is_file()] == [
            "users.7.prof"
        ]
        assert not (program.folder / "theirs").exists()

    def test_an_app_of_ours_wins_over_its(self, program: Program) -> None:
        code = "from reqprof.launch import wsgi; print(wsgi.app.__name__)"
        said = program.says(code, REQPROF_APP="shop:disguised", FLAMEPROF="nowhere:app")
        assert said == "disguised"

    def test_a_bad_one_stops_the_server(self, program: Program) -> None:
        told = program.fails("import reqprof.launch", FLAMEPROF="--cpu")
        assert told.startswith("ValueError: FLAMEPROF='--cpu' cannot be used: ")


def fetch(address: tuple[str, int], path: str) -> tuple[int, bytes]:
    with contextlib.closing(http.client.HTTPConnection(*address, timeout=30)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()


class TestServers:
    def test_gunicorn_with_what_flameprof_users_have_set(self, profiles: Profiles) -> None:
        environ = {
            "FLAMEPROF": f"--wsgi-out-dir '{profiles.folder}' --wsgi-format "
            "'{method}.{url}.{ts}.{duration}ms' tests.servers.apps:plain_wsgi"
        }
        with served("gunicorn", "reqprof.launch:wsgi", environ=environ) as address:
            assert fetch(address, "/alpha")[0] == 200
        names = [path.name for path in profiles.paths()]
        assert (
            sum(bool(re.fullmatch(r"GET\.alpha\.\d{13}\.\d+ms\.prof", name)) for name in names) == 1
        )

    def test_uvicorn(self, profiles: Profiles) -> None:
        environ = {
            "REQPROF_APP": "tests.servers.apps:plain_asgi",
            "REQPROF_OUT_DIR": str(profiles.folder),
        }
        with served("uvicorn", "reqprof.launch:asgi", environ=environ) as address:
            assert fetch(address, "/alpha")[0] == 200
        assert "/alpha" in [read.request.path for read in profiles.read() if read.request]
