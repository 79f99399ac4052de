"""Serve an app on this machine, and profile each request.

MODULE:NAME is the app, WSGI or ASGI: shop:app is app of shop.py, which is looked for in the current
folder first. With --factory it is called to make the app. werkzeug's server serves WSGI apps,
uvicorn ASGI apps; both come with: pip install 'reqprof[run]'

Each request is told in a line when it has ended: what it took, method, status, path, and its
profile. Ctrl-C ends the server. It is for a person's own machine: one process, no reloading of
changed code, nothing that makes it safe to be open to others.

All requests are profiled unless told otherwise. The options that choose some are those of the
middleware: a PATTERN is of paths, such as /api/* or "GET /orders/{id}". What is not profiled is
timed. An app that is wrapped in reqprof's middleware already is served as it is.
"""

from __future__ import annotations

import gc
import shlex
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reqprof import serve
from reqprof.cli import PYTHONS_THRESHOLDS, gather
from reqprof.cli.listing import GAP, NARROWEST, cells, crop
from reqprof.cli.params import format_duration, parsed
from reqprof.cli.request import method, note, route, status
from reqprof.cli.talk import Screen, complain, emit, plural, printable, say
from reqprof.durations import parse_duration
from reqprof.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from reqprof.model import Request
    from reqprof.serve import Served

NO_PROFILE = "no profile"
_METHOD = len("websocket")


def _rule(name: str, text: str) -> Callable[[Any], Any]:
    return click.option(name, metavar="PATTERN", multiple=True, help=text)


@click.command(help=__doc__)
@click.argument("name", metavar="MODULE:NAME")
@click.option(
    "-o",
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=gather.DEFAULT_FOLDER,
    show_default=True,
    help="Where the profiles go.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="0 takes a free one.",
)
@click.option("--factory", is_flag=True, help="NAME is to be called, and makes the app.")
@click.option(
    "--app-dir",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=".",
    help="Where MODULE is.  [default: the current folder]",
)
@click.option("--sample", type=float, metavar="RATE", help="The share to be profiled, 0 to 1.")
@_rule("--include", "Profile these requests alone. May be given again.")
@_rule("--exclude", "Do not profile these. May be given again.")
@click.option(
    "--slower-than",
    metavar="DURATION",
    callback=parsed(parse_duration),
    help="Keep what took longer, or failed: 250ms, 1.5s.",
)
@click.option("--announce", is_flag=True, help="Responses tell their profile: X-Reqprof-Id.")
def command(
    name: str, out: Path, host: str, port: int, factory: bool, folder: Path, **options: Any
) -> int:
    """Serve it; gives the exit status."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; --out names a folder for the profiles")
    gc.set_threshold(*PYTHONS_THRESHOLDS)
    try:
        app = serve.find(name, folder, factory=factory)
        served = serve.wrap(
            app, out, **{key: value for key, value in options.items() if value not in (None, ())}
        )
        log = _Log()
        serve.serve(
            served, host, port, ready=lambda at: _tell(name, served, at, out), heard=log.add
        )
    except serve.Raised as error:
        _show(error.__cause__)
        raise
    log.end(served, out)
    return 0


def _tell(name: str, served: Served, address: str, out: Path) -> None:
    where = "" if served.is_own else f", profiles go to {out}"
    say(f"serving {name} ({served.kind.upper()}) at {address}{where}; Ctrl-C ends it")
    if served.is_own:
        say(f"{name} is wrapped in reqprof's middleware: that one's options count, and not these")
    if not serve.profiles():
        complain("REQPROF_ENABLED is off in the environment: nothing is profiled")


class _Log:
    """A line for each request, and one for all of them."""

    def __init__(self) -> None:
        self._requests = self._stored = 0
        self._folder: Path | None = None

    def add(self, request: Request, path: Path | None) -> None:
        """One has ended. On the background thread."""
        self._requests += 1
        if path is not None:
            self._stored += 1
            self._folder = path.parent
        emit([line(request, path, Screen.of_stdout())])
        if sys.stdout is not None:
            sys.stdout.flush()

    def end(self, served: Served, out: Path) -> None:
        """All have."""
        if sys.stderr is not None and sys.stderr.isatty():
            say("")  # past the ^C
        folder = self._folder if served.is_own and self._folder else out
        more = f"reqprof slowest {shlex.quote(str(folder))}"
        if self._stored:
            say(f"{plural(self._stored, 'profile')} in {folder}; what took longest: {more}")
        elif self._requests:
            say(f"no profile was stored; what requests took: {more}")
        elif serve.profiles():
            say("no request came")


def line(request: Request, path: Path | None, screen: Screen) -> str:
    """A request that has ended, and the name of its profile: as wide as the screen, or whole."""
    took, code = format_duration(request.duration), f"{status(request):>3}"
    where = printable(request.path or route(request))
    if remark := note(request):
        where += f" ({remark})"
    file = NO_PROFILE if path is None else path.name
    begun = f"{took:>7}{GAP}{method(request):<{_METHOD}}{GAP}"
    if screen.width is not None:
        room = screen.width - cells(begun) - len(code) - 2 * len(GAP)
        place = max(NARROWEST, room * 2 // 5)
        where = crop(where, place, "middle")
        where += " " * (place - cells(where))
        file = crop(file, max(NARROWEST, room - place), "start")
    failed = request.exception or (request.status or 0) >= 500
    bad = "bad" if failed else ""
    told = f"{screen.paint(code, bad)}{GAP}{screen.paint(where, bad)}"
    return f"{begun}{told}{GAP}{screen.paint(file, 'quiet')}"


def _show(error: BaseException | None) -> None:
    """The traceback of the app, from its own first line on."""
    if error is None or sys.stderr is None:
        return
    trace = error.__traceback__
    while trace is not None and _is_before(trace.tb_frame):
        trace = trace.tb_next
    traceback.print_exception(error.with_traceback(trace), file=sys.stderr)


def _is_before(frame: FrameType) -> bool:
    name = str(frame.f_globals.get("__name__"))
    return name.partition(".")[0] in ("reqprof", "importlib")
