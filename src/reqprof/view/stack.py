"""Which frames of a stack tell a person most, and the stack in a line made of them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from reqprof.view import names
from reqprof.view.fit import columns, cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reqprof.model import Function

ARROW = " -> "
ELLIPSIS = "…"

_MOST = 8
"""Frames that a person still reads as one stack."""

_FOREIGN = 5
"""Frames of a stack without own code, which may be an app that was installed as a package."""


def telling(stack: Sequence[Function]) -> list[int]:
    """Which frames tell most: the app's own, what the last of them called, and the last one."""
    end = len(stack) - 1
    own = [at for at, function in enumerate(stack) if names.package(function) == names.APP]
    while own and stack[own[0]][2] == "__call__":
        del own[0]  # a middleware of the app's own, through which every request goes
    if not own:
        return list(range(len(stack)))[-_FOREIGN:]
    kept = sorted({*own, min(own[-1] + 1, end), end})
    return kept if len(kept) <= _MOST else [kept[0], *kept[1 - _MOST :]]


def callers(stack: Sequence[Function]) -> list[str]:
    """Those of the last frame that tell most, outermost first; an ellipsis for others between."""
    end = len(stack) - 1
    kept = [at for at in telling(stack) if at < end] or list(range(end))[-1:]
    texts = []
    for at, following in pairwise([*kept, end]):
        texts.append(names.label(stack[at]))
        if following > at + 1:
            texts.append(ELLIPSIS)
    return texts


def line(frames: Sequence[str], room: int) -> str:
    """The frames with arrows between them, those in the middle left out where it gets too wide."""
    text = ARROW.join(frames)
    for start in range(2, len(frames)):
        if columns(text) <= room:
            break
        if frames[start] != ELLIPSIS:
            text = ARROW.join((frames[0], ELLIPSIS, *frames[start:]))
    return cut(text, room)
