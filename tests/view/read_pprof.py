"""A strict reader of pprof's files, after ``proto/profile.proto``: no field but those known."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

Frame = tuple[str, str, int]
"""Name, file and line."""


@dataclass(frozen=True)
class Sample:
    stack: tuple[Frame, ...]  # the outermost frame first
    calls: int
    time: int
    labels: dict[str, str | int]


@dataclass(frozen=True)
class Profile:
    """Times are nanoseconds."""

    samples: list[Sample]
    comments: list[str]
    start: int
    duration: int
    counted: str = "calls"  # or samples

    def times(self) -> dict[tuple[Frame, ...], int]:
        """Self time by stack."""
        times: dict[tuple[Frame, ...], int] = {}
        for sample in self.samples:
            times[sample.stack] = times.get(sample.stack, 0) + sample.time
        return {stack: time for stack, time in times.items() if time}


class _Message:
    """The fields of one message by number; one that was not taken at the end is unknown."""

    def __init__(self, data: bytes) -> None:
        self.fields: dict[int, list[int | bytes]] = {}
        place = 0
        while place < len(data):
            tag, place = _varint(data, place)
            number, place = _varint(data, place)
            values = self.fields.setdefault(tag >> 3, [])
            if tag & 7 == 0:
                values.append(number)
                continue
            assert tag & 7 == 2
            values.append(data[place : place + number])
            place += number
            assert place <= len(data)

    def number(self, field: int) -> int:
        (value,) = self.fields.pop(field, [0])
        assert isinstance(value, int)
        return value

    def numbers(self, field: int) -> list[int]:
        values: list[int] = []
        for value in self.fields.pop(field, []):
            values += [value] if isinstance(value, int) else _packed(value)
        return values

    def strings(self, field: int) -> list[bytes]:
        values = self.fields.pop(field, [])
        return [value for value in values if isinstance(value, bytes)]

    def messages(self, field: int, read: Callable[[_Message], T]) -> list[T]:
        """What ``read`` makes of each message, of which it must know every field."""
        made = []
        for data in self.strings(field):
            message = _Message(data)
            made.append(read(message))
            assert not message.fields, f"{field}: unknown fields {sorted(message.fields)}"
        return made


def read(data: bytes) -> Profile:
    """Raises AssertionError for what is no such file."""
    message = _Message(gzip.decompress(data))
    strings = [text.decode() for text in message.strings(6)]
    assert strings[0] == ""
    assert all(text.isprintable() for text in strings)
    kinds = message.messages(1, lambda kind: (strings[kind.number(1)], strings[kind.number(2)]))
    assert kinds in ([(kind, "count"), ("time", "nanoseconds")] for kind in ("calls", "samples"))
    assert strings[message.number(14)] == "time"
    assert message.messages(3, lambda mapping: _mapping(mapping, strings)) == ["python"]
    functions = dict(message.messages(5, lambda function: _function(function, strings)))
    locations = dict(message.messages(4, lambda location: _location(location, functions)))
    samples = message.messages(2, lambda sample: _sample(sample, locations, strings))
    comments = [strings[number] for number in message.numbers(13)]
    counted = kinds[0][0]
    profile = Profile(samples, comments, message.number(9), message.number(10), counted)
    assert not message.fields
    return profile


def _mapping(message: _Message, strings: list[str]) -> str:
    assert [message.number(field) for field in (1, 7, 8, 9)] == [1, 1, 1, 1]
    return strings[message.number(5)]


def _function(message: _Message, strings: list[str]) -> tuple[int, Frame]:
    number, name, file = message.number(1), strings[message.number(2)], strings[message.number(4)]
    assert number
    assert name
    return number, (name, file, message.number(5))


def _location(message: _Message, functions: dict[int, Frame]) -> tuple[int, Frame]:
    assert message.number(2) == 1
    ((function, line),) = message.messages(4, lambda line: (line.number(1), line.number(2)))
    frame = functions[function]
    assert line == frame[2]
    return message.number(1), frame


def _sample(message: _Message, locations: dict[int, Frame], strings: list[str]) -> Sample:
    stack = tuple(locations[number] for number in reversed(message.numbers(1)))
    calls, time = message.numbers(2)
    labels = message.messages(3, lambda label: _label(label, strings))
    assert stack
    assert len(dict(labels)) == len(labels)
    return Sample(stack, calls, time, dict(labels))


def _label(message: _Message, strings: list[str]) -> tuple[str, str | int]:
    key, text, number = strings[message.number(1)], message.number(2), message.number(3)
    assert not (text and number)
    return key, strings[text] if text else number


def _packed(data: bytes) -> Iterator[int]:
    place = 0
    while place < len(data):
        number, place = _varint(data, place)
        yield number


def _varint(data: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[place]
        place += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            assert number < 2**63
            return number, place
