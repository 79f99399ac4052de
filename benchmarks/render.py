"""How long pictures take, and how large they are.

``python benchmarks/render.py [--frames N ...] [--profiles N] [--rounds N]`` with the dependency
group benchmarks installed, and chromium. Three tables:

*Formats*: seconds to make each from a tree of so many frames, and the size of the result, packed
too. The tree is random: four thousand functions, a few of them in most stacks, as programs have
them. ``--threshold 0`` is what the pictures are drawn with, so that nothing is left out but what a
format bounds itself.

*Browser*: the HTML file in Chromium, from the start of the navigation to the first picture, and
from a key in the search field to the end of the search. Each load is in a new window, when the one
before is gone.

*Files*: profiles of the Flask example's mixed traffic, recorded here with both engines, from the
files to a merged SVG, as one command. flameprof draws what pstats adds up of the same files, which
are as many edges however many files there are, and so is nearly all reading for both.
"""

from __future__ import annotations

import argparse
import gzip
import random
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import EXAMPLES, engines, interleave, machine

import reqprof
from reqprof import view
from reqprof.tree.node import ROOT, Node

sys.path.insert(0, str(Path(EXAMPLES).parent))
sys.path.insert(0, EXAMPLES)

from flask_app import traffic, views

from tests.view.browser import chromium

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser

FUNCTIONS = 4000
DEEPEST = 80
LOADS = 15
QUIET = 0.5  # seconds in which the window before goes, so that nothing but the next one runs
FORMATS = ("svg", "html", "text", "folded", "speedscope", "pprof")
LIMITS = {"load": 250.0, "search": 50.0}  # milliseconds, for 100,000 frames

FLAMEPROF = """
import pstats, sys, flameprof
stats = pstats.Stats(*sys.argv[2:])
flameprof.render(stats.stats, open(sys.argv[1], "w"), "svg", 0.001)
"""
REQPROF = "from reqprof.cli import main; main()"

SEARCHED = """() => {
    const field = document.getElementById("search");
    const began = performance.now();
    field.value = "function_1";
    field.dispatchEvent(new Event("input"));
    return performance.now() - began;
}"""


