"""The restricted decoder: what marshal reads it reads, and no bytes can harm or fool it."""

from __future__ import annotations

import ast
import cProfile
import marshal
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.store.decode import decode
from reqprof.store.marshalled import MAX_TEXT, BadMarshal

if TYPE_CHECKING:
    from reqprof.model import Function, Stats

DATA = Path(__file__).parent.parent / "data" / "store"
WRITTEN = sorted(DATA.glob("*profile-*.prof"))  # by real Pythons, each with its repr beside it
CRASHES = sorted(DATA.glob("crash-*.bin"))  # each ends an interpreter that gives it to marshal

F: Function = ("a.py", 1, "f")
G: Function = ("a.py", 2, "g")
TABLE: Stats = {F: (1, 1, 0.5, 1.0, {}), G: (1, 2, 0.25, 0.25, {F: (2, 1, 0.25, 0.25)})}


def ids(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


# --- what is right


def test_profiles_of_every_python_are_there() -> None:
    assert len(WRITTEN) == 14
    assert len(CRASHES) == 3


@pytest.mark.parametrize("path", WRITTEN, ids=ids(WRITTEN))
def test_a_file_of_any_python_reads_as_that_python_printed_it(path: Path) -> None:
    data = path.read_bytes()
    assert decode(data) == (ast.literal_eval(path.with_suffix(".txt").read_text()), len(data))


@pytest.mark.parametrize("path", WRITTEN, ids=ids(WRITTEN))
def test_a_file_of_python_3_reads_as_by_marshal(path: Path) -> None:
    if "-2." not in path.name:
        assert decode(path.read_bytes())[0] == marshal.loads(path.read_bytes())


def test_a_profile_made_now_reads_as_by_marshal(tmp_path: Path) -> None:
    profiler = cProfile.Profile()
    profiler.runcall(lambda: [sorted(ast.dump(ast.parse("a + b * c"))) for _ in range(3)])
    profiler.dump_stats(tmp_path / "a.prof")
    data = (tmp_path / "a.prof").read_bytes()
    assert decode(data) == (marshal.loads(data), len(data))


TEXTS = st.text(st.characters(), max_size=20) | st.text("ab", min_size=250, max_size=300)
INTEGERS = st.integers(-(2**63), 2**63) | st.integers(0, 5)
COUNTS = st.integers(0, 5) | st.integers(0, 2**63)
SECONDS = st.floats(allow_nan=False, allow_infinity=False) | COUNTS
FUNCTIONS = st.tuples(TEXTS, INTEGERS, TEXTS) | st.sampled_from([F, G])
EDGES = COUNTS | st.tuples(COUNTS, COUNTS, SECONDS, SECONDS)
CALLERS = st.dictionaries(FUNCTIONS, EDGES, max_size=4)
ROWS = st.tuples(COUNTS, COUNTS, SECONDS, SECONDS, CALLERS)
TABLES: Any = st.dictionaries(FUNCTIONS, ROWS, max_size=5)


def exactly(table: Any) -> str:
    """Tells 1 from 1.0 and 0.0 from -0.0, which compare equal."""
    return repr(table)


@given(TABLES, st.integers(0, marshal.version), st.binary(max_size=40))
@settings(deadline=None, max_examples=300)
def test_every_version_of_marshal_is_read(table: Any, version: int, rest: bytes) -> None:
    data = marshal.dumps(table, version)
    found, end = decode(data + rest)
    assert exactly(found) == exactly(marshal.loads(data))
    assert end == len(data)


@given(st.lists(ROWS, min_size=1, max_size=3), st.lists(FUNCTIONS, min_size=1, max_size=6))
@settings(deadline=None)
def test_parts_that_are_one_object_are_read_as_often_as_they_are_meant(
    rows: list[Any], functions: list[Any]
) -> None:
    table = {function: rows[i % len(rows)] for i, function in enumerate(functions)}
    data = marshal.dumps(table, 4)
    assert exactly(decode(data)[0]) == exactly(marshal.loads(data))


def test_an_empty_table_is_a_table() -> None:
    assert decode(b"{0") == ({}, 2)


def text2(text: bytes, code: bytes = b"s") -> bytes:
    return code + struct.pack("<I", len(text)) + text


def number(value: int) -> bytes:
    return b"i" + struct.pack("<i", value)


def table2(name: bytes, numbers: bytes) -> bytes:
    """A table of one function as Python 2 writes it: long tuples, no references."""
    key = b"(\x03\x00\x00\x00" + text2(b"a.py", b"t") + number(1) + name
    return b"{" + key + b"(\x05\x00\x00\x00" + numbers + b"{00"


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"plain", "plain"), ("grün".encode(), "grün"), ("grün".encode("latin-1"), "grün")],
)
def test_bytes_of_python_2_become_text(raw: bytes, text: str) -> None:
    table, _ = decode(table2(text2(raw), number(1) * 4))
    assert list(table) == [("a.py", 1, text)]


