"""A stack in words: whole, or what of it a person at a terminal wants to see."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from reqprof.cli.listing import cells
from reqprof.view.names import STDLIB, package, place
from reqprof.view.stack import ARROW, ELLIPSIS, telling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from reqprof.model import Place

    Stack = Sequence[Place]
    Teller = Callable[[Stack], list[str]]
    """Gives a text for each frame, outermost first."""

UNKNOWN = "(no Python frame)"


def teller(*, full_paths: bool) -> Teller:
    """How to tell stacks: whole, or with few frames and short paths."""
    return whole if full_paths else brief


def whole(stack: Stack) -> list[str]:
    """Every frame as ``file:line function``."""
    return [f"{file}:{line} {name}" for file, _, name, line in stack] or [UNKNOWN]


def brief(stack: Stack) -> list[str]:
    """The frames of the app's own code, what the last of them awaited, and where that ended.

    An ellipsis stands for frames left out, except for those of the server and the framework that
    called the app.
    """
    here = os.path.join(os.getcwd(), "")  # noqa: PTH118, PTH109 - the separator at its end matters
    texts = []
    last, folder = None, ""
    for at in telling([(file, first, name) for file, first, name, _ in stack]):
        if last is not None and at > last + 1:
            texts.append(ELLIPSIS)
            folder = ""
        text, folder = _frame(stack[at], here, folder)
        texts.append(text)
        last = at
    return texts or [UNKNOWN]


def line(frames: Sequence[str]) -> str:
    """The frames behind one another."""
    return ARROW.join(frames)


def wrapped(frames: Sequence[str], width: int | None) -> Iterator[str]:
    """The frames on as many lines as the width needs, broken before arrows."""
    text = ""
    for frame in frames:
        longer = f"{text}{ARROW}{frame}" if text else frame
        if text and width is not None and cells(longer) > width:
            yield text
            longer = f" {ARROW}{frame}"
        text = longer
    yield text


def _frame(frame: Place, here: str, folder: str) -> tuple[str, str]:
    """The text of a frame and its folder, which goes unsaid where the caller is in it too."""
    file, first, name, line = frame
    path = place((file, line, name)).removeprefix(here)
    if package((file, first, name)) == STDLIB and file.endswith(".py"):
        module = path.rpartition(":")[0].removesuffix(".py").removesuffix("/__init__")
        return f"{module.replace('/', '.')}.{name}", ""
    where, slash, base = path.rpartition("/")
    return f"{base if slash and where == folder else path} {name}", where
