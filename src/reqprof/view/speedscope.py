"""The file format of speedscope: stacks as frames that open and close, one profile a route."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

from reqprof import __version__
from reqprof.tree.prune import prune
from reqprof.view import names
from reqprof.view.figures import percent
from reqprof.view.layout import order
from reqprof.view.trust import trust
from reqprof.view.whole import nanoseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reqprof.model import Function
    from reqprof.tree.node import Node

# Some 120 bytes a frame. Its importer takes 20 to 40 µs a frame, and calls itself for each level.
_MOST_FRAMES = 50_000
_DEEPEST = 500
_FEWEST = 2  # what a pruned tree has at least: the root and the remainder

_SCHEMA = "https://www.speedscope.app/file-format-schema.json"


class Frame(TypedDict):
    """What an event is about; equal ones are written once, for all profiles."""

    name: str
    file: NotRequired[str]
    line: NotRequired[int]


class Event(TypedDict):
    """A frame, by its place in the list, that opens (``O``) or closes (``C``) at a time."""

    type: Literal["O", "C"]
    frame: int
    at: int


class EventedProfile(TypedDict):
    """One profile; its times begin at ``startValue`` and never go back."""

    type: Literal["evented"]
    name: str
    unit: Literal["nanoseconds"]
    startValue: int
    endValue: int
    events: list[Event]


class Shared(TypedDict):
    """What all profiles of the file have in common."""

    frames: list[Frame]


File = TypedDict(
    "File",
    {
        "$schema": str,
        "exporter": str,
        "name": str,
        "activeProfileIndex": int,
        "shared": Shared,
        "profiles": list[EventedProfile],
    },
)
"""``dist/release/file-format-schema.json`` of the npm package speedscope 1.25.0 has all of it."""


def render(
    tree: Node,
    *,
    title: str,
    notes: Sequence[str] = (),
    routes: Mapping[str, Node] | None = None,
) -> str:
    """A JSON file with a profile for each of the ``routes``, which add up to ``tree``.

    The routes come in descending order of their time; without any, ``tree`` is the one profile.
    There is none of the whole beside those of routes: it would count everything twice.

    Siblings stand side by side, the widest first, as in our other pictures: speedscope's time
    axis is no history. Times are whole nanoseconds, and those of a profile's frames add up to its
    end exactly. There are at most 50,000 frames in all, shared out evenly among the routes, and
    the smallest of each are merged into ``…``; two of a route always stay. The names of profiles
    say where stacks are reconstructed; the name of the file says all that is in ``notes`` too.
    """
    named = sorted((routes or {title: tree}).items(), key=lambda item: (-item[1].total, item[0]))
    most = max(_FEWEST, _MOST_FRAMES // len(named))
    frames = _Frames()
    profiles = [
        _profile(_named(name, one), prune(one, max_frames=most, max_depth=_DEEPEST), frames)
        for name, one in named
    ]
    file: File = {
        "$schema": _SCHEMA,
        "exporter": f"reqprof@{__version__}",
        "name": names.clean(f"{title} — {' '.join([*notes, trust(tree)])}"),
        "activeProfileIndex": 0,
        "shared": {"frames": frames.listed},
        "profiles": profiles,
    }
    return json.dumps(file, separators=(",", ":"), ensure_ascii=False)


def _named(name: str, tree: Node) -> str:
    """The name of a profile, of which speedscope shows some 100 characters above the frames."""
    guessed = 1 - tree.exact_share()
    if guessed:
        name += f" ({percent(guessed, 1)} on reconstructed stacks)"
    return names.clean(name)


class _Frames:
    """The frames of a file, each function once."""

    def __init__(self) -> None:
        self.listed: list[Frame] = []
        self._known: dict[Function, int] = {}

    def place(self, function: Function) -> int:
        if function not in self._known:
            self._known[function] = len(self.listed)
            self.listed.append(_frame(function))
        return self._known[function]


def _frame(function: Function) -> Frame:
    file, line, _ = function
    frame: Frame = {"name": names.label(function)}
    if file not in ("", "~"):
        frame["file"] = names.clean(file)
        if line > 0:
            frame["line"] = line
    return frame


def _profile(name: str, tree: Node, frames: _Frames) -> EventedProfile:
    nodes = [node for _, node in tree.walk()]
    times = dict(zip(nodes, nanoseconds([node.self_time for node in nodes]), strict=True))
    events: list[Event] = []
    now = 0
    waiting = [(tree, False)]
    while waiting:
        node, is_open = waiting.pop()
        if is_open:
            now += times[node]
        else:
            waiting.append((node, True))
            children = sorted(node.children.values(), key=order, reverse=True)
            waiting += [(child, False) for child in children]
        if node is not tree:
            place = frames.place(node.function)
            events.append({"type": "C" if is_open else "O", "frame": place, "at": now})
    return {
        "type": "evented",
        "name": name,
        "unit": "nanoseconds",
        "startValue": 0,
        "endValue": now,
        "events": events,
    }
