"""The options of both doors: one set of names everywhere, and a clear no to each bad value."""

from __future__ import annotations

import dataclasses
import inspect
import io
import math
from pathlib import Path
from typing import Any

import pytest

import reqprof
from reqprof import asgi, launch, wsgi
from reqprof.record.options import Options, Settings, folder
from reqprof.store.caps import Caps

pytestmark = pytest.mark.recording

DOORS = ["wsgi", "asgi", "either"]


def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b""]


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    return None


class AsyncCallable:
    async def __call__(self, request: Any, path: Any) -> None:
        return None

    def __repr__(self) -> str:
        return "AsyncCallable()"


def build(door: str, **options: Any) -> Any:
    if door == "wsgi":
        return wsgi.ProfilerMiddleware(wsgi_app, **options)
    if door == "asgi":
        return asgi.ProfilerMiddleware(asgi_app, **options)
    return reqprof.ProfilerMiddleware(asgi_app, **options)


def settings_names() -> set[str]:
    return {field.name for field in dataclasses.fields(Settings)} - {"out_dir"}


def test_one_set_of_names_everywhere() -> None:
    assert set(Options.__annotations__) == settings_names()
    for door in (wsgi.ProfilerMiddleware, asgi.ProfilerMiddleware):
        parameters = inspect.signature(door).parameters
        assert parameters["out_dir"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        assert list(parameters)[:2] == ["app", "out_dir"]


def test_launch_reads_every_option_of_both_doors() -> None:
    assert set(launch._READ) == settings_names() | {"out_dir"}
    text = {inspect.Parameter.KEYWORD_ONLY}
    own = {
        name
        for name, parameter in inspect.signature(wsgi.ProfilerMiddleware).parameters.items()
        if parameter.kind in text
    }
    # A stream is an object and no text; what it prints matters only with one.
    assert set(launch._READ_WSGI) == own - {"stream", "sort_by", "restrictions"}


def test_what_an_environment_variable_can_say_is_what_the_defaults_mean() -> None:
    defaults = Settings(out_dir=Path("profiles"))
    said = {
        f"REQPROF_{name.upper()}": str(getattr(defaults, name))
        for name in settings_names() | {"out_dir"}
    }
    found = launch.options(said)
    assert Settings(**{**found, "out_dir": Path(found["out_dir"])}) == defaults


BAD: list[tuple[str, Any]] = [
    *(("sample", bad) for bad in (-0.1, 1.1, math.nan, "1", None, [0.5])),
    *(("max_concurrent", bad) for bad in (0, -1, 1.0, "1", True)),
    *(("budget", bad) for bad in (0, -0.1, 1.1, 2, math.nan, math.inf, True, "2%")),
    *(("include", bad) for bad in ("orders", [], 7, ["/a", 7], [""])),
    *(("exclude", bad) for bad in ("orders", "GET", 7, b"/a")),
    *(("builtins", bad) for bad in (0, 1, None, "no")),
    *(("clock", bad) for bad in ("", "Wall", None, 7, ["wall"])),
    *(("max_files", bad) for bad in (0, -1, 0.5, "10", True)),
    *(("max_bytes", bad) for bad in (0, -1, 1e9, "1GiB", True)),
    *(("min_free", bad) for bad in (-0.01, 1, 5, "5%", math.nan)),
    *(("max_age", bad) for bad in (0, -1, "7 days", math.inf, math.nan, True)),
    *(("store_path", bad) for bad in (0, None, "yes")),
    *(("announce", bad) for bad in (1, None, "yes")),
    *(("on_profile", bad) for bad in (7, "print", asgi_app, AsyncCallable())),
    *(("strict", bad) for bad in (1, None, "false")),
    *(("out_dir", bad) for bad in (7, b"profiles", ["a"], "a\0b", "~nobody-by-this-name/x")),
]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("name", "bad"), BAD)
def test_a_bad_argument_raises_where_it_is_given_and_is_named(
    door: str, name: str, bad: Any
) -> None:
    with pytest.raises((TypeError, ValueError), match=name) as caught:
        build(door, **{name: bad})
    assert repr(bad) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("door", DOORS)
