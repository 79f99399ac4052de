"""A request's facts as JSON: in the trailer of a ``.prof`` and in the lines of the index.

Runs in the served process: it imports the standard library and nothing of the reading half.
"""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Final, Never

from reqprof.model import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Check = Callable[[str, object], object]

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
        check = CHECKS.get(name)
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


class Text:
    """Of any length that a server takes."""

    def __call__(self, name: str, value: object) -> str:
        if type(value) is not str or len(value) > MAX_TEXT:
            raise _wrong(name, value, "a text")
        return value


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text that fits an expression from end to end, in words ``wanted``."""

    expression: str
    wanted: str

    def __call__(self, name: str, value: object) -> str:
        if type(value) is not str or not re.fullmatch(self.expression, value):
            raise _wrong(name, value, self.wanted)
        return value


class Flag:
    """True or false."""

    def __call__(self, name: str, value: object) -> bool:
        if type(value) is not bool:
            raise _wrong(name, value, "true or false")
        return value


class Labels:
    """Texts by name."""

    def __call__(self, name: str, value: object) -> dict[str, str]:
        if type(value) is not dict or not all(type(label) is str for label in value.values()):
            raise _wrong(name, value, "texts by name")
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds, which count."""

    most: float
    least: float = 0.0

    def __call__(self, name: str, value: object) -> float:
        if type(value) not in (int, float) or not self.least <= value <= self.most:  # type: ignore[operator]
            raise _wrong(name, value, f"a number from {self.least:g} to {self.most:g}")
        return float(value)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number from 0 to ``most``."""

    most: int

    def __call__(self, name: str, value: object) -> int:
        if type(value) is not int or not 0 <= value <= self.most:
            raise _wrong(name, value, f"a count up to {self.most}")
        return value


@dataclass(frozen=True, slots=True)
class Optional:
    """Null or what ``inner`` takes."""

    inner: Check

    def __call__(self, name: str, value: object) -> object:
        return None if value is None else self.inner(name, value)


_DECODER = json.JSONDecoder(parse_constant=_constant)
_DEFAULTS: dict[str, object] = {
    field.name: field.default if field.default_factory is MISSING else field.default_factory()
    for field in fields(Request)
}
_SECONDS = Number(1e9)
_WORD = Pattern("[a-z]{1,20}", "a word")  # a later version may have more of them

CHECKS: Final[dict[str, Check]] = {
    "id": Pattern("[0-9a-f]{12}", "12 hex digits"),
    "kind": Text(),
    "method": Text(),
    "path": Optional(Text()),
    "route": Optional(Text()),
    "guessed": Flag(),
    "status": Optional(Count(9999)),
    "exception": Optional(Text()),
    "start": Number(MAX_MOMENT),
    "duration": _SECONDS,
    "first_byte": Optional(_SECONDS),
    "total": _SECONDS,
    "cpu": Optional(_SECONDS),
    "waited": Optional(_SECONDS),
    "held": Optional(_SECONDS),
    "tasks": Count(2**31),
    "tasks_ran": _SECONDS,
    "tasks_waited": _SECONDS,
    "jobs": Count(2**31),
    "jobs_ran": _SECONDS,
    "jobs_cpu": _SECONDS,
    "left_running": Count(2**31),
    "cost": Optional(_SECONDS),
    "calls": Count(2**63 - 1),
    "beyond": Count(2**63 - 1),
    "neighbours": Count(2**31),
    "pid": Count(2**32),
    "host": Text(),
    "thread": Text(),
    "python": Text(),
    "engine": Text(),
    "builtins": Flag(),
    "clock": Text(),
    "chosen": _WORD,
    "kept": _WORD,
    "weight": Number(1e12, 1e-12),
    "interrupted": Flag(),
    "partial": Flag(),
    "trace_id": Optional(Text()),
    "labels": Labels(),
}
"""By name of a fact: what gives its value, or raises ValueError, which names both."""
