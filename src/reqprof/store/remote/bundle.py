"""Many profiles in one object: a ZIP that anyone can unpack, whose index is read in one go.

``docs/format.md`` describes it. Unpacked into a folder it is one that reqprof wrote: the profiles,
and in ``.reqprof/`` lines of the index and of the tallies. Each line of the index has ``at`` too:
where in the object the compressed bytes of its profile are. The archive's comment says the same of
the two last members. So who has the object's last bytes knows what is in it, and each profile is
one range of it.
"""

from __future__ import annotations

import io
import json
import re
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from reqprof.store.format import MAGIC
from reqprof.store.index import FOLDER, is_name
from reqprof.store.reader import MAX_SIZE
from reqprof.store.remote import SUFFIX
from reqprof.store.remote.objects import Span

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterable

VERSION: Final = 1

TAIL: Final = 1 << 17
"""Bytes at the end of an object that hold what it says of a thousand profiles."""

MAX_LINES: Final = 16 << 20
"""Bytes of the index or the tallies; what needs more is not ours."""

_COMMENT = re.compile(rb"reqprof (\d{1,4}) (\d{1,18}) (\d{1,18}) (\d{1,18}) (\d{1,18})\Z")
_SPAN = re.compile(r"(\d{8}T\d{6}Z)-(\d{8}T\d{6}Z)-[0-9a-f]{16}" + re.escape(SUFFIX))
_CLOCK = "%Y%m%dT%H%M%SZ"
_HEADER = 30  # bytes of a member's local header, before its name
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same profiles make the same bytes


class Item(NamedTuple):
    """A profile that is to be packed: its file's name, its bytes, its line of the index."""

    name: str
    data: bytes
    line: bytes


class Contents(NamedTuple):
    """Where the lines of a bundle are, of its index and of its tallies, compressed."""

    lines: Span
    tallies: Span


def pack(items: Iterable[Item], tallies: bytes = b"") -> bytes:
    """A bundle of profiles, and of lines of tallies (:func:`reqprof.store.traffic.dump`).

    Raises ValueError for a line of the index that is no JSON object.
    """
    import zipfile  # only here: whoever reads bundles takes them apart without it

    buffer = io.BytesIO()
    lines = []
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, line in items:
            facts = json.loads(line)
            facts["at"] = _add(archive, name, data)
            lines.append(json.dumps(facts, separators=(",", ":")))
        index = "".join(f"{line}\n" for line in lines).encode()
        beside = f"{FOLDER}/bundle-0-{blake2b(index + tallies, digest_size=4).hexdigest()}"
        counted = _add(archive, f"{beside}.times", tallies) if tallies else Span(0, 0)
        indexed = _add(archive, f"{beside}.jsonl", index)
        archive.comment = b"reqprof %d %d %d %d %d" % (VERSION, *indexed, *counted)
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> Span:
    from zipfile import ZIP_DEFLATED, ZipInfo

    member = ZipInfo(name, _EPOCH)
    member.compress_type = ZIP_DEFLATED
    member.external_attr = 0o600 << 16
    archive.writestr(member, data)
    start = member.header_offset + _HEADER + len(name.encode()) + len(member.extra)
    return Span(start, member.compress_size)


def name(first: float, last: float, data: bytes) -> str:
    """What an object is called whose requests started from ``first`` to ``last``.

    The same bytes have the same name.
    """
    when = [datetime.fromtimestamp(moment, UTC).strftime(_CLOCK) for moment in (first, last)]
    return f"{when[0]}-{when[1]}-{blake2b(data, digest_size=8).hexdigest()}{SUFFIX}"


def times(file_name: str) -> tuple[float, float]:
    """The moments between which its requests started, without limits where its name tells none."""
    found = _SPAN.fullmatch(file_name)
    if found is not None:
        with suppress(ValueError):
            first, last = (datetime.strptime(text, _CLOCK) for text in found.groups())
            return first.replace(tzinfo=UTC).timestamp(), last.replace(tzinfo=UTC).timestamp() + 1
    return float("-inf"), float("inf")


def contents(tail: bytes, size: int) -> Contents:
    """What is in an object of ``size`` bytes that ends with ``tail``.

    Raises ValueError where that is no bundle of ours.
    """
    found = _COMMENT.search(tail)
    if found is None:
        raise ValueError("no bundle of profiles, or one that was cut short")
    version, *numbers = map(int, found.groups())
    if version != VERSION:
        raise ValueError(f"written in bundle format {version}, this reqprof reads {VERSION}")
    said = Contents(Span(*numbers[:2]), Span(*numbers[2:]))
    if max(said.lines.end, said.tallies.end) > size:
        raise ValueError("damaged: what it says of its index is wrong")
    return said


def unpack(packed: bytes, most: int = MAX_LINES) -> bytes:
    """A member from its compressed bytes; raises ValueError where it is damaged or too large."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflate.decompress(packed, most)
    except zlib.error as error:
        raise ValueError(f"damaged: {error}") from None
    if not inflate.eof:
        raise ValueError("too large" if inflate.unconsumed_tail else "damaged: it was cut short")
    return data


def profile(packed: bytes) -> bytes:
    """That of a profile; as :func:`unpack`, and only ours are in bundles."""
    data = unpack(packed, MAX_SIZE)
    if not data.endswith(MAGIC):
        raise ValueError("damaged: its trailer is missing")
    return data


class _Member(msgspec.Struct, gc=False):
    """What a line of the index says of where its profile is."""

    file: str
    at: tuple[int, int]


_MEMBERS = msgspec.json.Decoder(_Member)


def members(index: bytes, size: int) -> dict[str, Span]:
    """The profiles of a bundle of ``size`` bytes by name, compressed.

    Lines that make no sense are left out.
    """
    found = {}
    for line in index.split(b"\n"):
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            member = _MEMBERS.decode(line)
            span = Span(*member.at)
            if is_name(member.file) and min(span) >= 0 and span.end <= size:
                found[member.file] = span
    return found