def test_so_does_a_name_that_is_no_option(door: str) -> None:
    with pytest.raises(TypeError, match=r"max_file\b"):
        build(door, max_file=7)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("name", "bad"), [("sample", 7), ("clock", "x"), ("out_dir", 7)])
def test_a_switched_off_middleware_still_tells_of_bad_arguments(
    door: str, name: str, bad: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQPROF_ENABLED", "0")
    with pytest.raises((TypeError, ValueError), match=name):
        build(door, **{name: bad})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sort_by": "time"}, "sort_by is a sequence"),
        ({"sort_by": 7}, "sort_by is a sequence"),
        ({"sort_by": ("speed",)}, "sort_by: 'speed' is no key of pstats"),
        ({"restrictions": "leaf"}, "restrictions is a sequence"),
        ({"restrictions": 0.1}, "restrictions is a sequence"),
    ],
)
def test_what_is_wrong_with_the_report_is_told_too(arguments: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        wsgi.ProfilerMiddleware(wsgi_app, stream=io.StringIO(), **arguments)


GOOD: list[dict[str, Any]] = [
    {"sample": 0.0},
    {"sample": 1},
    {"sample": lambda request: True},
    {"include": "/a/*", "exclude": ["GET /b", "/c"]},
    {"include": lambda request: True, "exclude": ()},
    {"trigger": b"sixteen bytes it has"},
    {"slower_than": "500ms", "worst_per_route": 10, "worst_window": "10m", "baseline": 0.01},
    {"keep": lambda request: True, "keep_errors": False},
    {"max_concurrent": 1},
    {"max_concurrent": None},
    {"budget": 0.02},
    {"budget": 1},
    {"budget": None},
    {"builtins": False},
    {"clock": "cpu"},
    {"max_files": None, "max_bytes": None, "min_free": None},
    {"max_files": 1, "max_bytes": 1, "min_free": 0},
    {"max_age": "7d"},
    {"max_age": 3600},
    {"store_path": False},
    {"announce": True},
    {"on_profile": print},
    {"on_profile": None},
]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("good", GOOD, ids=str)
def test_good_ones_are_taken_and_touch_no_disk(door: str, good: Any, tmp_path: Path) -> None:
    build(door, out_dir=tmp_path / "p", **good)
    assert not (tmp_path / "p").exists()


def test_the_caps_are_those_that_were_given() -> None:
    assert Settings(out_dir=Path()).caps() == Caps()
    made = Settings(out_dir=Path(), max_files=7, max_bytes=None, min_free=0.2)
    assert made.caps() == Caps(max_files=7, max_bytes=None, min_free=0.2)


class TestFolder:
    def test_it_is_absolute_from_the_start(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        found = folder("profiles")
        monkeypatch.chdir(tmp_path.parent)
        assert found == tmp_path / "profiles"

    def test_a_tilde_is_the_home_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        assert folder("~/profiles") == tmp_path / "profiles"

    def test_anything_that_is_a_path_will_do(self, tmp_path: Path) -> None:
        class Somewhere:
            def __fspath__(self) -> str:
                return str(tmp_path)

        assert folder(Somewhere()) == folder(str(tmp_path)) == folder(tmp_path) == tmp_path

    @pytest.mark.parametrize(
        "odd", ["a\nb", "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "a\udcff", "-x", " "]
    )
    def test_odd_names_are_names(self, odd: str) -> None:
        assert folder(odd).name == odd

    def test_an_empty_one_is_none(self) -> None:
        with pytest.raises(ValueError, match="out_dir must name a folder; got ''"):
            folder("")


def test_the_environment_switches_off_in_many_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for word in ("0", "false", "No", " OFF "):
        monkeypatch.setenv("REQPROF_ENABLED", word)
        assert build("wsgi", out_dir=tmp_path)._recorder is None
    for word in ("", "1", "true", "on", "yes"):
        monkeypatch.setenv("REQPROF_ENABLED", word)
        assert build("wsgi", out_dir=tmp_path)._recorder is not None
    assert list(tmp_path.iterdir()) == []
