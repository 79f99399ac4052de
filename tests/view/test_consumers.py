"""What the real readers of each exported format make of it; scripts/consumers installs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

from reqprof.model import Request
from reqprof.tree.build import build
from reqprof.tree.merge import merge
from reqprof.view import callgrind, folded, pprof, speedscope
from tests.conftest import need, need_module, need_program
from tests.tree.tables import NAMES, chain, load
from tests.view import read_callgrind, read_pprof, read_speedscope
from tests.view.strategies import odd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reqprof.model import Stats

MODULES = Path(__file__).parents[2] / ".venv" / "consumers" / "node_modules"
SPEEDSCOPE = MODULES / "speedscope" / "dist" / "release"
FLAMEGRAPH = Path("/usr/share/perl5/Devel/NYTProf/flamegraph.pl")
CHROMIUM = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]

Times = Counter[tuple[str, ...]]
"""Self time by the names of a stack."""


def table(name: str) -> Stats:
    return odd() if name == "odd" else load(name)


TABLES = ["odd", *NAMES]
WITHOUT_TIME = {"empty.prof", "zero.prof"}

REQUESTS = [
    Request(id=f"{number}23456789abc", method=method, route=route, status=status, start=1.8e9)
    for number, (method, route, status) in enumerate(
        [
            ("GET", "/books/<int:book_id>", 200),
            ("GET", "/books/<int:book_id>", 404),
            ("POST", "/reviews; x", 500),
            ("POST", "/reviews; x", 503),
        ]
    )
]
SERVED = [(request, build(load("r2.prof"))) for request in REQUESTS]
ONE = round(SERVED[0][1].total * 1e9)
"""Nanoseconds of each of these requests."""


def by_names(times: dict[tuple[tuple[str, str, int], ...], int]) -> Times:
    found: Times = Counter()
    for stack, time in times.items():
        found[tuple(name for name, _, _ in stack)] += time
    return found


def run(*command: str | Path, folder: Path) -> str:
    """What a tool prints to its user."""
    environ = {**os.environ, "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, check=False, cwd=folder, env=environ)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


class Speedscope:
    """The app in a browser: files go in by its file picker and come out by its export."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.said: list[str] = []
        page.on("dialog", self._answer)

    def _answer(self, dialog: Any) -> None:
        self.said.append(dialog.message)
        dialog.accept()

    def load(self, path: Path) -> dict[str, Any]:
        """The profiles that its importer made of a file, in its own format."""
        self.page.goto((SPEEDSCOPE / "index.html").as_uri())
        self.page.set_input_files("input[type=file]", path)
        self.page.wait_for_function("document.title != 'speedscope'")
        with self.page.expect_download() as saved:
            self.page.keyboard.press("Control+s")
        assert not self.said
        found: dict[str, Any] = json.loads(Path(saved.value.path()).read_text())
        return found


