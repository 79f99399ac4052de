"""Draw one profile, or a program's run, with the options of flameprof.

STATS is a file that cProfile or reqprof wrote. With -r it is a script and with -m a module, which
is run as python would run it, in a process of its own, and recorded: with exact stacks where the
exact engine was built. Its main thread is, from its first line to its last; what runs in other
threads or in atexit functions is not. ARGS are its own. Options that are not known here go to it
as well, and all that stand after --.

The program has its own sys.argv, __main__, standard input, output and traceback, and its exit
status is the command's. The picture is drawn when it has ended, be it by an exception or Ctrl-C;
only os._exit, os.exec* and a signal that the program does not handle leave none.

Without -o the picture goes to stdout, and what the program prints to stderr, so that the two do
not mix. A picture never goes to a terminal: it goes to a file in the current folder, named after
STATS.

--format log writes folded stacks, as flamegraph.pl and others read them. It is what -o FILE.log
and FILE.folded mean, too.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reqprof import __version__, view
from reqprof.cli import captions, gather, output, script
from reqprof.cli.draw import Pen
from reqprof.cli.script import Program
from reqprof.cli.talk import complain, say, to_terminal
from reqprof.errors import NotFound, UsageError
from reqprof.store import reader
from reqprof.tree.prune import prune
from reqprof.view.figures import seconds
from reqprof.view.trust import trust

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reqprof.model import Profile
    from reqprof.tree.node import Node

_LOGS = (".log", ".folded", ".collapsed")
_MICROSECONDS = 1_000_000
_TAKEN_OVER = "another profiler took over; what came after that is not drawn"


@click.command(help=__doc__, context_settings={"ignore_unknown_options": True})
@click.argument("stats", metavar="STATS")
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, type=click.UNPROCESSED)
@click.option("-r", "--run", is_flag=True, help="STATS is a script: run it.")
@click.option("-m", "--run-module", is_flag=True, help="STATS is a module: run it.")
@click.option(
    "--cpu", is_flag=True, help="Time in which the program's main thread had the CPU, no waiting."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["svg", "log"]),
    help="A picture, or folded stacks.  [default: svg, or what FILE's extension says]",
)
@click.option(
    "--log-mult",
    metavar="N",
    type=click.IntRange(min=1),
    default=_MICROSECONDS,
    show_default=True,
    help="What folded stacks count in a second.",
)
@click.option(
    "--threshold",
    metavar="PERCENT",
    type=click.FloatRange(0, 100),
    default=0.1,
    show_default=True,
    help="Of the whole time, below which frames are merged.",
)
@click.option(
    "--width",
    metavar="N",
    type=click.IntRange(min=1),
    default=1200,
    show_default=True,
    help="Pixels of the picture.",
)
@click.option(
    "--row-height",
    metavar="N",
    type=click.IntRange(min=1),
    default=24,
    show_default=True,
    help="Pixels of a frame.",
)
@click.option(
    "--font-size",
    metavar="N",
    type=click.IntRange(min=1),
    default=12,
    show_default=True,
    help="Pixels.",
)
@click.option("-o", "--out", metavar="FILE", help="Where to; - is stdout.")
@click.option("--wsgi-out-dir", hidden=True)
@click.option("--wsgi-format", hidden=True)
@click.version_option(__version__, message="reqprof %(version)s")
@gather.untrusted
def command(
    stats: str,
    arguments: tuple[str, ...],
    run: bool,
    run_module: bool,
    cpu: bool,
    form: str | None,
    log_mult: int,
    threshold: float,
    out: str | None,
    wsgi_out_dir: str | None,
    wsgi_format: str | None,
    untrusted: bool,
    **look: int,
) -> int:
    """Draw; gives the exit status, which is the program's where one was run."""
    _check(stats, arguments, run=run, run_module=run_module)
    if wsgi_out_dir or wsgi_format:
        say("--wsgi-out-dir and --wsgi-format do nothing here: see reqprof.launch")
    path = _destination(out, form, stats)
    drawing = _Drawing(form or _by_extension(path), threshold, log_mult, look, path)
    if not (run or run_module):
        if cpu:
            say(f"--cpu does nothing without -r or -m: {stats} has the times it was recorded with")
        return drawing.draw(_read(Path(stats), path, trusted=not untrusted))
    _check_place(stats, path)
    return _run(Program(stats, arguments, run_module, "cpu" if cpu else "wall"), drawing)


