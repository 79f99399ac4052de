"""Every format from every command that draws: of many, of one, and one for each."""

from __future__ import annotations

import gzip
import json
import marshal
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from reqprof.store.format import encode
from reqprof.view import FORMATS
from tests.cli.making import put, put_foreign, put_waiting, request, table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from tests.cli.conftest import Spawn

    Reqprof = Callable[..., Result]


def check(form: str, data: bytes) -> None:
    """It is a whole document of that kind."""
    if form == "svg":
        assert ElementTree.fromstring(data).tag.endswith("svg")
    elif form == "html":
        assert data.startswith(b"<!DOCTYPE html>")
        assert data.endswith(b"</html>\n")
    elif form == "text":
        assert b"function" in data
        assert b"fib" in data
    elif form == "folded":
        assert all(re.fullmatch(r"[^;]+(;[^;]+)* \d+", line) for line in data.decode().splitlines())
    elif form == "speedscope":
        assert json.loads(data)["$schema"].startswith("https://www.speedscope.app")
    elif form == "pprof":
        assert b"fib" in gzip.decompress(data)
    elif form == "callgrind":
        assert data.startswith(b"# callgrind format")
    else:
        assert form == "prof"
        assert any(name == "fib" for _, _, name in marshal.loads(data))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        put(tmp_path / "profiles", route=f"/r{number % 2}", duration=0.1 + number / 10)
    put_foreign(tmp_path / "profiles")
    return tmp_path / "profiles"


@pytest.mark.parametrize("form", FORMATS)
def test_many_become_one_file(reqprof: Reqprof, folder: Path, form: str) -> None:
    result = reqprof("merge", folder, f"--{form}", "-o", "out")
    assert (result.exit_code, result.stdout) == (0, "")
    check(form, (folder.parent / "out").read_bytes())


@pytest.mark.parametrize("form", FORMATS)
def test_the_extension_says_the_format(reqprof: Reqprof, folder: Path, form: str) -> None:
    for extension in FORMATS[form].extensions:
        result = reqprof("merge", folder, "-o", f"out{extension}")
        assert result.exit_code == 0
        check(form, (folder.parent / f"out{extension}").read_bytes())


@pytest.mark.parametrize("form", FORMATS)
def test_one_request_takes_every_format(reqprof: Reqprof, folder: Path, form: str) -> None:
    to_stdout = reqprof("show", "@1", f"--{form}")
    to_file = reqprof("show", "@1", "-o", f"one{FORMATS[form].extensions[0]}")
    assert (to_stdout.exit_code, to_file.exit_code) == (0, 0)
    assert to_file.stdout == ""
    assert to_file.stderr.startswith("wrote one.") or "wrote one." in to_file.stderr
    data = (folder.parent / f"one{FORMATS[form].extensions[0]}").read_bytes()
    assert data == to_stdout.stdout_bytes
    check(form, data)


@pytest.mark.parametrize("form", [name for name in FORMATS if name != "prof"])
def test_each_request_takes_every_picture(reqprof: Reqprof, folder: Path, form: str) -> None:
    result = reqprof("merge", folder, "--each", f"--{form}", "-o", "each")
    assert result.exit_code == 0
    made = sorted((folder.parent / "each").glob(f"*{FORMATS[form].extensions[0]}"))
    assert len([path for path in made if path.name != "index.html"]) == 4
    for path in made:
        if path.name != "index.html":
            check(form, path.read_bytes())


def test_a_page_has_routes_and_the_slowest_requests(reqprof: Reqprof, folder: Path) -> None:
    page = reqprof("merge", folder, "--html").stdout
    data = json.loads(re.search(r'id="profile">(.*?)</script>', page)[1])  # type: ignore[index]
    groups: dict[str, list[str]] = {}
    for subject in data["subjects"]:
        groups.setdefault(subject["group"], []).append(subject["name"])
    assert groups[""] == ["all requests"]
    assert sorted(groups["Routes"]) == ["/r0", "/r1", "profiles of other tools"]
    assert [name.split()[:2] for name in groups["Slowest requests"]] == [
        ["300", "ms"],
        ["200", "ms"],
        ["100", "ms"],
    ]
    assert data["icicle"] is False


