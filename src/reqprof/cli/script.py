"""Run a person's program recorded, in a process of its own, and end as it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import reqprof
from reqprof.errors import BadProfile, NotFound
from reqprof.store import reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reqprof.model import Profile

# In a folder of its own, which Python then searches first: beside what else a person has there,
# any of our imports could find a file of that name.
_START = """
import sys
sys.path = [*sys.path[1:], sys.argv.pop(1)]
from reqprof.program import main
main()
"""
_HOME = str(Path(reqprof.__file__).parents[1])
_STDERR = 2
_RELAYED = ("SIGINT", "SIGTERM", "SIGHUP")
_SILENT = "it never began, it ended by os._exit, os.exec* or a signal, or nothing could be written"


@dataclass(frozen=True, slots=True)
class Program:
    """A script's path or, with ``is_module``, a module's name; and its own arguments."""

    target: str
    arguments: Sequence[str]
    is_module: bool
    clock: str = "wall"

    def __str__(self) -> str:
        return " ".join(("-m " * self.is_module + self.target, *self.arguments))


class Ended(NamedTuple):
    """A program that has ended: its status, negative for a signal's number, and its profile.

    Where there is no profile, ``why`` says so.
    """

    status: int
    profile: Profile | None
    why: str = ""


def run(program: Program, *, aside: bool) -> Ended:
    """Run it to its end. With ``aside`` what it prints goes to stderr.

    Raises NotFound where there is no such program, or nothing can be recorded.
    """
    with tempfile.TemporaryDirectory(prefix="reqprof-") as folder:
        files = [Path(folder, name) for name in ("program.prof", "refused", "lost")]
        Path(folder, "__main__.py").write_text(_START)
        kind = "module" if program.is_module else "script"
        words = [folder, _HOME, *map(str, files), program.clock, kind, program.target]
        status = _call([*_interpreter(), *words, *program.arguments], aside=aside)
        return _ended(status, *files)


def _ended(status: int, profile: Path, refused: Path, lost: Path) -> Ended:
    if refused.exists():
        raise NotFound(refused.read_text("utf-8"))
    if not profile.exists():
        why = lost.read_text("utf-8") if lost.exists() else ""
        return Ended(status, None, why or _SILENT)
    try:
        return Ended(status, reader.read(profile))
    except BadProfile as error:
        return Ended(status, None, f"reading it failed: {error.reason}")


def end_like(status: int) -> int:
    """The exit status that says the same; does not return where a signal has to say it."""
    if status < 0:
        if sys.stdout is not None:
            sys.stdout.flush()
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


def _interpreter() -> list[str]:
    # With the options of ours, such as -X dev and -W error: multiprocessing does it likewise.
    options: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return [sys.executable, *options]


def _call(command: list[str], *, aside: bool) -> int:
    with (
        subprocess.Popen(command, stdout=_STDERR if aside else None) as process,  # noqa: S603
        _relayed_to(process),
    ):
        return process.wait()


@contextmanager
def _relayed_to(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Meanwhile signals that would end us are the program's to answer."""

    def relay(number: int, _: object) -> None:
        if number != signal.SIGINT or not _is_typed():
            process.send_signal(number)

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in _RELAYED:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, relay)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_typed() -> bool:
    """Whether a SIGINT is Ctrl-C, which the terminal sends to the program as well."""
    try:
        with open("/dev/tty", "rb") as terminal:  # noqa: PTH123
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False
