"""The bytes of a ``.prof``: a pstats table in marshal, then a trailer that pstats never reads.

``docs/format.md`` describes them for readers in other languages. This module runs in the served
process: it imports the standard library and nothing of the reading half.
"""

from __future__ import annotations

import marshal
import os
import re
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reqprof.store.facts import dump_line, load_line
from reqprof.store.facts import from_facts as from_facts
from reqprof.store.facts import to_facts as to_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from reqprof.model import Request, Stats

SUFFIX: Final = ".prof"
MAGIC: Final = b"\x89RQP\r\n\x1a\n"
VERSION: Final = 1

MAX_FACTS: Final = 1 << 20
MAX_SECTION: Final = 256 << 20

TAIL: Final = 4096
"""Bytes that hold the facts of nearly every file, so that one read is enough."""

_FOOTER = struct.Struct("<IIII8s")  # facts length, sections length, version, CRC-32, magic
_COVERED = _FOOTER.size - 12  # the CRC covers the file up to itself
_LEVEL = 1  # of compression: the default takes two to three times as long to save a tenth
_SECTIONS = "sections"
_SECTION_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class Parts:
    """A file of ours taken apart: its marshalled table, its facts, its compressed sections."""

    stats: bytes
    facts: Mapping[str, object]
    packed: Mapping[str, tuple[bytes, int]]  # by name: compressed bytes, size without compression

    def section(self, name: str) -> bytes | None:
        """The bytes of a section, None where the file has none of that name.

        Raises ValueError where they do not decompress to the size that the facts give.
        """
        if name not in self.packed:
            return None
        packed, size = self.packed[name]
        unpack = zlib.decompressobj()
        try:
            data = unpack.decompress(packed, size + 1)  # one more than told shows a liar
        except zlib.error as error:
            raise ValueError(f"section {name} does not decompress: {error}") from None
        if len(data) != size or not unpack.eof:
            raise ValueError(f"section {name} does not decompress to its {size} bytes")
        return data


def encode(stats: Stats, request: Request, sections: Mapping[str, bytes] | None = None) -> bytes:
    """The whole file: the table, the named sections (compressed here), the request's facts.

    Raises ValueError for a section name that is not lower-case ASCII, a number in the facts that
    is not finite, and facts of more than ``MAX_FACTS`` bytes.
    """
    packed = {name: zlib.compress(data, _LEVEL) for name, data in (sections or {}).items()}
    facts = to_facts(request)
    if packed and sections:
        for name in packed:
            if not _SECTION_NAME.fullmatch(name):
                raise ValueError(f"section name {name!r} is not lower-case ASCII")
        facts[_SECTIONS] = {name: [len(packed[name]), len(sections[name])] for name in packed}
    text = dump_line(facts)
    if len(text) > MAX_FACTS:
        raise ValueError(f"the facts take {len(text)} bytes, more than {MAX_FACTS}")
    middle = b"".join(packed.values())
    body = b"".join((marshal.dumps(stats, 4), MAGIC, middle, text))
    lengths = _FOOTER.pack(len(text), len(middle), VERSION, 0, MAGIC)[:_COVERED]
    crc = zlib.crc32(lengths, zlib.crc32(body))
    return b"".join((body, lengths, struct.pack("<I", crc), MAGIC))


def split(data: bytes) -> Parts | None:
    """Take a whole file apart, None where it has no trailer of ours.

    Raises ValueError with the reason where it has one but checksum, version, lengths or facts
    are wrong.
    """
    if len(data) < _FOOTER.size or not data.endswith(MAGIC):
        return None
    facts_size, sections_size, version, crc, _ = _FOOTER.unpack_from(data, len(data) - _FOOTER.size)
    if zlib.crc32(memoryview(data)[:-12]) != crc:
        raise ValueError("damaged: checksum does not match")
    _check_version(version)
    facts_end = len(data) - _FOOTER.size
    facts_start = facts_end - facts_size
    sections_start = facts_start - sections_size
    stats_end = sections_start - len(MAGIC)
    if stats_end < 0 or data[stats_end:sections_start] != MAGIC:
        raise ValueError("damaged: the lengths in its trailer are wrong")
    facts = load_line(data[facts_start:facts_end])
    packed = _sections(facts.pop(_SECTIONS, {}), data[sections_start:facts_start])
    return Parts(data[:stats_end], facts, packed)


def read_facts(path: Path) -> dict[str, object] | None:
    """The facts of a file without reading the rest, hence without its checksum.

    None where the file has no trailer of ours. Raises OSError where it cannot be read and
    ValueError where the trailer makes no sense.
    """
    with path.open("rb", buffering=0) as file:
        return tail_facts(file.fileno(), path.stat().st_size)


def tail_facts(fd: int, size: int) -> dict[str, object] | None:
    """As :func:`read_facts`, of an open file of ``size`` bytes, whose position it moves."""

    def last(count: int) -> bytes:
        os.lseek(fd, max(0, size - count), os.SEEK_SET)
        return os.read(fd, count)

    return facts_of(last, size)


def facts_of(last: Callable[[int], bytes], size: int) -> dict[str, object] | None:
    """As :func:`read_facts`, of ``size`` bytes of which ``last`` gives the last so many."""
    tail = last(TAIL)
    if len(tail) < _FOOTER.size or not tail.endswith(MAGIC):
        return None
    facts_size, sections_size, version, _, _ = _FOOTER.unpack_from(tail, len(tail) - _FOOTER.size)
    _check_version(version)
    wanted = facts_size + _FOOTER.size
    if facts_size > MAX_FACTS or wanted + sections_size + len(MAGIC) > size:
        raise ValueError("damaged: the lengths in its trailer are wrong")
    if wanted > len(tail):
        tail = last(wanted)
    facts = load_line(tail[-wanted : -_FOOTER.size])
    facts.pop(_SECTIONS, None)
    return facts


def _check_version(version: int) -> None:
    if version != VERSION:
        raise ValueError(f"written in format {version}, this reqprof reads format {VERSION}")


def _sections(table: object, data: bytes) -> dict[str, tuple[bytes, int]]:
    if type(table) is not dict:
        raise ValueError("its table of sections is no JSON object")
    found: dict[str, tuple[bytes, int]] = {}
    start = 0
    for name, sizes in table.items():
        if type(sizes) is not list or [type(size) for size in sizes] != [int, int]:
            raise ValueError(f"section {name!r:.40} has no two sizes")
        stored, size = sizes
        if stored < 0 or start + stored > len(data) or not 0 <= size <= MAX_SECTION:
            raise ValueError(f"section {name!r:.40} has sizes out of range")
        found[name] = (data[start : start + stored], size)
        start += stored
    if start != len(data):
        raise ValueError("damaged: its sections do not fill their place")
    return found