def test_each_page_of_one_request_has_nothing_to_choose_from(
    reqprof: Reqprof, folder: Path
) -> None:
    page = reqprof("show", "@1", "--html", "--inverted").stdout
    data = json.loads(re.search(r'id="profile">(.*?)</script>', page)[1])  # type: ignore[index]
    assert [subject["name"] for subject in data["subjects"]] == ["everything"]
    assert data["icicle"] is True


@pytest.mark.parametrize("form", ["svg", "html", "text", "speedscope", "callgrind"])
def test_a_title_of_ones_own(reqprof: Reqprof, folder: Path, form: str) -> None:
    for words in (["merge", folder], ["show", "@1"]):
        drawn = reqprof(*words, f"--{form}", "--title", "Before the fix").stdout
        assert "Before the fix" in drawn
        assert "profiles — " not in drawn


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--svg", "--tree"], "--tree is for reading here: leave it out of a picture"),
        (["-o", "x.svg", "--sort", "name"], "--sort is for reading here"),
        (["--html", "--json"], "--json is for reading here"),
        (["--html", "--svg"], "--svg and --html: give one of them"),
        (["--width", "90"], "--width means nothing without --tree or a format such as --svg"),
        (["--tree", "--row-height", "9"], "--row-height means nothing to text"),
        (["--tree", "--match", "f"], "--tree has no rows to choose from: leave out --match"),
        (["--svg", "--source"], "--source means nothing to svg"),
        (["--html", "--colors", "self"], "--colors means nothing to html"),
        (["--pprof", "--untraced"], "--untraced means nothing to pprof"),
        (["-o", "profiles"], "profiles is a folder; name a file, such as profiles/"),
    ],
)
def test_wrong_usage_of_show_is_one_line(
    reqprof: Reqprof, folder: Path, words: list[str], message: str
) -> None:
    result = reqprof("show", "@1", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("form", ["svg", "text"])
def test_a_full_disk_behind_stdout_is_told_in_a_line(spawn: Spawn, folder: Path, form: str) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = spawn("merge", folder, f"--{form}", stdout=full)
    assert done.returncode in (1, 3)
    assert done.stderr.decode() == "reqprof: standard output: No space left on device\n"


def test_a_picture_without_waits_says_so(reqprof: Reqprof, folder: Path) -> None:
    assert "Waits are left out." in reqprof("merge", folder, "--svg", "--no-waits").stdout
    assert "Waits are left out." not in reqprof("merge", folder, "--svg").stdout


def test_a_cost_beyond_belief_is_not_told_as_a_share(reqprof: Reqprof, tmp_path: Path) -> None:
    put(tmp_path / "profiles", cost=0.4, duration=0.25)
    drawn = reqprof("merge", "--svg").stdout
    assert "untraced ones: nearly all of their time is tracing, an estimate." in drawn


def test_the_profile_itself_is_never_overwritten(reqprof: Reqprof, folder: Path) -> None:
    path = put(folder, name="mine.prof")
    before = path.read_bytes()
    result = reqprof("show", path, "-o", path)
    assert result.exit_code == 2
    assert path.read_bytes() == before


def test_flameprof_draws_one_request_too(reqprof: Reqprof, folder: Path) -> None:
    result = reqprof("show", "@1", "--renderer", "flameprof")
    assert result.exit_code == 0
    check("svg", result.stdout_bytes)


def test_a_tree_that_was_cut_short_is_drawn_from_its_table(
    reqprof: Reqprof, tmp_path: Path
) -> None:
    put_waiting(tmp_path / "profiles", None, b"no tree")
    result = reqprof("show", "@1", "--svg")
    assert result.exit_code == 1
    assert "drawn from its table alone" in result.stderr
    check("svg", result.stdout_bytes)


def test_pprof_tells_requests_apart(reqprof: Reqprof, tmp_path: Path) -> None:
    told = request(route="/r/{id}", method="PUT", status=503)
    path = tmp_path / "one.prof"
    path.write_bytes(encode(table(), told))
    strings = gzip.decompress(reqprof("merge", path, "--pprof").stdout_bytes)
    for word in (b"/r/{id}", b"PUT", told.id.encode()):
        assert word in strings
