"""What the command says: data to stdout, everything else to stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

import click

from reqprof.errors import ReqprofError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

FEW = 100
"""Files; a bar for fewer only flickers."""


@dataclass(frozen=True, slots=True)
class Screen:
    """Where output goes: ``width`` in columns, None without limit; whether it takes ``colour``."""

    width: int | None = None
    colour: bool = False

    @classmethod
    def of_stdout(cls) -> Screen:
        """The terminal that stdout is, or the plain endless page that a pipe or file is."""
        dull = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
        return cls(terminal_width(), to_terminal() and not dull)

    def paint(self, text: str, style: str) -> str:
        """``text`` in ``style``, one of the names in STYLES or "" for none."""
        if not self.colour or not style:
            return text
        return click.style(text, **STYLES[style])  # type: ignore[arg-type]


STYLES: dict[str, dict[str, object]] = {
    "bad": {"fg": "red"},
    "quiet": {"dim": True},
    "strong": {"bold": True},
    "head": {"underline": True},
}


def terminal_width() -> int | None:
    """Columns of the terminal that stdout is, None where it is none."""
    return shutil.get_terminal_size().columns if to_terminal() else None


def to_terminal() -> bool:
    """Whether stdout is one."""
    return sys.stdout is not None and sys.stdout.isatty()


def printable(text: str) -> str:
    """``text`` on one line and harmless to a terminal: a path holds whatever a client sent."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def plural(count: int, noun: str, nouns: str = "") -> str:
    """The number with its noun, whose plural may need telling."""
    return f"{count:,} {noun if count == 1 else nouns or f'{noun}s'}"


def say(message: str) -> None:
    """One line on stderr."""
    if sys.stderr is not None:
        # Not by click, which writes past the bar that rich may be drawing there.
        sys.stderr.write(printable(message) + "\n")


def complain(message: str) -> None:
    """One line on stderr about something that went wrong."""
    say(f"reqprof: {message}")


class Unprintable(ReqprofError):
    """What stdout is cannot take it: a full disk, say."""

    exit_code: ClassVar[int] = 3


@contextmanager
def _printing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Unprintable(f"standard output: {error.strerror}") from None


def emit(lines: Iterable[str]) -> None:
    """Lines of data to stdout, in whatever encoding it has."""
    if sys.stdout is None:  # closed by whoever started us
        return
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines:
        with _printing():
            sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def flush() -> None:
    """Show what was emitted so far, also to a pipe that waits for it."""
    if sys.stdout is not None:
        with _printing():
            sys.stdout.flush()


def emit_json(value: object) -> None:
    """One JSON document to stdout, in ASCII, so that any reader takes it."""
    emit([json.dumps(value, indent=2, allow_nan=False)])


def emit_bytes(data: bytes) -> None:
    """A whole file to stdout."""
    if sys.stdout is None:
        return
    with _printing():
        sys.stdout.flush()
        sys.stdout.buffer.write(data)


def progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """``items``, with a :func:`bar` that goes on with each."""
    with bar(total, what) as done:
        for item in items:
            yield item
            done(1)


@contextmanager
def bar(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """A bar on stderr where that is a terminal and there is much; gives what moves it on."""
    if total <= FEW or sys.stderr is None or not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield lambda count: shown.advance(task, count)
