"""The bytes of a profile: what goes in comes out, pstats reads it, and damage never passes."""

from __future__ import annotations

import contextlib
import json
import marshal
import pstats
import re
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.model import Request, Stats
from reqprof.store import format as prof

pytestmark = pytest.mark.recording

DATA = Path(__file__).parent.parent / "data" / "store"
DOCUMENT = Path(__file__).parents[2] / "docs" / "format.md"

STATS: Stats = {
    ("app.py", 3, "view"): (1, 1, 0.25, 0.5, {}),
    ("~", 0, "<built-in method time.sleep>"): (
        2,
        2,
        0.25,
        0.25,
        {("app.py", 3, "view"): (2, 2, 0.25, 0.25)},
    ),
}
REQUEST = Request(id="7f3a09c41be2", method="GET", path="/a", status=200, duration=0.5)


def encoded(sections: dict[str, bytes] | None = None) -> bytes:
    return prof.encode(STATS, REQUEST, sections)


def parts_of(data: bytes) -> prof.Parts:
    parts = prof.split(data)
    assert parts is not None
    return parts


def sealed(body: bytes, facts: int, sections: int, version: int = 1) -> bytes:
    """``body`` with a footer whose checksum is right, whatever the rest."""
    lengths = struct.pack("<III", facts, sections, version)
    return body + lengths + struct.pack("<I", zlib.crc32(body + lengths)) + prof.MAGIC


def with_facts(facts: object, sections: bytes = b"") -> bytes:
    text = json.dumps(facts).encode()
    body = marshal.dumps(STATS, 4) + prof.MAGIC + sections + text
    return sealed(body, len(text), len(sections))


def test_a_file_gives_back_table_facts_and_sections() -> None:
    sections = {"tree": b"x" * 10_000, "waits": b"", "note": bytes(range(256))}
    parts = parts_of(encoded(sections))
    assert marshal.loads(parts.stats) == STATS
    assert prof.from_facts(parts.facts) == REQUEST
    assert {name: parts.section(name) for name in sections} == sections
    assert parts.section("other") is None


def test_sections_are_compressed() -> None:
    assert len(encoded({"tree": b"x" * 100_000})) < len(encoded()) + 500


def test_pstats_reads_the_table_and_ignores_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.prof"
    path.write_bytes(encoded({"tree": b"x" * 100}))
    assert pstats.Stats(str(path)).stats == STATS  # type: ignore[attr-defined]


def test_facts_are_read_from_the_end_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.prof"
    data = encoded({"tree": b"x" * 100})
    path.write_bytes(bytes(len(parts_of(data).stats)) + data[len(parts_of(data).stats) :])
    assert prof.read_facts(path) == prof.to_facts(REQUEST)


def test_facts_longer_than_one_read_are_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.prof"
    request = Request(id="0" * 12, path="/" + "x" * 50_000)
    path.write_bytes(prof.encode(STATS, request))
    found = prof.read_facts(path)
    assert found is not None
    assert prof.from_facts(found) == request


