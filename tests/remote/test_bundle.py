"""The bytes of a bundle: a ZIP for everybody, two ranges for us, and never believed."""

from __future__ import annotations

import io
import random
import resource
import zipfile
import zlib
from typing import TYPE_CHECKING

import pytest

from reqprof.errors import BadProfile
from reqprof.store import index, reader, traffic, traffic_files
from reqprof.store.facts import to_facts
from reqprof.store.remote import bundle
from reqprof.store.remote.bundle import Item
from reqprof.store.remote.objects import Span
from tests.cli.making import NOON, put, tally

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(7):
        put(tmp_path / "profiles", size=3 + number, route=f"/é{number}")
    put(tmp_path / "profiles", name="ünïcode.prof")
    tally(tmp_path / "profiles", [1, 2, 3])
    return tmp_path / "profiles"


def items(folder: Path) -> list[Item]:
    found = []
    for one in index.find(folder).stored:
        assert one.request is not None
        data = (folder / one.name).read_bytes()
        found.append(Item(one.name, data, index.line(one.name, len(data), one.request)))
    return found


def packed(folder: Path) -> bytes:
    return bundle.pack(items(folder), b"".join(map(traffic.dump, traffic_files.read(folder))))


def said_by(data: bytes) -> dict[str, Span]:
    """Its profiles, as a reader finds them that has its end alone."""
    lines = bundle.contents(data[-100:], len(data)).lines
    return bundle.members(bundle.unpack(data[lines.start : lines.end]), len(data))


def test_each_profile_is_a_range_of_it(folder: Path) -> None:
    data = packed(folder)
    spans = said_by(data)
    assert len(spans) == 8
    for name, span in spans.items():
        assert bundle.unpack(data[span.start : span.end]) == (folder / name).read_bytes()


def test_unpacked_by_anyone_it_is_the_folder_again(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(packed(folder))) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "again")
    before, after = (index.find(where) for where in (folder, tmp_path / "again"))
    assert after.lacking == []  # each has its line of the index
    assert [one.request for one in after.stored] == [one.request for one in before.stored]
    once, again = (traffic_files.read(where) for where in (folder, tmp_path / "again"))
    assert once == again
    assert once[0].process == again[0].process != ""


def test_the_same_profiles_make_the_same_bytes(folder: Path) -> None:
    assert packed(folder) == packed(folder)


def test_its_lines_are_those_of_the_index_and_a_place(folder: Path) -> None:
    data = packed(folder)
    lines = bundle.contents(data, len(data)).lines
    (first, *_) = bundle.unpack(data[lines.start : lines.end]).splitlines()
    (item, *_) = items(folder)
    assert first.startswith(item.line.rstrip()[:-1] + b',"at":[')


def test_without_profiles_it_has_tallies(folder: Path) -> None:
    data = bundle.pack([], b"lines\n")
    said = bundle.contents(data, len(data))
    assert bundle.unpack(data[said.tallies.start : said.tallies.end]) == b"lines\n"
    assert said_by(data) == {}


def test_its_name_tells_when(folder: Path) -> None:
    name = bundle.name(NOON, NOON + 59.7, b"data")
    assert name == "20260701T120000Z-20260701T120059Z-2e6c49b7ae486fa8.reqprof.zip"
    first, last = bundle.times(name)
    assert first <= NOON < NOON + 59.7 <= last
    for other in ("renamed.reqprof.zip", name.replace("0701T", "9999T")):
        assert bundle.times(other) == (float("-inf"), float("inf"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no bundle of profiles, or one that was cut short"),
        (b"PK reqprof 1 2 3", "no bundle of profiles"),
        (b"reqprof 2 0 9 0 0", "written in bundle format 2, this reqprof reads 1"),
        (b"reqprof 1 10 90 0 0", "damaged: what it says of its index is wrong"),
        (b"reqprof 1 0 1 99999999999999999 1", "damaged: what it says of its index is wrong"),
    ],
)
def test_what_is_no_bundle(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        bundle.contents(data, len(data))


def test_a_member_that_is_damaged_or_too_large() -> None:
    data = bundle.pack([Item("a.prof", b"x" * 100, b'{"file":"a.prof"}')])
    span = said_by(data)["a.prof"]
    whole = data[span.start : span.end]
    with pytest.raises(ValueError, match="cut short"):
        bundle.unpack(whole[:-1])
    with pytest.raises(ValueError, match="damaged"):
        bundle.unpack(b"\xff" + whole)
    with pytest.raises(ValueError, match="too large"):
        bundle.unpack(whole, 99)
    with pytest.raises(ValueError, match="its trailer is missing"):
        bundle.profile(whole)


def test_damaged_copies_are_refused_or_right(folder: Path) -> None:
    """What a bundle says may be anything: each profile is what it was, or is refused."""
    data = packed(folder)
    right = {item.name: item.data for item in items(folder)}
    chance = random.Random(3)
    refused = read = 0
    for _ in range(3000):
        damaged = bytearray(data)
        for _ in range(chance.choice((1, 1, 1, 5))):
            # Half of them where it says what it holds.
            least = chance.choice((0, len(data) - 1500))
            damaged[chance.randrange(least, len(data))] = chance.randrange(256)
        try:
            spans = said_by(bytes(damaged))
        except ValueError:
            refused += 1
            continue
        for name, span in spans.items():
            try:
                found = bundle.profile(bytes(damaged[span.start : span.end]))
                profile = reader.parse(found, folder / "x.prof")
            except (ValueError, BadProfile):
                refused += 1
                continue
            read += 1
            assert profile.request is not None
            # Whatever it is called now.
            assert found in right.values(), (name, to_facts(profile.request))
    assert refused > 1000
    assert read > 1000


@pytest.mark.parametrize(
    "line",
    [
        b'{"file":"../a.prof","at":[0,9]}',
        b'{"file":"a\\u0000.prof","at":[0,9]}',
        b'{"file":".a.prof","at":[0,9]}',
        b'{"file":"a.svg","at":[0,9]}',
        b'{"file":"","at":[0,9]}',
        b'{"file":"a.prof","at":[-1,9]}',
        b'{"file":"a.prof","at":[0,-9]}',
        b'{"file":"a.prof","at":[1,100]}',
        b'{"file":"a.prof","at":[99999999999999999999999,1]}',
        b'{"file":"a.prof","at":[0]}',
        b'{"file":"a.prof"}',
        b"[" * 100_000,
    ],
)
def test_lines_that_make_no_sense_are_left_out(line: bytes) -> None:
    sound = b'{"file":"b.prof","at":[0,100]}'
    assert bundle.members(b"\n".join([line, sound, line]), 100) == {"b.prof": Span(0, 100)}


def test_a_bomb_is_not_unpacked() -> None:
    """A megabyte that would be a gigabyte."""
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(packed.compress(bytes(1 << 20)) for _ in range(1 << 10)) + packed.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="too large"):
        bundle.unpack(bomb)
    with pytest.raises(ValueError, match="too large"):
        bundle.profile(bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600 << 10
