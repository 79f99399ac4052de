"""Read a marshalled pstats table without marshal, which a bad file can crash, hang or fool.

Only what such a table is made of is understood: texts, integers, floats, tuples of the right
length, dicts, and references to them. The codes are those of CPython's ``Python/marshal.c``, all
versions up to 5, and those of Python 2.7.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NoReturn, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.model import Function
    from reqprof.store.stats import Table

MAX_ITEMS: Final = 2_000_000
"""Functions and edges together; a large Django request has 4,000."""

MAX_TEXT: Final = 1 << 16

_MAX_DIGITS = 5  # of 15 bits each, enough for 64
_FLAG = 0x80  # the object gets a number, by which references mean it
_REF, _TUPLE, _DICT, _END = b"r({0"
_SHORT_TUPLE = ord(")")
_INTEGER, _BINARY = b"ig"
_NUMBERED_INTEGER = _INTEGER | _FLAG
_OPEN = object()  # has the number of a tuple or dict that is not complete yet

_LENGTH = struct.Struct("<I")
_INT32 = struct.Struct("<i")
_INT64 = struct.Struct("<q")
_FLOAT64 = struct.Struct("<d")

# A whole function name and a whole row or edge in the form that most have: a type code and four
# or eight bytes for each part. Taken at one go they make the decoder several times faster.
_NAME = struct.Struct("<BBBIBiBI")
_NUMBERS = struct.Struct("<BBBiBiBdBd")


class Undecodable(ValueError):
    """The bytes are no pstats table; the text says why."""


def decode(data: bytes, max_items: int = MAX_ITEMS) -> tuple[Table, int]:
    """The table at the start of ``data`` and the offset at which it ends.

    Raises :class:`Undecodable`, and nothing else, for whatever is not a table of at most
    ``max_items`` functions and edges. Time and memory stay in proportion to the bytes.
    """
    decoder = _Decoder(data, max_items)
    try:
        return decoder.table(), decoder.at
    except (IndexError, struct.error):
        raise Undecodable("cut short: it ends in the middle of its table") from None
    except KeyError:
        raise Undecodable(f"damaged: a reference to nothing before byte {decoder.at}") from None
    except UnicodeDecodeError:
        raise Undecodable(f"damaged: a text that is no UTF-8 before byte {decoder.at}") from None


class _Decoder:
    """Goes through the bytes once, and asks at each place for what a pstats table has there."""

    def __init__(self, data: bytes, max_items: int) -> None:
        self.data = data
        self.at = 0
        self.items_left = max_items
        self.numbered: dict[int, object] = {}
        self.interned: list[str] = []  # Python 2 numbers these apart

    def table(self) -> Table:
        code = self._code()
        if code & ~_FLAG != _DICT:
            raise Undecodable("not a profile: it does not begin with a table")
        number = self._reserve(code)
        table = {}
        while not self._at_end():
            name = self._name()
            table[name] = self._row()
        self._fill(number, table)
        return table

    def _row(self) -> tuple[int, int, float, float, dict[Function, Edge | int]]:
        if self.data[self.at] == _REF:
            return cast("Row", self._referred(tuple, 5))
        number, (cc, nc, tt, ct) = self._numbers(5)
        row = (cc, nc, tt, ct, self._callers())
        self._fill(number, row)
        return row

    def _callers(self) -> dict[Function, Edge | int]:
        code = self._code()
        if code == _REF:
            self.at -= 1
            return cast("dict[Function, Edge | int]", self._referred(dict))
        if code & ~_FLAG != _DICT:
            raise self._unexpected(code, "a table of callers")
        number = self._reserve(code)
        callers: dict[Function, Edge | int] = {}
        while not self._at_end():
            name = self._name()
            callers[name] = self._edge()
        self._fill(number, callers)
        return callers

    def _edge(self) -> Edge | int:
        code = self.data[self.at] & ~_FLAG
        if code in (_SHORT_TUPLE, _TUPLE):
            number, edge = self._numbers(4)
            self._fill(number, edge)
            return edge
        ...
