"""Patterns of request paths: globs, and route templates as frameworks write them."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache

# A parameter with its converter: {id}, {id:int}, {rest:path}; <id>, <int:id>, <path:rest>.
_PARAMETER = re.compile(r"\{\w+(?::(\w+))?\}|<(?:(\w+)(?:\([^()<>]*\))?:)?\w+>", re.ASCII)
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
