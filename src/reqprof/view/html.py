"""A flame graph to explore, as one HTML file: nothing to load, no server, no other script."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from reqprof.tree.compensate import is_costed
from reqprof.tree.prune import prune
from reqprof.tree.recursion import merged
from reqprof.view import names
from reqprof.view.colour import HATCH, HEAT, INK, PAGE, heat
from reqprof.view.columns import Functions, columns
from reqprof.view.source import sources
from reqprof.view.trust import trust
from reqprof.view.words import noun

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reqprof.tree.node import Node

# In the order in which each needs the ones before.
_SCRIPTS = (
    "data",
    "tree",
    "transform",
    "colour",
    "pointers",
    "flame",
    "page",
    "detail",
    "lists",
    "state",
    "controls",
    "main",
)

_SHADES = {"page": PAGE, "ink": INK, "hatch": HATCH}

# So many are read and drawn in a quarter of a second.
_MOST_FRAMES = 100_000
_MOST_OF_PARTS = 100_000  # together
_DEEPEST = 1000


def render(
    tree: Node,
    *,
    title: str = "Flame graph",
    notes: Sequence[str] = (),
    routes: Mapping[str, Node] | None = None,
    requests: Mapping[str, Node] | None = None,
    threshold: float | None = None,
    inverted: bool = False,
    source: bool = False,
) -> str:
    """The tree as an HTML document, which may hold those of routes and requests as well.

    Recursion is merged.

    ``routes`` and ``requests`` are trees by name, in the order of the page's selector; one alone
    would repeat the whole and is left out. ``threshold`` is the percentage of a tree's time below
    which frames are merged; the narrowest are where trees are many or large: the page has at most
    100,000 frames of the whole, and as many of all parts together.
    ``inverted`` opens the page with the root above. ``source`` puts the lines of the functions with
    the most self time into the page, as far as their files are here.
    """
    functions = Functions()
    subjects = [
        _subject(group, name, one, functions, (threshold or 0.0) / 100, room)
        for group, name, one, room in _subjects(tree, routes or {}, requests or {})
    ]
    data = {
        "subjects": subjects,
        "functions": functions.columns(),
        "packages": functions.package_list(),
        "shades": {name: shade._asdict() for name, shade in _SHADES.items()},
        "heat": [{"share": share, **heat(share)._asdict()} for share in HEAT],
        "costed": is_costed(tree),
        "noun": noun(tree),
        "icicle": inverted,
        "source": sources(tree, functions.numbers) if source else {},
    }
    return _page(names.clean(title), [names.clean(note) for note in notes], data)


def _subjects(
    tree: Node, routes: Mapping[str, Node], requests: Mapping[str, Node]
) -> Iterator[tuple[str, str, Node, int]]:
    """Group, name, tree, and how many frames of it there is room for."""
    parts = [
        (group, name, part)
        for group, trees in (("Routes", routes), ("Slowest requests", requests))
        if len(trees) > 1
        for name, part in trees.items()
    ]
    yield "", "all requests" if parts else "everything", tree, _MOST_FRAMES
    for group, name, part in parts:
        yield group, name, part, _MOST_OF_PARTS // len(parts)


def _subject(
    group: str, name: str, tree: Node, functions: Functions, share: float, room: int
) -> dict[str, object]:
    shown = prune(merged(tree), min_total=tree.total * share, max_frames=room, max_depth=_DEEPEST)
    frames = columns(shown, functions)
    said = trust(tree) if tree.total > 0 else "No time was recorded."
    return {"group": group, "name": names.clean(name), "trust": said, "frames": frames}


def _page(title: str, notes: Sequence[str], data: Mapping[str, object]) -> str:
    style = _asset("style.css")
    script = "\n".join(('"use strict";', "{", *(_asset(f"{name}.js") for name in _SCRIPTS), "}"))
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)};"
        " base-uri 'none'; form-action 'none'"
    )
    # In a script element nothing but a tag could end it, so no tag may begin.
    packed = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return _asset("page.html").format(
        title=_html(title),
        notes="".join(f"<p>{_html(note)}</p>\n" for note in notes),
        policy=policy,
        counts=f"{data['noun']}s".title(),
        style=style,
        script=script,
        data=packed,
    )


# Browsers keep a page in half the memory and read it faster where all of it is ASCII.
def _html(text: str) -> str:
    return escape(text).encode("ascii", "xmlcharrefreplace").decode()


def _asset(name: str) -> str:
    text = (files("reqprof.view") / "assets" / name).read_text("utf-8")
    return text.encode("ascii", "backslashreplace").decode() if name.endswith(".js") else text


def _hash(text: str) -> str:
    """A source expression of Content Security Policy Level 3, section 2.3.1."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