def tree_of(frames: int) -> Node:
    """A random tree; the same for the same number."""
    chance = random.Random(frames)
    folder = "/v/lib/python3.11/site-packages"
    functions = [
        (f"{folder}/package{n % 40}/module{n % 300}.py", n, f"function_{n}")
        for n in range(FUNCTIONS)
    ]
    root = Node(ROOT)
    nodes = [(root, 0)]
    while len(nodes) < frames:
        above, depth = nodes[chance.randrange(len(nodes) * 6 // 10, len(nodes))]
        function = functions[min(FUNCTIONS, int(chance.paretovariate(0.6))) - 1]
        if depth < DEEPEST and function not in above.children:
            node = Node(function, chance.randrange(1, 100), chance.random() / 1000)
            above.children[function] = node
            nodes.append((node, depth + 1))
    root.add_up()
    return root


def drawn(form: str, tree: Node) -> bytes:
    """The picture; those that have one are drawn without a threshold."""
    if form == "pprof":
        made = view.by_name(form)([(None, tree)], comments=list)
    elif form == "speedscope":
        made = view.by_name(form)(tree, title="")
    else:
        options: dict[str, object] = {} if form == "folded" else {"threshold": 0.0}
        made = view.by_name(form)(tree, **options)
    return made if isinstance(made, bytes) else made.encode("utf-8", "backslashreplace")


def formats(frames: int, rounds: int) -> None:
    tree = tree_of(frames)
    made: dict[str, bytes] = {}

    def make(form: str) -> float:
        began = time.perf_counter()
        made[form] = drawn(form, tree)
        return time.perf_counter() - began

    times = interleave({form: partial(make, form) for form in FORMATS}, rounds, warm_up=1)
    for form, seconds in times.items():
        packed = len(gzip.compress(made[form]))
        sizes = f"{len(made[form]):>12,} {packed:>12,}"
        print(f"  {frames:>9,}  {form:12}{seconds:8.2f} s {sizes} bytes, packed")


def in_browser(browser: Browser, page: Path) -> tuple[float, float]:
    """Milliseconds to the first picture, and of a search."""
    window = browser.new_page(viewport={"width": 1400, "height": 900})
    window.goto(page.as_uri())
    window.wait_for_function("performance.getEntriesByName('reqprof-drawn').length")
    (mark,) = window.evaluate(
        "performance.getEntriesByName('reqprof-drawn').map(e => e.startTime + e.duration)"
    )
    searched = window.evaluate(SEARCHED)
    window.close()
    time.sleep(QUIET)
    return mark, searched


def browse(frames: int, folder: Path) -> None:
    page = folder / f"{frames}.html"
    page.write_bytes(drawn("html", tree_of(frames)))
    with chromium() as browser:
        in_browser(browser, page)
        found = [in_browser(browser, page) for _ in range(LOADS)]
    load, search = (statistics.median(times) for times in zip(*found, strict=True))
    least = min(load for load, _ in found)
    print(f"  {frames:>9,}  load {load:5.0f} ms (least {least:.0f})   search {search:5.1f} ms")
    if frames >= 100_000:
        for what, value in (("load", load), ("search", search)):
            kept = "met" if value <= LIMITS[what] else "NOT MET"
            print(f"             {what}: at most {LIMITS[what]:g} ms, {kept}")


def record(folder: Path, engine: str, count: int) -> list[Path]:
    """A profile for each of so many requests of the example's mix."""
    app = views.create_app()
    app.logger.disabled = True  # some of the mix fails on purpose
    app.wsgi_app = wrapped = reqprof.ProfilerMiddleware(
        app.wsgi_app, out_dir=folder, engine=engine, min_free=None
    )
    client = app.test_client()
    for number, request in enumerate(traffic.requests(1, count)):
        body: dict[str, Any] = (
            {"data": request.body, "content_type": "application/json"} if request.body else {}
        )
        client.open(request.path, method=request.method, **body).close()
        if number % 20 == 0:
            wrapped.flush()  # the writer takes no more than so many at once
    wrapped.flush()
    return sorted(folder.glob("*.prof"))


def command(program: str, *arguments: object) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], check=True, capture_output=True
    )
    return time.perf_counter() - began


def files(folder: Path, count: int, rounds: int) -> None:
    variants: dict[str, Callable[[], float]] = {}
    sizes: dict[str, Path] = {}
    for engine in engines():
        profiles = folder / engine
        found = record(profiles, engine, count)
        print(f"  {len(found):,} profiles by {engine}, {size_of(found):,} bytes")
        sizes[engine] = folder / f"{engine}.svg"
        words = ("merge", profiles, "--svg", "-o", sizes[engine])
        variants[engine] = partial(command, REQPROF, *words)
        sizes["flameprof"] = folder / "flameprof.svg"
        variants["flameprof"] = partial(command, FLAMEPROF, sizes["flameprof"], *found)
    times = interleave(variants, rounds, warm_up=0)
    for name, seconds in times.items():
        ratio = seconds / times["flameprof"]
        drawing = f"{size_of([sizes[name]]):,} bytes"
        print(f"  {name:10}{seconds:7.1f} s, {ratio:5.2f} of flameprof's, {drawing}")


def size_of(paths: list[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, nargs="*", default=[1000, 10_000, 100_000])
    parser.add_argument("--profiles", type=int, default=1000, help="0 leaves the files out")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(machine())
    print("\nformats")
    for frames in given.frames:
        formats(frames, given.rounds)
    with tempfile.TemporaryDirectory() as name:
        print("\nthe HTML file in Chromium")
        for frames in given.frames:
            browse(frames, Path(name))
        if given.profiles:
            print("\nfiles to a merged SVG")
            files(Path(name), given.profiles, given.rounds)


if __name__ == "__main__":
    main()
