"""From a call tree to a picture: each view is one function, found by name or file extension."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from reqprof.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from reqprof.tree.node import Node


class View(Protocol):
    """Draws a tree; the options are the view's own, all optional and keyword-only."""

    def __call__(self, tree: Node, **options: object) -> str | bytes: ...


_EXTENSIONS = {
    "svg": (".svg",),
    "folded": (".folded", ".collapsed"),
    "text": (".txt",),
}


def formats() -> tuple[str, ...]:
    """The names that :func:`by_name` knows."""
    return tuple(_EXTENSIONS)


def by_name(name: str) -> View:
    """The view of that name, such as ``svg``; raises UsageError where there is none."""
    if name not in _EXTENSIONS:
        raise UsageError(f"no format {name!r}: choose one of {', '.join(_EXTENSIONS)}")
    return cast("View", import_module(f"reqprof.view.{name}").render)


def by_extension(path: Path) -> View:
    """The view that writes such a file, by its extension; raises UsageError where there is none."""
    for name, extensions in _EXTENSIONS.items():
        if path.suffix.lower() in extensions:
            return by_name(name)
    known = ", ".join(extension for each in _EXTENSIONS.values() for extension in each)
    raise UsageError(f"{path}: cannot tell the format from {path.suffix!r}; use one of {known}")
