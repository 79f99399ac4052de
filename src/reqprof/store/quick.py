"""Lines of the index read some ten times as fast as :mod:`reqprof.store.facts` reads them.

What is valid, that module says; what this one does not take is left to it. For commands alone: it
needs msgspec.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta

from reqprof.model import Request
from reqprof.store.facts import (
    CHECKS,
    MAX_TEXT,
    Count,
    Flag,
    Labels,
    Number,
    Optional,
    Pattern,
    Text,
    from_facts,
    load_line,
)


def row(line: bytes) -> tuple[str, Request]:
    """The name of the file that a line tells of, and its facts, which are equal to a request.

    They have the attributes of a :class:`Request` but are no instance of it. Raises ValueError.
    """
    try:
        found = _decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _slowly(line)
    return found.file, cast("Request", found)


def _slowly(line: bytes) -> tuple[str, Request]:
    facts = load_line(line)
    name = facts.get("file")
    if type(name) is not str:
        raise ValueError("it names no file")
    return name, from_facts(facts)


def _type(check: object) -> Any:
    """What a check takes, as msgspec has it."""
    match check:
        case Text():
            return Annotated[str, Meta(max_length=MAX_TEXT)]
        case Pattern(expression):
            return Annotated[str, Meta(pattern=rf"\A(?:{expression})\Z")]
        case Flag():
            return bool
        case Labels():
            return dict[str, str]
        case Number(most, least):
            return Annotated[float, Meta(ge=least, le=most)]
        case Count(most):
            return Annotated[int, Meta(ge=0, le=most)]
        case Optional(inner):
            return _type(inner) | None
    raise TypeError(f"no such check: {check!r}")


def _fields() -> list[Any]:
    found: list[Any] = [("file", str)]
    for field in fields(Request):
        kind = _type(CHECKS[field.name])
        if field.default_factory is not MISSING:
            found.append((field.name, kind, msgspec.field(default_factory=field.default_factory)))
        elif field.default is not MISSING:
            found.append((field.name, kind, field.default))
        else:
            found.append((field.name, kind))
    return found


def _equal(one: Any, other: object) -> Any:
    if not isinstance(other, (Request, _Row)):
        return NotImplemented
    return all(getattr(one, name) == getattr(other, name) for name in CHECKS)


_COMPUTED = {name: value for name, value in vars(Request).items() if isinstance(value, property)}
_Row: Any = msgspec.defstruct(
    "_Row", _fields(), namespace={**_COMPUTED, "__eq__": _equal}, eq=False, gc=False
)
_decode = msgspec.json.Decoder(_Row).decode
