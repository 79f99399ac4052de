"""Patterns of request paths: globs, and route templates as frameworks write them."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase, translate
from functools import lru_cache

# A parameter with its converter: {id}, {id:int}, {rest:path}; <id>, <int:id>, <path:rest>.
_PARAMETER = re.compile(r"\{\w+(?::(\w+))?\}|<(?:(\w+)(?:\([^()<>]*\))?:)?\w+>", re.ASCII)
# What no such template has: a parameter in another notation, or a regular expression of Django.
_OTHER = re.compile(r"[({<\\^$|]")
_LITERAL = re.compile(r"[^(){}<>\[\]\\^$|.*+?]*")
_QUANTIFIER = re.compile(r"[*+?]|\{\d")
_REMAINDER = re.compile(r"/\*\w+$", re.ASCII)  # Pyramid's, of any number of segments
# Stand in for a parameter while the rest is translated as a glob.
_SEGMENT, _SEGMENTS = "\ue000", "\ue001"


def matcher(pattern: str) -> re.Pattern[str]:
    """What fully matches the paths that ``pattern`` means, upper and lower case told apart.

    ``*`` stands for any text, slashes too, ``?`` for a character, ``[..]`` for one of several. A
    parameter of a template, ``{id}`` or ``<int:id>``, stands for one segment that is not empty,
    one with the converter ``path`` for several. Raises ValueError for what can match no path.
    """
    if not pattern.startswith(("/", "*")) or _SEGMENT in pattern or _SEGMENTS in pattern:
        raise ValueError(f"{pattern!r:.80} matches no path; a pattern begins with / or *")
    return _compiled(pattern)


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    glob = translate(_PARAMETER.sub(_stand_in, pattern))
    return re.compile(glob.replace(_SEGMENT, "[^/]+?").replace(_SEGMENTS, ".+?"))


def _stand_in(parameter: re.Match[str]) -> str:
    return _SEGMENTS if "path" in parameter.groups() else _SEGMENT


def fits(name: str | None, pattern: str) -> bool:
    """Whether a route or path is what ``pattern`` says, word by word or as a glob.

    A template can hold what means something in a glob, such as a regular expression of Django.
    """
    return name is not None and (name == pattern or fnmatchcase(name, pattern))


def outline(route: str) -> str:
    """A glob for all the paths that requests of the route have, and perhaps for some others.

    Parameters may be of several segments: not all frameworks say which are.
    """
    glob = _REMAINDER.sub("/*", _PARAMETER.sub("*", route))
    if not _OTHER.search(glob):
        return glob
    literal = _LITERAL.match(route)
    end = 0 if literal is None else literal.end()
    if _QUANTIFIER.match(route, end):
        end = max(0, end - 1)  # what stands before it in an expression need not be there
    return route[:end] + "*"


def is_of(route: str, path: str) -> bool:
    """Whether ``path`` is one of the template ``route``, where that can be told from the two.

    A parameter stands for one segment, or for all that follow where its converter is ``path``.
    """
    parts, found = _parts(route), path.split("/")
    if parts and parts[-1] == _SEGMENTS and len(found) >= len(parts):
        parts, found = parts[:-1], found[: len(parts) - 1]
    return len(parts) == len(found) and all(map(fnmatchcase, found, parts))


@lru_cache(maxsize=1024)
def _parts(route: str) -> list[str]:
    """Globs for the segments of a template; none where it is in another notation."""
    marked = _PARAMETER.sub(_stand_in, route)
    if _OTHER.search(marked) or any(char in marked for char in "*?["):
        return []
    return [
        part if part == _SEGMENTS else part.replace(_SEGMENT, "?*").replace(_SEGMENTS, "?*")
        for part in marked.split("/")
    ]
