"""A request's facts as JSON: in the trailer of a ``.prof`` and in the lines of the index.

Runs in the served process: it imports the standard library and nothing of the reading half.
"""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Final, Never

from reqprof.model import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_TEXT: Final = 1 << 16
"""Characters in one value, far above any URL that a server takes."""


MAX_MOMENT: Final = 253402300799.0
"""The last second of the year 9999, since 1970."""


def to_facts(request: Request) -> dict[str, object]:
    """The facts as JSON holds them: a field that has its default value is left out."""
    return {
        name: value
        for name, default in _DEFAULTS.items()
        if (value := getattr(request, name)) != default
    }


def from_facts(facts: Mapping[str, object]) -> Request:
    """The request that the facts tell of; keys that it does not know are ignored.

    Raises ValueError, naming key and value, for a wrong type or a number beyond all sense.
    """
    known: dict[str, object] = {}
    for name, value in facts.items():
        check = _CHECKS.get(name)
        if check is not None:
            known[name] = check(name, value)
    if "id" not in known:
        raise ValueError("its facts have no id")
    return Request(**known)  # type: ignore[arg-type]


def dump_line(facts: Mapping[str, object]) -> bytes:
    """Facts as compact JSON on one line, in ASCII: a lone surrogate in a path must survive."""
    return json.dumps(facts, separators=(",", ":"), allow_nan=False).encode("ascii")


def load_line(line: bytes, what: str = "its facts") -> dict[str, object]:
    """One JSON object; raises ValueError, which says ``what`` it should be, for anything else."""
    try:
        found = _DECODER.decode(line.decode("utf-8"))
    except RecursionError:
        raise ValueError(f"{what} are nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{what} are no JSON: {error}") from None
    if type(found) is not dict:
        raise ValueError(f"{what} are no JSON object")
    return found


def _constant(name: str) -> Never:
    raise ValueError(f"{name} is no number")


def _wrong(name: str, value: object, wanted: str) -> ValueError:
    return ValueError(f"its facts say {name} = {value!r:.40}, not {wanted}")


def _text(name: str, value: object) -> str:
    if type(value) is not str or len(value) > MAX_TEXT:
        raise _wrong(name, value, "a text")
    return value


def _word(name: str, value: object) -> str:
    if type(value) is not str or not _WORD.fullmatch(value):
        raise _wrong(name, value, "a word")
    return value


def _flag(name: str, value: object) -> bool:
    if type(value) is not bool:
        raise _wrong(name, value, "true or false")
    return value


def _id(name: str, value: object) -> str:
    if type(value) is not str or not _ID.fullmatch(value):
        raise _wrong(name, value, "12 hex digits")
    return value


def _labels(name: str, value: object) -> dict[str, str]:
    if type(value) is not dict or not all(type(label) is str for label in value.values()):
        raise _wrong(name, value, "texts by name")
    return value


def _number(most: float, least: float = 0.0) -> Callable[[str, object], float]:
    def check(name: str, value: object) -> float:
        if type(value) not in (int, float) or not least <= value <= most:  # type: ignore[operator]
            raise _wrong(name, value, f"a number from {least:g} to {most:g}")
        return float(value)  # type: ignore[arg-type]

    return check


def _count(most: int) -> Callable[[str, object], int]:
    def check(name: str, value: object) -> int:
        if type(value) is not int or not 0 <= value <= most:
            raise _wrong(name, value, f"a count up to {most}")
        return value

    return check


def _optional(inner: Callable[[str, object], object]) -> Callable[[str, object], object]:
    return lambda name, value: None if value is None else inner(name, value)


_ID = re.compile(r"[0-9a-f]{12}")
_WORD = re.compile(r"[a-z]{1,20}")  # a later version may have more of them
_DECODER = json.JSONDecoder(parse_constant=_constant)
_DEFAULTS: dict[str, object] = {
    field.name: field.default if field.default_factory is MISSING else field.default_factory()
    for field in fields(Request)
}
_SECONDS = _number(1e9)
_SECONDS_OR_NONE = _optional(_SECONDS)

_CHECKS: dict[str, Callable[[str, object], object]] = {
    "id": _id,
    "kind": _text,
    "method": _text,
    "path": _optional(_text),
    "route": _optional(_text),
    "guessed": _flag,
    "status": _optional(_count(9999)),
    "exception": _optional(_text),
    "start": _number(MAX_MOMENT),
    "duration": _SECONDS,
    "first_byte": _SECONDS_OR_NONE,
    "total": _SECONDS,
    "cpu": _SECONDS_OR_NONE,
    "waited": _SECONDS_OR_NONE,
    "held": _SECONDS_OR_NONE,
    "tasks": _count(2**31),
    "tasks_ran": _SECONDS,
    "tasks_waited": _SECONDS,
    "jobs": _count(2**31),
    "jobs_ran": _SECONDS,
    "jobs_cpu": _SECONDS,
    "left_running": _count(2**31),
    "cost": _SECONDS_OR_NONE,
    "calls": _count(2**63),
    "beyond": _count(2**63),
    "neighbours": _count(2**31),
    "pid": _count(2**32),
    "host": _text,
    "thread": _text,
    "python": _text,
    "engine": _text,
    "builtins": _flag,
    "clock": _text,
    "chosen": _word,
    "kept": _word,
    "weight": _number(1e12, 1e-12),
    "interrupted": _flag,
    "partial": _flag,
    "trace_id": _optional(_text),
    "labels": _labels,
}