@pytest.mark.parametrize("data", [b"", b"x", prof.MAGIC, marshal.dumps(STATS, 4)])
def test_what_has_no_trailer_is_told_apart_from_what_is_damaged(
    data: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "a.prof"
    path.write_bytes(data)
    assert prof.split(data) is None
    assert prof.read_facts(path) is None


def test_every_changed_bit_is_found() -> None:
    data = encoded({"note": b"hello"})
    for place in range(len(data) - len(prof.MAGIC)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[place] ^= 1 << bit
            with pytest.raises(ValueError, match="checksum"):
                prof.split(bytes(damaged))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (sealed(b"", 0, 0), "lengths"),
        (sealed(b"x" * 50, 5, 0), "lengths"),
        (sealed(prof.MAGIC + b"{}", 2**32 - 1, 0), "lengths"),
        (sealed(prof.MAGIC + b"{}", 2, 2**32 - 1), "lengths"),
        (sealed(prof.MAGIC + b"{}", 2, 0, version=2), "format 2, this reqprof reads format 1"),
        (sealed(prof.MAGIC + b"{]", 2, 0), "no JSON"),
        (sealed(prof.MAGIC + b"\xff\xff", 2, 0), "no JSON"),
        (sealed(prof.MAGIC + b"[]", 2, 0), "no JSON object"),
        (sealed(prof.MAGIC + b"[" * 100_000, 100_000, 0), "no JSON|nested"),
        (with_facts({"sections": 3}), "table of sections"),
        (with_facts({"sections": {"a": 3}}), "two sizes"),
        (with_facts({"sections": {"a": [1]}}), "two sizes"),
        (with_facts({"sections": {"a": [True, 1]}}), "two sizes"),
        (with_facts({"sections": {"a": [1, 1]}}), "out of range"),
        (with_facts({"sections": {"a": [-1, 1]}}, b"x"), "out of range"),
        (with_facts({"sections": {"a": [1, 2**60]}}, b"x"), "out of range"),
        (with_facts({"sections": {}}, b"x"), "fill"),
    ],
)
def test_a_right_checksum_does_not_make_nonsense_believed(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        prof.split(data)


@pytest.mark.parametrize(
    "data",
    [
        sealed(b"", 2**31, 0),
        sealed(prof.MAGIC, 1, 0),
        sealed(b"x" * 60, 9, 99),
        sealed(prof.MAGIC + b"{}", 2, 0, 2),
    ],
)
def test_facts_at_the_end_that_make_no_sense_are_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.prof"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"lengths|format"):
        prof.read_facts(path)


@pytest.mark.parametrize("size", [0, 99, 101])
def test_a_section_that_lies_about_its_size_is_refused(size: int) -> None:
    packed = zlib.compress(b"x" * 100)
    parts = parts_of(with_facts({"sections": {"tree": [len(packed), size]}}, packed))
    with pytest.raises(ValueError, match="section tree"):
        parts.section("tree")


@pytest.mark.parametrize("packed", [b"", b"junk", zlib.compress(b"x" * 100)[:-1]])
def test_a_section_that_does_not_decompress_is_refused(packed: bytes) -> None:
    parts = parts_of(with_facts({"sections": {"tree": [len(packed), 100]}}, packed))
    with pytest.raises(ValueError, match="section tree"):
        parts.section("tree")


def test_a_small_section_cannot_fill_the_memory() -> None:
    bomb = zlib.compress(bytes(50 << 20))
    parts = parts_of(with_facts({"sections": {"tree": [len(bomb), 10]}}, bomb))
    with pytest.raises(ValueError, match="section tree"):
        parts.section("tree")


@pytest.mark.parametrize("name", ["", "Tree", "a b", "ä", "x" * 40])
def test_section_names_are_plain(name: str) -> None:
    with pytest.raises(ValueError, match="section name"):
        encoded({name: b""})


def test_facts_that_nobody_would_read_are_not_written() -> None:
    request = Request(id="0" * 12, labels={"a": "x" * prof.MAX_FACTS})
    with pytest.raises(ValueError, match="the facts take"):
        prof.encode(STATS, request)


def test_a_number_that_is_none_is_not_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        prof.encode(STATS, Request(id="0" * 12, duration=float("nan")))


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_no_bytes_make_split_fail_otherwise(noise: bytes) -> None:
    for data in (noise, noise + prof.MAGIC, sealed(noise, len(noise) // 2, 3)):
        with contextlib.suppress(ValueError):
            assert prof.split(data) is None


def test_the_document_shows_the_bytes_of_the_example() -> None:
    data = (DATA / "example.prof").read_bytes()
    rows = re.findall(r"^([0-9a-f]{8})  ((?:[0-9a-f]{2} ?)+)", DOCUMENT.read_text(), re.MULTILINE)
    assert b"".join(bytes.fromhex(row) for _, row in rows) == data
    assert [int(offset, 16) for offset, _ in rows] == list(range(0, len(data), 16))


def test_the_document_suffices_to_read_the_example() -> None:
    """A reader written from the document alone, without the module."""
    data = (DATA / "example.prof").read_bytes()
    facts_size, sections_size, version, crc, mark = struct.unpack("<IIII8s", data[-24:])
    assert (version, mark, crc) == (1, b"\x89RQP\r\n\x1a\n", zlib.crc32(data[:-12]))
    facts = json.loads(data[-24 - facts_size : -24])
    sections = data[-24 - facts_size - sections_size : -24 - facts_size]
    stored, size = facts["sections"]["note"]
    assert zlib.decompress(sections[:stored]) == b"hello"
    assert size == 5
    parts = parts_of(data)
    assert parts.section("note") == b"hello"
    assert marshal.loads(parts.stats) == {("app.py", 3, "view"): (1, 1, 0.25, 0.5, {})}
    assert prof.from_facts(parts.facts) == Request(
        id="7f3a09c41be2", method="GET", route="/", status=200, duration=0.5
    )


def test_the_document_names_every_fact_and_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]+\| ([^|]+) \|", DOCUMENT.read_text(), re.MULTILINE))
    del rows["sections"]
    left_out = {"null": None, "false": False, "true": True}
    request = Request(id="0" * 12)
    assert rows.pop("id") == "never"
    assert set(rows) == {name for name in Request.__slots__ if name != "id"}
    for name, text in rows.items():
        word = text.strip("`")
        expected = left_out[word] if word in left_out else json.loads(word)
        assert getattr(request, name) == expected, name
