"""Draw one profile, or a program's run, with the options of flameprof.

STATS is a file that cProfile or reqprof wrote, or its URL. With -r it is a script and with -m a
module, which is run as python would run it, in a process of its own, and recorded: with exact
stacks where the exact engine was built. Its main thread is, from its first line to its last; what
runs in other threads or in atexit functions is not. ARGS are its own. Options that are not known
here go to it as well, and all that stand after --.

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
from typing import TYPE_CHECKING, Any

import click

from reqprof import __version__
from reqprof.cli import gather, output, script, wish
from reqprof.cli.script import Program
from reqprof.cli.single import Drawing
from reqprof.cli.talk import complain, say, to_terminal
from reqprof.errors import NotFound, UsageError
from reqprof.store import anywhere

if TYPE_CHECKING:
    from reqprof.model import Profile

_LOGS = (".log", ".folded", ".collapsed")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a person gave: the options by their names, and their defaults."""

    stats: str
    arguments: tuple[str, ...]
    run: bool
    run_module: bool
    cpu: bool
    form: str | None
    log_mult: int
    threshold: float
    width: int
    row_height: int
    font_size: int
    out: str | None
    wsgi_out_dir: str | None
    wsgi_format: str | None
    untrusted: bool

    @property
    def is_program(self) -> bool:
        return self.run or self.run_module

    def drawing(self) -> Drawing:
        path = _destination(self.out, self.form, self.stats)
        look = {"width": self.width, "row_height": self.row_height, "font_size": self.font_size}
        form = self.form or _by_extension(path)
        return Drawing(form, path, self.threshold, self.log_mult, look)

    def program(self) -> Program:
        clock = "cpu" if self.cpu else "wall"
        return Program(self.stats, self.arguments, self.run_module, clock)


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
@wish.count("--log-mult", "What folded stacks count in a second.", 1_000_000)
@wish.threshold("Of the whole time, below which frames are merged.", 0.1)
@wish.count("--width", "Pixels of the picture.", 1200)
@wish.count("--row-height", "Pixels of a frame.", 24)
@wish.count("--font-size", "Pixels.", 12)
@click.option("-o", "--out", metavar="FILE", help="Where to; - is stdout.")
@click.option("--wsgi-out-dir", hidden=True)
@click.option("--wsgi-format", hidden=True)
@click.version_option(__version__, message="reqprof %(version)s")
@gather.untrusted
def command(**options: Any) -> int:
    """Draw; gives the exit status, which is the program's where one was run."""
    asked = _Asked(**options)
    _check(asked)
    if asked.wsgi_out_dir or asked.wsgi_format:
        say("--wsgi-out-dir and --wsgi-format do nothing here: see reqprof.launch")
    drawing = asked.drawing()
    if asked.is_program:
        _check_place(asked.stats, drawing.path)
        return _run(asked.program(), drawing)
    if asked.cpu:
        say(
            f"--cpu does nothing without -r or -m: {asked.stats} has the times it was recorded with"
        )
    return drawing.draw(_read(asked.stats, drawing.path, trusted=not asked.untrusted))


def _run(program: Program, drawing: Drawing) -> int:
    """Run it and draw the run; gives the exit status."""
    failed = 0
    ended = script.run(program, aside=drawing.path is None)
    if ended.profile is not None:
        failed = drawing.draw(ended.profile, str(program))
    else:
        complain(f"{program} left no profile, so nothing is drawn: {ended.why}")
    return script.end_like(ended.status) or failed


def _check(asked: _Asked) -> None:
    if asked.run and asked.run_module:
        raise UsageError("-r and -m: STATS is a script or a module; give one of them")
    if asked.stats.startswith("-"):
        raise UsageError(
            f"no option {asked.stats}; options of the program come after its name or --"
        )
    if asked.run:
        _check_script(Path(asked.stats))
    if asked.arguments and not asked.is_program:
        _refuse(asked.arguments[0])


def _refuse(argument: str) -> None:
    if argument.startswith("-"):
        raise UsageError(f"no option {argument}")
    raise UsageError(
        f"{argument}: arguments are for a program, run with -r or -m;"
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


def _read(stats: str, out: Path | None, *, trusted: bool) -> Profile:
    file = anywhere.file(stats)
    if isinstance(file, Path):
        if file.is_dir():
            hint = f"draw what is in it with: reqprof merge {file} --svg"
            raise UsageError(f"{file} is a folder; {hint}")
        if out is not None:
            output.keep_off(out, [file])
    return anywhere.Reader(trusted=trusted)(file)