@pytest.fixture(scope="module")
def app() -> Iterator[Speedscope]:
    need_module("playwright")
    need("speedscope", SPEEDSCOPE.is_dir())
    chromium = need_program("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        yield Speedscope(browser.new_page())
        browser.close()


def exported(found: dict[str, Any]) -> list[tuple[str, float, Times]]:
    """Name, end and times of each profile that speedscope has."""
    names = [frame["name"] for frame in found["shared"]["frames"]]
    return [
        (profile["name"], profile["endValue"], _times(profile, names))
        for profile in found["profiles"]
    ]


def _times(profile: dict[str, Any], names: list[str]) -> Times:
    times: Times = Counter()
    stack: list[str] = []
    now = profile["startValue"]
    for event in profile["events"]:
        times[tuple(stack)] += event["at"] - now
        now = event["at"]
        if event["type"] == "O":
            stack.append(names[event["frame"]])
        else:
            assert stack.pop() == names[event["frame"]]
    return +times


@pytest.mark.parametrize("name", TABLES)
def test_speedscope_imports_its_format(name: str, app: Speedscope, tmp_path: Path) -> None:
    path = tmp_path / "x.speedscope.json"
    path.write_text(speedscope.render(build(table(name)), title=name), encoding="utf-8")
    ours = read_speedscope.read(path.read_text(encoding="utf-8"))
    theirs = app.load(path)
    assert theirs["name"] == ours.name
    (one,) = ours.profiles
    assert exported(theirs) == [(one.name, one.end, by_names(one.times))]


def test_speedscope_shows_each_route(app: Speedscope, tmp_path: Path) -> None:
    routes = {
        "GET /": build(load("r1.prof")),
        "GET /<name>": build(load("exp14.prof")),
        "POST /": build(load("r2.prof")),
    }
    path = tmp_path / "x.json"
    path.write_text(speedscope.render(merge(routes.values()), title="shop", routes=routes))
    ours = read_speedscope.read(path.read_text())
    assert len(ours.profiles) == 3
    assert exported(app.load(path)) == [
        (profile.name, profile.end, by_names(profile.times)) for profile in ours.profiles
    ]


@pytest.mark.parametrize("name", ["odd", "empty.prof", "zero.prof", "deep.prof", "r12.prof"])
def test_speedscope_knows_the_schema(name: str) -> None:
    need_module("jsonschema")
    need("speedscope", SPEEDSCOPE.is_dir())
    import jsonschema

    schema = json.loads((SPEEDSCOPE / "file-format-schema.json").read_text())
    tree = build(table(name))
    jsonschema.validate(json.loads(speedscope.render(tree, title=name)), schema)
    routes = {"a": tree, "b": tree}
    jsonschema.validate(json.loads(speedscope.render(tree, title="", routes=routes)), schema)


@pytest.mark.parametrize("name", ["odd", "exp14.prof", "deep.prof"])
def test_speedscope_imports_pprof(name: str, app: Speedscope, tmp_path: Path) -> None:
    path = tmp_path / "x.pb.gz"
    path.write_bytes(pprof.render([(None, build(table(name)))]))
    ours = by_names(read_pprof.read(path.read_bytes()).times())
    assert [times for _, _, times in exported(app.load(path))] == [ours]


@pytest.mark.parametrize("name", ["odd", "exp14.prof", "deep.prof"])
def test_speedscope_imports_folded_stacks(name: str, app: Speedscope, tmp_path: Path) -> None:
    path = tmp_path / "x.folded"
    path.write_text(folded.render(build(table(name))), encoding="utf-8")
    assert [times for _, _, times in exported(app.load(path))] == [counts(path)]


def test_speedscope_imports_callgrind(app: Speedscope, tmp_path: Path) -> None:
    path = tmp_path / "callgrind.out.x"
    path.write_text(callgrind.render(chain(20), title="chain"))
    ((_, end, times),) = exported(app.load(path))
    assert end == 20_000_000
    assert sorted(map(len, times)) == list(range(1, 21))


def counts(path: Path) -> Times:
    lines = path.read_text(encoding="utf-8").splitlines()
    found: Times = Counter()
    for stack, _, count in (line.rpartition(" ") for line in lines):
        found[tuple(stack.split(";"))] += int(count)
    return found


@pytest.mark.parametrize("name", [name for name in TABLES if name not in WITHOUT_TIME])
def test_flamegraph_draws_folded_stacks(name: str, tmp_path: Path) -> None:
    """But for those without time: it refuses a file without stacks."""
    need("flamegraph.pl", FLAMEGRAPH.exists())
    perl = need_program("perl")
    path = tmp_path / "x.folded"
    path.write_text(folded.render(build(table(name))), encoding="utf-8")
    total = counts(path).total()
    svg = ElementTree.fromstring(run(perl, FLAMEGRAPH, "--minwidth=0", path, folder=tmp_path))
    titles = [title.text or "" for title in svg.iter("{http://www.w3.org/2000/svg}title")]
    assert f"all ({total:,} samples, 100%)" in titles
    roots = {stack[0] for stack in counts(path)}
    assert len(titles) >= len(roots) + 1
    assert "delta" not in " ".join(titles)


def go(*arguments: str | Path, folder: Path) -> str:
    return run(need_program("go"), "tool", "pprof", *arguments, folder=folder)


_PERCENT = r"[\d.e-]+%"
FLAT = re.compile(rf" *(\d+)(?:ns)? +{_PERCENT} +{_PERCENT} +\d+(?:ns)? +{_PERCENT}  (.*)")
ALL = ["-top", "-nodecount=0", "-nodefraction=0", "-edgefraction=0"]


def flat(printed: str) -> Counter[str]:
    """What pprof says that each function took itself, or how often it was called."""
    found: Counter[str] = Counter()
    lines = printed.splitlines()
    for line in lines[1 + next(i for i, line in enumerate(lines) if line.endswith("cum%")) :]:
        match = FLAT.fullmatch(line)
        assert match, line
        found[match[2]] += int(match[1])
    return found


@pytest.mark.parametrize("name", TABLES)
def test_pprof_counts_every_function(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pb.gz"
    path.write_bytes(pprof.render([(None, build(table(name)))]))
    times: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for sample in read_pprof.read(path.read_bytes()).samples:
        times[sample.stack[-1][0]] += sample.time
        calls[sample.stack[-1][0]] += sample.calls
    assert +flat(go(*ALL, "-unit=ns", path, folder=tmp_path)) == +times
    assert +flat(go(*ALL, "-sample_index=calls", path, folder=tmp_path)) == +calls


@pytest.fixture
def served(tmp_path: Path) -> Path:
    path = tmp_path / "served.pb.gz"
    path.write_bytes(pprof.render(SERVED, comments=lambda: ["4 requests"]))
    return path


@pytest.mark.parametrize(
    ("focus", "requests"),
    [
        ("status=404", 1),
        ("status=500:599", 2),
        ("status=400:", 3),
        ("method=POST", 2),
        ("route=^/books/<int", 2),
        ("request=^223456789abc$", 1),
        ("nothing=x", 0),
    ],
)
def test_pprof_focuses_on_labels(focus: str, requests: int, served: Path, tmp_path: Path) -> None:
    printed = go(*ALL, "-unit=ns", f"-tagfocus={focus}", served, folder=tmp_path)
    found = re.search(r"Showing nodes accounting for (\d+)(?:ns)?, .* of (\d+)ns total", printed)
    assert found
    assert (int(found[1]), int(found[2])) == (requests * ONE, 4 * ONE)


def test_pprof_tells_labels_and_comments(served: Path, tmp_path: Path) -> None:
    tags = re.findall(r"([\d.]+)%\): (.*)", go("-tags", served, folder=tmp_path))
    assert ("50.00", "/reviews; x") in tags
    assert ("25.00", "404") in tags
    assert ("25.00", "123456789abc") in tags
    comments = go("-comments", served, folder=tmp_path).splitlines()
    assert comments[:2] == ["4 requests", "All stacks are exact."]
    assert "2027-01-15" in go("-raw", served, folder=tmp_path)


def annotated(stats: Stats, folder: Path, *options: str) -> list[str]:
    """What callgrind_annotate prints of the functions."""
    program = need_program("callgrind_annotate")
    path = folder / "callgrind.out.1"
    path.write_text(callgrind.render(stats, title="x", notes=["a note"]), encoding="utf-8")
    options = ("--threshold=100", "--auto=no", "--show-percs=no", *options)
    printed = run(program, *options, path, folder=folder).splitlines()
    start = next(i for i, line in enumerate(printed) if line.endswith("file:function"))
    return [line for line in printed[start + 2 :] if line]


def _joined(functions: Iterable[tuple[read_callgrind.Function, int]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for (file, name), time in functions:
        found[f"{file}:{name}"] += time
    return +found


@pytest.mark.parametrize("name", TABLES)
def test_callgrind_annotate_counts_every_function(name: str, tmp_path: Path) -> None:
    stats = table(name)
    found: Counter[str] = Counter()
    for line in annotated(stats, tmp_path):
        time, _, function = line.strip().partition("  ")
        found[function] += int(time.replace(",", ""))
    ours = read_callgrind.read(callgrind.render(stats, title="x"))
    assert +found == _joined(ours.own.items())
    assert found.total() == ours.total


TREE = re.compile(r" *([\d,]+)  ([*<>]) +(.*?)(?: \(([\d,]+)x\) \[\])?")


@pytest.mark.parametrize("name", TABLES)
def test_callgrind_annotate_knows_every_edge(name: str, tmp_path: Path) -> None:
    stats = table(name)
    found: dict[tuple[str, str], tuple[int, int]] = {}
    caller = ""
    for line in annotated(stats, tmp_path, "--tree=calling"):
        match = TREE.fullmatch(line)
        assert match, line
        time, mark, function, calls = match.groups()
        if mark == "*":
            caller = function
        else:
            found[caller, function] = int(calls.replace(",", "")), int(time.replace(",", ""))
    ours = read_callgrind.read(callgrind.render(stats, title="x"))
    shown = {
        (":".join(caller), ":".join(callee)): edge
        for (caller, callee), edge in ours.edges.items()
        if ours.own[caller]
    }
    assert found.items() >= shown.items()


@pytest.mark.parametrize("name", [name for name in TABLES if name != "deep.prof"])
def test_gprof2dot_counts_every_function(name: str) -> None:
    """But for the deep one, on which it recurses too far itself."""
    need_module("gprof2dot")
    import gprof2dot

    text = callgrind.render(table(name), title="x")
    profile = gprof2dot.CallgrindParser(StringIO(text)).parse()
    found: Counter[str] = Counter()
    for function in profile.functions.values():
        found[function.name] += int(function[gprof2dot.SAMPLES])
    ours: Counter[str] = Counter()
    for (_, function_name), time in read_callgrind.read(text).own.items():
        ours[function_name] += time
    assert +found == +ours
