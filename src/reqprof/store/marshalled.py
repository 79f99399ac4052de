"""Read single objects of a marshalled pstats table, one after the other, without marshal.

Only texts, integers, floats, the openings of tuples and references are understood. The codes are
those of CPython's ``Python/marshal.c``, all versions up to 5, and those of Python 2.7.
"""

from __future__ import annotations

import math
import struct
from typing import Any, Final

MAX_TEXT: Final = 1 << 16
"""Bytes in the name of a function or file."""

FLAG: Final = 0x80  # in the code of an object that gets a number, by which references mean it
REF, TUPLE, SHORT_TUPLE, DICT, END = b"r(){0"
INT, INT64, LONG, FLOAT, FLOAT_TEXT = b"iIlgf"

_MAX_DIGITS = 5  # of 15 bits each, enough for 64
_INTERNED, _INTERNED_REF, _UNICODE = b"tRu"
_SHORT_TEXTS = frozenset(b"zZ")
_LONG_TEXTS = frozenset(b"aAuts")
_LATIN1_TEXTS = frozenset(b"zZaA")
_OPEN = object()  # has the number of a tuple or dict that is not complete yet

_SIZE = struct.Struct("<I")
_INT_BYTES = struct.Struct("<i")
_INT64_BYTES = struct.Struct("<q")
_FLOAT_BYTES = struct.Struct("<d")
_DIGIT = struct.Struct("<H")


class BadMarshal(ValueError):
    """The bytes are no pstats table; the text says why."""


class Cursor:
    """A place in the bytes, and the objects before it to which references may refer.

    Its methods move it past what they return. They raise :class:`BadMarshal` for something else
    than they are asked for, IndexError or struct.error where the bytes end and IndexError for a
    reference to nothing.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.numbered: list[Any] = []
        self._interned: list[str] = []  # Python 2 numbers these apart

    def text(self) -> str:
        code = self.code()
        kind = code & ~FLAG
        known: str
        if kind in _SHORT_TEXTS:
            size = self.code()
        elif kind in _LONG_TEXTS:
            size = self._take(_SIZE)
        elif kind == REF:
            known = self.referred_to(str)
            return known
        elif kind == _INTERNED_REF:
            known = self._interned[self._take(_SIZE)]
            return known
        else:
            raise self.unexpected(code)
        text = self._decoded(kind, size)
        if kind == _INTERNED:
            self._interned.append(text)
        if code & FLAG:
            self.numbered.append(text)
        return text

    def count(self) -> int:
        value = self.integer()
        if value < 0:
            raise self.damaged("a count below zero")
        return value

    def integer(self) -> int:
        code = self.code()
        kind = code & ~FLAG
        value: int
        if kind == REF:
            value = self.referred_to(int)
            return value
        if kind == INT:
            value = self._take(_INT_BYTES)
        elif kind == INT64:
            value = self._take(_INT64_BYTES)
        elif kind == LONG:
            value = self._long()
        else:
            raise self.unexpected(code)
        if code & FLAG:
            self.numbered.append(value)
        return value

    def seconds(self) -> float:
        """A finite float, or an integer: a profiler may have counted ticks."""
        code = self.data[self.at]
        kind = code & ~FLAG
        value: float
        if kind == FLOAT:
            self.at += 1
            value = self._take(_FLOAT_BYTES)
        elif kind == FLOAT_TEXT:
            self.at += 1
            value = self._float_text()
        elif kind == REF and type(self.peek_referred_to()) is float:
            self.at += 1
            value = self.referred_to(float)
            return value
        else:
            return self.integer()
        if not math.isfinite(value):
            raise self.damaged("a time that is no finite number")
        if code & FLAG:
            self.numbered.append(value)
        return value

    def open_tuple(self, size: int) -> int | None:
        """Go into a tuple of ``size`` parts; returns its number for :meth:`complete`."""
        code = self.code()
        kind = code & ~FLAG
        if kind == SHORT_TUPLE:
            found = self.code()
        elif kind == TUPLE:
            found = self._take(_SIZE)
        else:
            raise self.unexpected(code)
        if found != size:
            raise self.damaged(f"a tuple of {found} parts where a profile has {size}")
        return self.reserve(code)

    def reserve(self, code: int) -> int | None:
        if not code & FLAG:
            return None
        self.numbered.append(_OPEN)
        return len(self.numbered) - 1

    def complete(self, number: int | None, value: object) -> None:
        if number is not None:
            self.numbered[number] = value

    def peek_referred_to(self) -> object:
        """What the reference means whose code is next."""
        number: int = _SIZE.unpack_from(self.data, self.at + 1)[0]
        return self.numbered[number]

    def referred_to(self, kind: type[Any], size: int | None = None) -> Any:
        """What the reference means whose code was just read; ``size`` is that of a tuple."""
        value = self.numbered[self._take(_SIZE)]
        if type(value) is not kind:
            raise self.damaged(f"a reference to something that is no {kind.__name__}")
        if size is not None and len(value) != size:
            raise self.damaged(f"a reference to a tuple of other than {size} parts")
        return value

    def code(self) -> int:
        code = self.data[self.at]
        self.at += 1
        return code

    def unexpected(self, code: int) -> BadMarshal:
        return self.damaged(f"a marshal code {code:#04x} that has no place there")

    def damaged(self, what: str) -> BadMarshal:
        return BadMarshal(f"no profile, or damaged: {what}, before byte {self.at}")

    def _take(self, form: struct.Struct) -> Any:
        (value,) = form.unpack_from(self.data, self.at)
        self.at += form.size
        return value

    def _decoded(self, kind: int, size: int) -> str:
        if size > MAX_TEXT:
            raise self.damaged(f"a name of {size} bytes")
        start = self.at
        self.at += size
        raw = self.data[start : self.at]
        if len(raw) < size:
            raise IndexError
        if kind in _LATIN1_TEXTS:
            return raw.decode("latin-1")
        try:
            return raw.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            if kind == _UNICODE:
                raise self.damaged("a text that is no UTF-8") from None
            return raw.decode("latin-1")  # bytes of Python 2, in who knows what encoding

    def _long(self) -> int:
        size = self._take(_INT_BYTES)
        if abs(size) > _MAX_DIGITS:
            raise self.damaged(f"an integer of {abs(size)} digits")
        value = 0
        for place in range(abs(size)):
            value += self._take(_DIGIT) << 15 * place
        return -value if size < 0 else value

    def _float_text(self) -> float:
        size = self.code()
        raw = self.data[self.at : self.at + size]
        self.at += size
        try:
            return float(raw)
        except ValueError:
            raise self.damaged(f"a time written {raw!r:.40}") from None
