"""A stack in words: whole, or what of it a person at a terminal wants to see."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from reqprof.cli.listing import ELLIPSIS, cells
from reqprof.view.names import APP, STDLIB, package, place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from reqprof.model import Function, Place

    Stack = Sequence[Place]
    Teller = Callable[[Stack], list[str]]
    """Gives a text for each frame, outermost first."""

ARROW = " -> "
UNKNOWN = "(no Python frame)"

_MOST = 8
"""Frames that a person still reads as one stack."""

_FOREIGN = 5
"""Frames of a stack without own code, which may be an app that was installed as a package."""


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
    for at in _kept(stack):
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


def _kept(stack: Stack) -> list[int]:
    """Which frames tell most."""
    end = len(stack) - 1
    own = [at for at, (file, first, name, _) in enumerate(stack) if _is_own((file, first, name))]
    while own and stack[own[0]][2] == "__call__":
        del own[0]  # a middleware of the app's own, through which every request goes
    if not own:
        return list(range(len(stack)))[-_FOREIGN:]
    kept = sorted({*own, min(own[-1] + 1, end), end})
    return kept if len(kept) <= _MOST else [kept[0], *kept[1 - _MOST :]]


def _is_own(function: Function) -> bool:
    return package(function) == APP


def _frame(frame: Place, here: str, folder: str) -> tuple[str, str]:
    """The text of a frame and its folder, which goes unsaid where the caller is in it too."""
    file, first, name, line = frame
    path = place((file, line, name)).removeprefix(here)
    if package((file, first, name)) == STDLIB and file.endswith(".py"):
        module = path.rpartition(":")[0].removesuffix(".py").removesuffix("/__init__")
        return f"{module.replace('/', '.')}.{name}", ""
    where, slash, base = path.rpartition("/")
    return f"{base if slash and where == folder else path} {name}", where