def _run(program: Program, drawing: _Drawing) -> int:
    """Run it and draw the run; gives the exit status."""
    failed = 0
    status, profile = script.run(program, aside=drawing.path is None)
    if profile is not None:
        failed = drawing.draw(profile, str(program))
    else:
        complain(
            f"{program} left no profile, so nothing is drawn: it never began, or it ended by"
            " os._exit, os.exec* or a signal"
        )
    return script.end_like(status) or failed


@dataclass(frozen=True, slots=True)
class _Drawing:
    """How a profile is drawn, and where to: stdout where ``path`` is None."""

    form: str
    threshold: float  # percent
    log_mult: int
    look: Mapping[str, int]
    path: Path | None

    def draw(self, profile: Profile, title: str = "") -> int:
        """Draw it; gives the exit status."""
        remarks = gather.Remarks()
        tree = Pen("svg", damaged=remarks.table_alone).frames(profile)
        if profile.request is not None and profile.request.interrupted:
            complain(_TAKEN_OVER)
        if self.form == "svg":
            content = self._picture(tree, profile, title)
        else:
            say(trust(tree))  # the format has no place for it
            content = self._log(tree)
        output.deliver(content, self.path)
        if self.path is not None:
            output.wrote(self.path, f"{seconds(tree.total)} profiled")
        return remarks.status

    def _picture(self, tree: Node, profile: Profile, title: str) -> str | bytes:
        heading, notes = captions.alone(profile)
        if profile.request is not None and profile.request.interrupted:
            notes = [*notes, f"Interrupted: {_TAKEN_OVER}."]
        return view.by_name("svg")(
            tree, title=title or heading, notes=notes, threshold=self.threshold, **self.look
        )

    def _log(self, tree: Node) -> str | bytes:
        shown = prune(tree, min_total=tree.total * self.threshold / 100)
        for _, node in shown.walk():
            node.self_time *= self.log_mult / _MICROSECONDS
            node.total *= self.log_mult / _MICROSECONDS
        return view.by_name("folded")(shown)


def _check(stats: str, arguments: tuple[str, ...], *, run: bool, run_module: bool) -> None:
    if run and run_module:
        raise UsageError("-r and -m: STATS is a script or a module; give one of them")
    if stats.startswith("-"):
        raise UsageError(f"no option {stats}; options of the program come after its name or --")
    if run:
        _check_script(Path(stats))
    if arguments and not (run or run_module):
        if arguments[0].startswith("-"):
            raise UsageError(f"no option {arguments[0]}")
        raise UsageError(
            f"{arguments[0]}: arguments are for a program, run with -r or -m;"
            " several profiles are added up by: reqprof merge --svg"
        )


def _check_script(path: Path) -> None:
    if path.is_dir():
        raise UsageError(f"{path} is a folder; run the file in it, such as {path / '__main__.py'}")
    if not path.exists():
        raise NotFound(f"{path}: no such script")


def _check_place(stats: str, path: Path | None) -> None:
    """Now and not when the program has run in vain."""
    if path is None:
        return
    if not path.absolute().parent.is_dir():
        raise output.CannotWrite(path, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))
    if path.exists() and Path(stats).exists() and path.samefile(stats):
        raise UsageError(f"{path} is the script to run; give another file to -o")


def _destination(out: str | None, form: str | None, stats: str) -> Path | None:
    """The file; None is stdout."""
    if out is None and form != "log" and to_terminal():
        return Path(Path(stats).name.removesuffix(".prof").removesuffix(".py") + ".svg")
    if out is None or out == output.STDOUT:
        return None
    if not out:
        raise UsageError("-o '' names no file")
    if Path(out).is_dir():
        raise UsageError(f"{out} is a folder; name a file in it")
    return Path(out)


def _by_extension(path: Path | None) -> str:
    return "log" if path is not None and path.suffix.lower() in _LOGS else "svg"


def _read(path: Path, out: Path | None, *, trusted: bool) -> Profile:
    if path.is_dir():
        raise UsageError(f"{path} is a folder; draw what is in it with: reqprof merge {path} --svg")
    if out is not None:
        output.keep_off(out, [path])
    return reader.read(path, trusted=trusted)