def test_interned_bytes_of_python_2_are_referred_to_by_their_own_numbers() -> None:
    table, _ = decode(table2(b"R" + struct.pack("<I", 0), number(1) * 4))
    assert list(table) == [("a.py", 1, "a.py")]


def test_integers_of_64_bits_and_floats_as_text_are_read() -> None:
    numbers = b"I" + struct.pack("<q", 2**40) + number(1) + b"f\x040.25" + b"f\x031e3"
    table, _ = decode(table2(text2(b"f"), numbers))
    assert list(table.values()) == [(2**40, 1, 0.25, 1000.0, {})]


# --- what is wrong


def refused(data: bytes, reason: str, **options: int) -> None:
    with pytest.raises(BadMarshal, match=reason):
        decode(data, **options)


@pytest.mark.parametrize("path", CRASHES, ids=ids(CRASHES))
def test_what_crashes_marshal_is_refused(path: Path) -> None:
    refused(path.read_bytes(), "no profile, or damaged")


def test_the_shortest_crash_is_refused() -> None:
    refused(b"\xa9\x02{r\x00\x00\x00\x00N0N", "does not begin with a table")
    refused(b"{\xa9\x03{r\x00\x00\x00\x00N0N", "no profile, or damaged")


@pytest.mark.parametrize("path", [*WRITTEN, DATA / "example.prof"], ids=lambda path: path.name)
def test_a_file_cut_anywhere_is_refused(path: Path) -> None:
    data = path.read_bytes()
    for end in range(decode(data)[1]):
        refused(data[:end], "cut short")


def tuples(size: int, count: int) -> bytes:
    """A reference to a tuple of references, and so on: small in bytes, endless to hash."""
    return b"(" + struct.pack("<I", size) + b"r\x00\x00\x00\x00" * count


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cut short"),
        (b"\x00" * 100, "does not begin with a table"),
        (b"\x89PNG\r\n\x1a\n", "does not begin with a table"),
        (b"[" + struct.pack("<I", 2**31 - 1), "does not begin with a table"),
        (b"(" + struct.pack("<I", 2 * 10**8), "does not begin with a table"),
        (b"{(" + struct.pack("<I", 2 * 10**8), "a tuple of 200000000 parts"),
        (b"{" * 1000, "code 0x7b"),
        (b"{" + b")\x03" * 1000, "code 0x29"),
        (b"{" + tuples(3, 3), "a reference to nothing"),
        (b"\xfb" + b")\x03" + b"r\x00\x00\x00\x00" * 3, "name that is no text"),
        (b"\xfb" + b"r\x00\x00\x00\x00", "name that is none"),
        (b"{r\xff\xff\xff\xff" + bytes(50), "a reference to nothing"),
        (b"{)\x03r\xff\xff\xff\xff" + number(1) + text2(b"a") + bytes(50), "reference to nothing"),
        (table2(b"R" + struct.pack("<I", 9), number(1) * 4), "a reference to nothing"),
        (table2(text2(b"f"), number(-1) + number(1) * 3), "below zero"),
        (table2(text2(b"f"), b"\xe9\xff\xff\xff\xff" + number(1) * 3), "below zero"),
        (table2(text2(b"f"), b"T" + number(1) * 3), "code 0x54"),
        (table2(text2(b"f"), b"N" + number(1) * 3), "code 0x4e"),
        (table2(b"N", number(1) * 4), "code 0x4e"),
        (table2(number(1), number(1) * 4), "code 0x69"),
        (table2(text2(b"\xff", b"u"), number(1) * 4), "no UTF-8"),
        (table2(text2(b"x" * (MAX_TEXT + 1)), number(1) * 4), "a name of 65537 bytes"),
        (table2(b"s" + struct.pack("<I", 2**32 - 1), number(1) * 4), "a name of 4294967295 bytes"),
        (table2(text2(b"f"), b"l" + struct.pack("<i", 2**31 - 1) + bytes(50)), "digits"),
        (table2(text2(b"f"), b"l" + struct.pack("<i", -(2**31)) + bytes(50)), "digits"),
        (table2(text2(b"f"), number(1) * 2 + b"f\x03nan" + number(1)), "finite"),
        (table2(text2(b"f"), number(1) * 2 + b"f\x041_.2" + number(1)), "a time written"),
        (table2(text2(b"f"), number(1) * 2 + b"f\x02\xd9\xa3" + number(1)), "a time written"),
        (b"{" + text2(b"key"), "code 0x73"),
    ],
)
def test_hostile_bytes_are_refused_with_a_reason(data: bytes, reason: str) -> None:
    refused(data, reason)


INFINITE = float("inf")


def usual(first: bytes, second: bytes, tt: float, ct: float) -> bytes:
    """A table of one function in the form that Python 3 writes, whose parts are read at one go."""
    line = b"\xe9\xff\xff\xff\xff"  # number 1; the file's name is number 0
    key = b")\x03" + b"\xda\x04a.py" + line + b"z\x01f"
    seconds = b"g" + struct.pack("<d", tt) + b"g" + struct.pack("<d", ct)
    return b"{" + key + b")\x05" + first + second + seconds + b"{00"


