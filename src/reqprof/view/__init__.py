"""From profiles to what a person looks at: each format is one module with one ``render``."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol, cast

from reqprof.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


class View(Protocol):
    """Draws what its format is made of; the options are the view's own, keyword-only."""

    def __call__(self, source: object, /, **options: object) -> str | bytes: ...


@dataclass(frozen=True, slots=True)
class Format:
    """What a format is for, the extensions of its files, the usual one first, and its matter.

    ``made_of`` is the tree of all requests, that with those of routes and of slow requests, the
    trees one by one, or the table of callers and callees.
    """

    purpose: str
    extensions: tuple[str, ...]
    made_of: Literal["tree", "trees", "requests", "table"]
    for_terminal: bool = False


FORMATS = {
    "svg": Format("A flame graph.", (".svg",), "tree"),
    "html": Format("A flame graph to explore, in one file.", (".html", ".htm"), "trees"),
    "text": Format("A call tree to read here.", (".txt",), "tree", for_terminal=True),
    "folded": Format(
        "Folded stacks, for flamegraph.pl, inferno and the like.",
        (".folded", ".collapsed"),
        "tree",
        for_terminal=True,
    ),
    "speedscope": Format("For speedscope.", (".speedscope.json", ".json"), "trees"),
    "pprof": Format("For go tool pprof, Pyroscope and the like.", (".pb.gz",), "requests"),
    "callgrind": Format("For kcachegrind and callgrind_annotate.", (".callgrind",), "table"),
    "prof": Format("One profile, for pstats, snakeviz and the like.", (".prof",), "table"),
}
"""Each format by the name of its module."""


def by_name(name: str) -> View:
    """The view of that name, such as ``svg``; raises UsageError where there is none."""
    if name not in FORMATS:
        raise UsageError(f"no format {name!r}: choose one of {', '.join(FORMATS)}")
    return cast("View", import_module(f"reqprof.view.{name}").render)


def format_of(path: Path) -> str:
    """The name of the format that a file has by its extension; raises UsageError for none."""
    for name, one in FORMATS.items():
        if path.name.lower().endswith(one.extensions):
            return name
    known = ", ".join(one.extensions[0] for one in FORMATS.values())
    problem = f"the extension {path.suffix!r}" if path.suffix else "no extension"
    raise UsageError(f"{path} has {problem}, which says no format; use {known} or give the format")
