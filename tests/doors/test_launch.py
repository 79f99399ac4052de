"""Serving an app profiled without touching its code, by what the environment says."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import importlib.util
import inspect
import logging
import math
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import reqprof.wsgi
from reqprof import launch
from reqprof.record.options import Settings
from reqprof.store import naming, reader
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


def ask(app: Any, path: str = "/users/7") -> str:
    body = app({"REQUEST_METHOD": "GET", "PATH_INFO": path}, lambda status, headers: None)
    text = b"".join(body)
    getattr(body, "close", lambda: None)()
    return text.decode()


def ask_asgi(app: Any, path: str = "/users/7") -> str:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    asyncio.run(app(scope, None, send))
    return str(sent[-1]["body"].decode())


class Program:
    """A module ``shop`` in a program of its own, with no variables of ours but those given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "shop.py").write_text(SHOP)

    def run(self, code: str, **variables: str) -> tuple[int, str, str]:
        """Exit status, standard output and standard error."""
        clean = {name: value for name, value in os.environ.items() if "REQPROF" not in name}
        paths = os.pathsep.join([str(self.folder), *sys.path])
        asking = "\n".join(["import asyncio", *map(inspect.getsource, (ask, ask_asgi)), code])
        done = subprocess.run(
            [sys.executable, "-c", f"from __future__ import annotations\n{asking}"],
            cwd=self.folder,
            env={**clean, "PYTHONPATH": paths, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout.strip(), done.stderr.strip()


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


class Here:
    """The same in this process: what ``reqprof.launch`` is to a server that imports it first."""

    def __init__(self, program: Program, patch: pytest.MonkeyPatch) -> None:
        self.folder = program.folder
        self._patch = patch
        patch.syspath_prepend(self.folder)
        patch.chdir(self.folder)

    def launch(self, **variables: str) -> Any:
        for name, value in variables.items():
            self._patch.setenv(name, value)
        spec = importlib.util.find_spec("reqprof.launch")
        assert spec is not None
        assert spec.loader is not None
        module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


@pytest.fixture
def here(program: Program, monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    yield Here(program, monkeypatch)
    sys.modules.pop("shop", None)


def left(folder: Path) -> list[tuple[str | None, int | None]]:
    found = [reader.read(path).request for path in folder.glob("*.prof")]
    return [(request.path, request.status) for request in found if request]


class TestLoad:
    @pytest.mark.parametrize(
        "name", ["shop:app", "shop", "shop:", "shop:create()", "shop:nested.app"]
    )
    def test_an_app_by_its_name(self, here: Here, name: str) -> None:
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
    def test_an_app_that_is_not_there(
        self, here: Here, name: str, error: type[Exception], said: str
    ) -> None:
        with pytest.raises(error, match=said):
            launch.load(name)


class TestApp:
    def test_a_wsgi_app_by_its_name(self, program: Program) -> None:
        code = "from reqprof.launch import wsgi; print(ask(wsgi))"
        assert program.run(code, REQPROF_APP="shop:app") == (0, "shop", "")
        assert left(program.folder / "profiles") == [("/users/7", 200)]

    def test_an_asgi_app_by_its_name(self, program: Program) -> None:
        code = "import reqprof.launch; print(ask_asgi(reqprof.launch.asgi))"
        assert program.run(code, REQPROF_APP="shop:asgi") == (0, "shop", "")
        assert left(program.folder / "profiles") == [("/users/7", 200)]

    def test_a_server_finds_what_it_asks_for(self, here: Here) -> None:
        module = here.launch(REQPROF_APP="shop:app")
        assert "wsgi" in vars(module)  # uWSGI looks there
        assert "asgi" not in vars(module)
        assert type(module.wsgi) is reqprof.wsgi.ProfilerMiddleware
        assert module.wsgi.app is importlib.import_module("shop").app

    def test_an_app_in_disguise_is_what_the_server_takes_it_for(self, here: Here) -> None:
        module = here.launch(REQPROF_APP="shop:disguised")
        assert not {"wsgi", "asgi"} & set(vars(module))
        assert ask(module.wsgi) == "shop"
        assert module.wsgi is module.wsgi

    def test_a_factory_is_called_once(self, here: Here) -> None:
        module = here.launch(REQPROF_APP="shop:create()")
        assert ask(module.wsgi) == ask(module.wsgi) == "shop"
        assert importlib.import_module("shop").made == [True]

    def test_switched_off_it_serves_and_records_nothing(self, here: Here) -> None:
        module = here.launch(REQPROF_APP="shop:app", REQPROF_ENABLED="0")
        assert (ask(module.wsgi), module.wsgi.counters) == ("shop", {})
        assert module.wsgi.flush()
        assert not (here.folder / "profiles").exists()

    def test_an_import_without_an_app_is_no_error_until_a_server_asks(self, here: Here) -> None:
        module = here.launch()
        for name in ("wsgi", "asgi"):
            with pytest.raises(ValueError, match=r"^set REQPROF_APP=module:attribute"):
                getattr(module, name)

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("", "^set REQPROF_APP=module:attribute"),
            ("shop:nothing", "^shop has no 'nothing', which 'shop:nothing' asks for$"),
        ],
    )
    def test_an_app_that_is_not_there_stops_the_server_at_the_import(
        self, here: Here, name: str, said: str
    ) -> None:
        with pytest.raises(ValueError, match=said):
            here.launch(REQPROF_APP=name)

    @pytest.mark.parametrize(
        ("name", "asked", "right"), [("shop:app", "asgi", "wsgi"), ("shop:asgi", "wsgi", "asgi")]
    )
    def test_the_wrong_door_is_told_with_the_right_one(
        self, here: Here, name: str, asked: str, right: str
    ) -> None:
        module = here.launch(REQPROF_APP=name)
        with pytest.raises(ValueError, match=f"is {right.upper()}: serve reqprof.launch:{right}"):
            getattr(module, asked)

    def test_another_attribute_is_none(self, here: Here) -> None:
        with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
            _ = here.launch(REQPROF_APP="shop:app").nothing


class TestOptions:
    def test_they_come_from_variables_of_their_names(self, here: Here) -> None:
        module = here.launch(
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
        assert module.wsgi._recorder.settings == Settings(
            out_dir=here.folder / "elsewhere",
            sample=1.0,
            max_concurrent=3,
            builtins=False,
            clock="cpu",
            max_files=12,
            max_bytes=64 << 20,
            min_free=None,
            store_path=False,
            strict=True,
        )
        assert ask(module.wsgi) == "shop"
        assert module.wsgi.flush()
        assert (here.folder / "elsewhere" / "GET.unknown.prof").is_file()

    def test_a_bad_value_stops_the_server_and_names_the_variable(self, program: Program) -> None:
        status, said, complaint = program.run(
            "import reqprof.launch", REQPROF_APP="shop", REQPROF_SAMPLE="half"
        )
        assert (status, said) == (1, "")
        assert complaint.splitlines()[-1].startswith(
            "ValueError: REQPROF_SAMPLE='half' cannot be used: "
        )

    def test_a_misspelled_variable_is_logged_with_what_may_be_meant(self, program: Program) -> None:
        assert program.run(
            "from reqprof.launch import wsgi; print(ask(wsgi))",
            REQPROF_APP="shop:app",
            REQPROF_OUTDIR="elsewhere",
        ) == (0, "shop", "REQPROF_OUTDIR is no option of reqprof; did you mean REQPROF_OUT_DIR?")

    def test_wsgi_alone_has_some_and_asgi_goes_without_them(
        self, here: Here, caplog: pytest.LogCaptureFixture
    ) -> None:
        module = here.launch(REQPROF_APP="shop:asgi", REQPROF_FILENAME_FORMAT="{method}")
        assert "filename_format is for WSGI apps" in caplog.text
        assert ask_asgi(module.asgi) == "shop"
        assert module.asgi.flush()
        assert len(left(here.folder / "profiles")) == 1

    @pytest.mark.parametrize(
        ("variable", "text", "value"),
        [
            ("sample", "0.25", 0.25),
            ("sample", "1", 1.0),
            ("sample", " 1e-3 ", 0.001),
            ("include", "GET /orders/*, /users/{id}", ["GET /orders/*", "/users/{id}"]),
            ("exclude", "none", None),
            ("slower_than", "500ms", 0.5),
            ("slower_than", "None", None),
            ("keep_errors", "0", False),
            ("worst_per_route", "10", 10),
            ("worst_window", "10m", 600.0),
            ("baseline", "0.01", 0.01),
            ("keep", "math:isfinite", math.isfinite),
            ("keep", "none", None),
            ("max_concurrent", "None", None),
            ("builtins", "TRUE", True),
            ("builtins", "off", False),
            ("max_files", "10000", 10000),
            ("max_files", "none", None),
            ("max_bytes", "1", 1),
            ("max_bytes", "1k", 1024),
            ("max_bytes", "2KB", 2000),
            ("max_bytes", "1.5MiB", 3 << 19),
            ("max_bytes", "1G", 1 << 30),
            ("max_bytes", "1e6", 1_000_000),
            ("max_bytes", "2TiB", 2 << 40),
            ("max_bytes", "none", None),
            ("min_free", "0", 0.0),
            ("min_free", "NONE", None),
            ("max_age", "7d", 604800.0),
            ("max_age", "none", None),
            ("announce", "1", True),
            ("on_profile", "None", None),
            ("on_profile", "reqprof.store.naming:name", naming.name),
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
            *(("announce", bad) for bad in ("", "x")),
            *(("on_profile", bad) for bad in ("os:nothing", "os:sep", "os:")),
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
        others |= {"REQPROF_APP": "shop", "REQPROF_ENABLED": "0", "REQPROF_REQUIRE_EXACT": "1"}
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

    def test_ours_win_over_its(self, here: Here) -> None:
        module = here.launch(
            FLAMEPROF="--wsgi-out-dir theirs --wsgi-format {url} shop:app", REQPROF_OUT_DIR="ours"
        )
        assert ask(module.wsgi) == "shop"
        assert module.wsgi.flush()
        assert (here.folder / "ours" / "users.7.prof").is_file()
        assert not (here.folder / "theirs").exists()

    def test_an_app_of_ours_wins_over_its(self, here: Here) -> None:
        module = here.launch(REQPROF_APP="shop:disguised", FLAMEPROF="nowhere:app")
        assert module.wsgi.app.__name__ == "disguised"

    def test_a_bad_one_stops_the_server(self, here: Here) -> None:
        with pytest.raises(ValueError, match=r"^FLAMEPROF='--cpu' cannot be used: ."):
            here.launch(FLAMEPROF="--cpu")


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