TEXT, MINUS_ONE, NOTHING = (b"r" + struct.pack("<I", index) for index in (0, 1, 9))


def test_the_usual_form_is_read() -> None:
    table, _ = decode(usual(number(2), b"\xe9" + struct.pack("<i", 3), 0.25, 0.5))
    assert table == {("a.py", -1, "f"): (2, 3, 0.25, 0.5, {})}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (usual(number(-1), number(1), 0.5, 0.5), "below zero"),
        (usual(number(1), MINUS_ONE, 0.5, 0.5), "below zero"),
        (usual(TEXT, number(1), 0.5, 0.5), "no int"),
        (usual(number(1), NOTHING, 0.5, 0.5), "a reference to nothing"),
        (usual(number(1), b"r\xff\xff\xff\xff", 0.5, 0.5), "a reference to nothing"),
        (usual(number(1), number(1), INFINITE, 0.5), "finite"),
        (usual(number(1), number(1), 0.5, INFINITE - INFINITE), "finite"),
    ],
)
def test_nonsense_in_the_usual_form_is_refused(data: bytes, reason: str) -> None:
    refused(data, reason)


@pytest.mark.parametrize("version", range(5))
@pytest.mark.parametrize(
    "table",
    [
        {F: (1, 1, 0.5, 1.0)},
        {F: (1, 1, 0.5, 1.0, {}, {})},
        {F: [1, 1, 0.5, 1.0, {}]},
        {F: (1, 1, 0.5, 1.0, ())},
        {F: (1, 1, 0.5, 1.0, None)},
        {F: (1.0, 1, 0.5, 1.0, {})},
        {F: (1, 1, "0.5", 1.0, {})},
        {F: (1, 1, 0.5j, 1.0, {})},
        {F: (1, -1, 0.5, 1.0, {})},
        {F: (True, 1, 0.5, 1.0, {})},
        {F: (1, 1, INFINITE, 1.0, {})},
        {F: (1, 1, 0.5, -INFINITE, {})},
        {F: (1, 1, 0.5, INFINITE - INFINITE, {})},
        {F: (1, 1, 0.5, 1.0, {G: (1, 1, 0.5)})},
        {F: (1, 1, 0.5, 1.0, {G: (1, 1, 0.5, INFINITE)})},
        {F: (1, 1, 0.5, 1.0, {G: (1, -1, 0.5, 0.5)})},
        {F: (1, 1, 0.5, 1.0, {G: (1, 2**80, 0.5, 0.5)})},
        {F: (1, 1, 0.5, 1.0, {G: -1})},
        {F: (1, 1, 0.5, 1.0, {G: 0.5})},
        {F: (1, 1, 0.5, 1.0, {G: F})},
        {F: (1, 1, 0.5, 1.0, {"g": (1, 1, 0.5, 0.5)})},
        {("a.py", 1): (1, 1, 0.5, 1.0, {})},
        {("a.py", "1", "f"): (1, 1, 0.5, 1.0, {})},
        {("a.py", 1, None): (1, 1, 0.5, 1.0, {})},
        {("a.py", 1, ("f",)): (1, 1, 0.5, 1.0, {})},
        {"f": (1, 1, 0.5, 1.0, {})},
        {F: F},
        [TABLE],
        (TABLE,),
        compile("1", "a.py", "eval"),
        {F: compile("1", "a.py", "eval")},
        None,
        "text",
        frozenset([1]),
    ],
    ids=repr,
)
def test_marshalled_data_that_is_no_table_is_refused(table: Any, version: int) -> None:
    refused(marshal.dumps(table, version), "profile")


def test_more_items_than_allowed_are_refused() -> None:
    data = marshal.dumps(TABLE, 4)
    assert decode(data, max_items=3)[0] == TABLE
    refused(data, "too large", max_items=2)
    wide = {F: (1, 1, 0.5, 0.5, {("a.py", i, "f"): (1, 1, 0.5, 0.5) for i in range(100)})}
    for most in (50, 100):
        refused(marshal.dumps(wide, 4), "too large", max_items=most)


def test_a_shared_table_of_callers_counts_as_often_as_it_is_meant() -> None:
    """Otherwise a small file could stand for a sum of any size."""
    callers: Any = {("a.py", i, "f"): (1, 1, 0.5, 0.5) for i in range(100)}
    shared = {("a.py", i, "g"): (1, 1, 0.5, 0.5, callers) for i in range(100)}
    data = marshal.dumps(shared, 4)
    assert len(data) < 10_000
    refused(data, "too large", max_items=5_000)


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=300)
def test_no_bytes_make_it_fail_otherwise(noise: bytes) -> None:
    for data in (noise, b"{" + noise, marshal.dumps(TABLE, 4)[:40] + noise):
        try:
            decode(data)
        except BadMarshal:
            continue
