"""Read a marshalled pstats table without marshal, which a bad file can crash, hang or fool."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from reqprof.store.marshalled import (
    DICT,
    END,
    FLAG,
    FLOAT,
    INT,
    REF,
    SHORT_TUPLE,
    TUPLE,
    BadMarshal,
    Cursor,
)

if TYPE_CHECKING:
    from reqprof.model import Edge, Function
    from reqprof.store.stats import Table

    Callers = dict[Function, Edge | int]
    Row = tuple[int, int, float, float, Callers]

MAX_ITEMS: Final = 2_000_000
"""Functions and edges together; a large Django request has 4,000."""

_INTS = frozenset((INT, INT | FLAG, REF))  # all of them a code and four bytes
_FLOATS = frozenset((FLOAT, FLOAT | FLAG))

_CUT_SHORT = "cut short: it ends in the middle of its table"

# A function's file and line, and the numbers of a row or edge, in the form that most have: codes
# followed by four or eight bytes. Taken at one go they make the decoder twice as fast.
_REFERENCE = struct.Struct("<I")
_NAME = struct.Struct("<BBBIBi")
_NUMBERS = struct.Struct("<BBBiBiBdBd")


def decode(data: bytes, max_items: int = MAX_ITEMS) -> tuple[Table, int]:
    """The table at the start of ``data`` and the offset at which it ends.

    Raises :class:`BadMarshal`, and nothing else, for whatever is not a table of at most
    ``max_items`` functions and edges. Time and memory stay in proportion to the bytes.
    """
    decoder = _Decoder(data, max_items)
    try:
        return decoder.table(), decoder.at
    except struct.error:
        raise BadMarshal(_CUT_SHORT) from None
    except IndexError:
        if decoder.at >= len(data):
            raise BadMarshal(_CUT_SHORT) from None
        raise decoder.damaged("a reference to nothing") from None


class _Decoder(Cursor):
    """Asks at each place for what a table has there.

    So every complete tuple of three is a function's name, of four an edge, of five a row.
    """

    def __init__(self, data: bytes, max_items: int) -> None:
        super().__init__(data)
        self._items_left = max_items
        self._last_name = len(data) - _NAME.size
        self._last_numbers = len(data) - _NUMBERS.size

    def table(self) -> dict[Function, Row]:
        code = self.code()
        if code & ~FLAG != DICT:
            raise BadMarshal("not a profile: it does not begin with a table")
        number = self.reserve(code)
        table: dict[Function, Row] = {}
        while self.data[self.at] != END:
            name = self._name()
            row = table[name] = self._row()
            self._spend(1 + len(row[4]))
        self.at += 1
        self.complete(number, table)
        return table

    def _row(self) -> Row:
        if self.data[self.at] == REF:
            self.at += 1
            known: Row = self.referred_to(tuple, 5)
            return known
        numbers = self._usual_numbers(5)
        if numbers is not None:
            return (*numbers, self._callers())
        number = self.open_tuple(5)
        row = (self.count(), self.count(), self.seconds(), self.seconds(), self._callers())
        self.complete(number, row)
        return row

    def _callers(self) -> Callers:
        code = self.code()
        callers: Callers
        if code == REF:
            callers = self.referred_to(dict)
            return callers
        if code & ~FLAG != DICT:
            raise self.unexpected(code)
        number = self.reserve(code)
        callers = {}
        data = self.data
        while (code := data[self.at]) != END:
            name = self._name() if code != REF else self._known_name()
            callers[name] = self._usual_numbers(4) or self._edge()
            if len(callers) > self._items_left:
                raise self._too_large()
        self.at += 1
        self.complete(number, callers)
        return callers

    def _edge(self) -> Edge | int:
        code = self.data[self.at] & ~FLAG
        if code in (SHORT_TUPLE, TUPLE):
            number = self.open_tuple(4)
            edge = (self.count(), self.count(), self.seconds(), self.seconds())
            self.complete(number, edge)
            return edge
        if code == REF and type(self.peek_referred_to()) is tuple:
            self.at += 1
            known: Edge = self.referred_to(tuple, 4)
            return known
        return self.count()

    def _name(self) -> Function:
        at = self.at
        if at > self._last_name:
            return self._unusual_name()
        head, parts, t1, file, t2, line = _NAME.unpack_from(self.data, at)
        if head & ~FLAG != SHORT_TUPLE or parts != 3 or t1 != REF or t2 not in _INTS or line < 0:
            return self._unusual_name()
        self.at = at + _NAME.size
        number = self.reserve(head)
        path = self.numbered[file]
        if type(path) is not str:
            raise self.damaged("a file's name that is no text")
        if t2 != INT:
            line = self._int_or_referred_to(t2, line)
        name = (path, line, self.text())
        self.complete(number, name)
        return name

    def _unusual_name(self) -> Function:
        if self.data[self.at] == REF:
            return self._known_name()
        number = self.open_tuple(3)
        name = (self.text(), self.integer(), self.text())
        self.complete(number, name)
        return name

    def _known_name(self) -> Function:
        (number,) = _REFERENCE.unpack_from(self.data, self.at + 1)
        self.at += 1 + _REFERENCE.size
        known: Function = self.numbered[number]
        if type(known) is not tuple or len(known) != 3:
            raise self.damaged("a function's name that is none")
        return known

    def _usual_numbers(self, size: int) -> Edge | None:
        """The two counts and two times that begin a tuple, None where their form is unusual."""
        at = self.at
        if at > self._last_numbers:
            return None
        head, parts, t1, a, t2, b, t3, c, t4, d = _NUMBERS.unpack_from(self.data, at)
        if head != SHORT_TUPLE or parts != size or not (t3 == t4 == FLOAT):
            return None
        if t1 not in _INTS or t2 not in _INTS or a < 0 or b < 0:  # also: no index below zero
            return None
        self.at = at + _NUMBERS.size
        if t1 != INT:
            a = self._int_or_referred_to(t1, a)
        if t2 != INT:
            b = self._int_or_referred_to(t2, b)
        if a < 0 or b < 0:
            raise self.damaged("a count below zero")
        if c - c or d - d:  # true for nan and the infinities alone
            raise self.damaged("a time that is no finite number")
        return a, b, c, d

    def _int_or_referred_to(self, code: int, value: int) -> int:
        if code == REF:
            value = self.numbered[value]
            if type(value) is not int:
                raise self.damaged("a reference to something that is no int")
        else:
            self.numbered.append(value)
        return value

    def _spend(self, items: int) -> None:
        self._items_left -= items
        if self._items_left < 0:
            raise self._too_large()

    def _too_large(self) -> BadMarshal:
        return BadMarshal("too large: more functions and edges than any profile has")
