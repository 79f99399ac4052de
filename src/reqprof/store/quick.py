"""Lines of the index read some ten times as fast as :mod:`reqprof.store.facts` reads them.

What is valid, that module says; what this one does not take is left to it. For commands alone: it
needs msgspec.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Annotated, Any, Protocol, cast

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

if TYPE_CHECKING:
    from collections.abc import Iterable


class Glance(Protocol):
    """What the listing of all profiles needs of each: see :class:`Request`."""

    file: str
    id: str
    start: float
    duration: float

    @property
    def untraced(self) -> float:
        """See :attr:`Request.untraced`."""


class Lines:
    """Those of a file, which are not taken apart before one is asked for."""

    __slots__ = ("_data", "_each")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._each: list[bytes] | None = None

    def __getitem__(self, number: int) -> bytes:
        if self._each is None:
            self._each = self._data.split(b"\n")
        return self._each[number]


def glances(data: bytes) -> list[tuple[Glance, Lines, int]]:
    """For each line its most important facts, and where it is; what is no line is left out."""
    lines = Lines(data)
    with suppress(*_BAD):  # one of them is no line of ours
        seen = _GLANCES.decode_lines(data)
        if len(seen) == data.count(b"\n") + (not data.endswith(b"\n")):
            return [(glance, lines, number) for number, glance in enumerate(seen)]
    each = enumerate(map(_glance, data.split(b"\n")))
    return [(glance, lines, number) for number, glance in each if glance is not None]


def _glance(line: bytes) -> Glance | None:
    try:
        return cast("Glance", _GLANCES.decode(line))
    except _BAD:
        pass
    with suppress(ValueError):  # some valid JSON msgspec does not take
        facts = load_line(line)
        known, file = from_facts(facts), facts.get("file")
        if type(file) is str:
            return cast("Glance", _Glance(file, *(getattr(known, name) for name in _SEEN)))
    return None


def request(line: bytes) -> Request:
    """All facts of a line, which are equal to a request; raises ValueError.

    They have the attributes of a :class:`Request`, but are no instance of it.
    """
    try:
        return cast("Request", _REQUESTS.decode(line))
    except _BAD:
        return from_facts(load_line(line))


def outline(line: bytes) -> Request:
    """The facts of a line that the tally of its route is made of, like :func:`request`."""
    try:
        return cast("Request", _OUTLINES.decode(line))
    except _BAD:
        return from_facts(load_line(line))


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


def _struct(name: str, names: Iterable[str], **others: Any) -> Any:
    """A class with these facts of a request, what is computed of them, and other fields."""
    wanted: list[Any] = list(others.items())
    for field in fields(Request):
        if field.name in names:
            spec: list[Any] = [field.name, _type(CHECKS[field.name])]
            if field.default_factory is not MISSING:
                spec.append(msgspec.field(default_factory=field.default_factory))
            elif field.default is not MISSING:
                spec.append(field.default)
            wanted.append(tuple(spec))
    computed = {name: value for name, value in vars(Request).items() if isinstance(value, property)}
    # The collector need not look at them: they refer to texts and numbers alone.
    return msgspec.defstruct(
        name, wanted, namespace={**computed, "__eq__": _equal}, eq=False, gc=False
    )


def _equal(one: Any, other: object) -> Any:
    if not isinstance(other, (Request, type(one))):
        return NotImplemented
    return all(getattr(one, name) == getattr(other, name) for name in CHECKS)


_BAD = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_SEEN = ("id", "start", "duration", "total", "cost")
_Glance = _struct("Glance", _SEEN, file=str)
_GLANCES: Any = msgspec.json.Decoder(_Glance)
_TALLIED = (*_SEEN, "engine", "guessed", "host", "path", "pid", "route")
_OUTLINES: Any = msgspec.json.Decoder(_struct("Outline", _TALLIED))
_REQUESTS: Any = msgspec.json.Decoder(_struct("Facts", CHECKS))
