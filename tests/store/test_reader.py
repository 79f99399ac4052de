"""Reading profiles: ours by marshal only when nothing speaks against it, and no file does harm."""

from __future__ import annotations

import marshal
import os
import shutil
import socket
import stat
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.errors import BadProfile, NotFound
from reqprof.model import Profile, Request, Timeline, Wait
from reqprof.store import format as prof
from reqprof.store import naming, reader
from reqprof.store import timeline as section

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.model import Stats

DATA = Path(__file__).parent.parent / "data" / "store"

STATS: Stats = {
    ("app.py", 3, "view"): (1, 1, 0.25, 0.5, {}),
    ("~", 0, "<len>"): (2, 2, 0.25, 0.25, {("app.py", 3, "view"): (2, 2, 0.25, 0.25)}),
}
REQUEST = Request(id="7f3a09c41be2", method="GET", path="/a", status=200, duration=0.5)


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    path = tmp_path / "ours.prof"
    path.write_bytes(prof.encode(STATS, REQUEST, {"note": b"hello"}))
    return path


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    path = tmp_path / "foreign.prof"
    path.write_bytes(marshal.dumps(STATS))
    return path


def refused(path: Path, reason: str, **options: bool) -> None:
    with pytest.raises(BadProfile, match=reason) as caught:
        reader.read(path, **options)
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in caught.value.reason


def without_marshal(monkeypatch: pytest.MonkeyPatch) -> None:
    def loads(data: bytes) -> object:
        raise AssertionError("marshal was asked")

    monkeypatch.setattr(marshal, "loads", loads)


# --- what is right


def test_a_profile_of_ours_is_read_with_its_facts(ours: Path) -> None:
    assert reader.read(ours) == Profile(STATS, REQUEST, ours)
    assert reader.facts(ours) == REQUEST


def test_a_profile_of_another_tool_has_no_facts(foreign: Path) -> None:
    assert reader.read(foreign) == Profile(STATS, None, foreign)
    assert reader.facts(foreign) is None


def test_a_profile_without_calls_is_a_profile(tmp_path: Path) -> None:
    path = tmp_path / "empty.prof"
    path.write_bytes(marshal.dumps({}))
    assert reader.read(path) == Profile({}, None, path)


@pytest.mark.parametrize("name", ["cprofile-2.7.prof", "cprofile-3.14.prof"])
def test_profiles_of_other_pythons_are_read(name: str) -> None:
    stats = reader.read(DATA / name).stats
    assert stats["shop/work.py", 2, "fib"][:2] == (55, 197)


def test_edges_of_the_profile_module_get_their_share_of_the_seconds() -> None:
    row = reader.read(DATA / "profile-2.7.prof").stats["shop/work.py", 2, "fib"]
    edges = row[4].values()
    assert sum(edge[0] for edge in edges) == row[1]
    assert sum(edge[2] for edge in edges) == pytest.approx(row[2])
    assert sum(edge[3] for edge in edges) == pytest.approx(row[3])


def test_bytes_of_another_tool_after_the_table_do_not_matter(foreign: Path) -> None:
    foreign.write_bytes(foreign.read_bytes() + b"some note")
    assert reader.read(foreign).stats == STATS


# --- whom marshal may read


def test_a_whole_file_of_ours_is_left_to_marshal(
    ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "decode", None)
    assert reader.read(ours).stats == STATS


def test_untrusted_means_no_marshal(ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_marshal(monkeypatch)
    assert reader.read(ours, trusted=False) == Profile(STATS, REQUEST, ours)


def test_marshal_never_sees_a_file_of_another_tool(
    foreign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_marshal(monkeypatch)
    assert reader.read(foreign).stats == STATS


def test_marshal_never_sees_a_file_of_another_user(
    ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_marshal(monkeypatch)
    someone = ours.stat().st_uid + 1
    monkeypatch.setattr(os, "geteuid", lambda: someone)
    assert reader.read(ours).stats == STATS


def test_marshal_never_sees_a_file_that_everybody_may_write(
    ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_marshal(monkeypatch)
    ours.chmod(0o606)
    assert reader.read(ours).stats == STATS


def sealed(table: bytes) -> bytes:
    """A file of ours, right to the last bit, with any bytes in the place of the table."""
    whole = prof.encode({}, REQUEST)
    body = table + whole[whole.index(prof.MAGIC) : -12]
    return body + zlib.crc32(body).to_bytes(4, "little") + prof.MAGIC


def test_a_right_checksum_on_hostile_bytes_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.prof"
    path.write_bytes(sealed((DATA / "crash-11-1.bin").read_bytes()))
    refused(path, "no profile, or damaged", trusted=False)


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("table", [b"", b"{", b"N", b"(\x00\x00\x00\x00", b"?", b"[\x00"])
def test_a_right_checksum_on_something_else_is_refused(
    table: bytes, trusted: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.prof"
    path.write_bytes(sealed(table))
    refused(path, "damaged|not a profile|cut short", trusted=trusted)


def test_bytes_between_table_and_trailer_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.prof"
    path.write_bytes(sealed(b"{0xyz"))
    refused(path, "3 bytes between", trusted=False)


# --- what is wrong


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.prof"
    path.touch()
    refused(path, "empty file")


@pytest.mark.parametrize("data", [b"hello", b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(9999)])
def test_a_file_that_is_no_profile_is_named(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.prof"
    path.write_bytes(data)
    refused(path, "not a profile")


def test_what_crashes_marshal_is_refused(tmp_path: Path) -> None:
    for source in DATA.glob("crash-*.bin"):
        path = Path(shutil.copy(source, tmp_path / "a.prof"))
        refused(path, "no profile, or damaged")


def test_a_file_of_ours_cut_anywhere_never_passes_for_another(ours: Path, tmp_path: Path) -> None:
    """The one exception: a cut that leaves just the table leaves a right, if factless, profile."""
    data = ours.read_bytes()
    parts = prof.split(data)
    assert parts is not None
    path = tmp_path / "cut.prof"
    for end in range(len(data)):
        path.write_bytes(data[:end])
        if end == len(parts.stats):
            assert reader.read(path) == Profile(STATS, None, path)
        else:
            refused(path, "cut short|empty file|checksum")


def test_a_file_with_a_name_of_ours_never_passes_for_another(ours: Path, tmp_path: Path) -> None:
    data = ours.read_bytes()
    parts = prof.split(data)
    assert parts is not None
    path = tmp_path / naming.name(REQUEST)
    for end in range(len(data)):
        path.write_bytes(data[:end])
        refused(path, "cut short|empty file|checksum")


def test_a_file_of_ours_with_any_bit_changed_is_refused(ours: Path, tmp_path: Path) -> None:
    data = ours.read_bytes()
    path = tmp_path / "changed.prof"
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        refused(path, "damaged")


def test_a_wrong_checksum_is_told(ours: Path) -> None:
    data = bytearray(ours.read_bytes())
    data[20] ^= 1
    ours.write_bytes(data)
    refused(ours, ": damaged: checksum does not match$")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [({}, "no id"), ({"id": "0" * 12, "duration": "long"}, "duration = 'long', not a number")],
)
def test_facts_that_are_none_are_refused(
    facts: dict[str, Any], reason: str, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prof, "to_facts", lambda request: dict(facts))
    ours.write_bytes(prof.encode(STATS, REQUEST))
    refused(ours, reason)
    with pytest.raises(BadProfile, match=reason):
        reader.facts(ours)


def test_a_trailer_of_a_later_version_is_named(ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prof, "VERSION", 2)
    data = prof.encode(STATS, REQUEST)
    monkeypatch.undo()
    ours.write_bytes(data)
    refused(ours, "written in format 2, this reqprof reads format 1")
    with pytest.raises(BadProfile, match="format 2"):
        reader.facts(ours)


def test_a_file_beyond_all_size_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.prof"
    with path.open("wb") as file:
        file.truncate(reader.MAX_SIZE + 1)  # takes no room on the disk
    refused(path, "too large: 256 MiB, at most 256 are read")


# --- what is no file


@pytest.mark.parametrize("name", ["none.prof", "none/none.prof", "ours.prof/none.prof", "a\0.prof"])
@pytest.mark.parametrize("read", [reader.read, reader.facts])
@pytest.mark.usefixtures("ours")
def test_a_missing_file_is_not_found(
    read: Callable[[Path], object], name: str, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="no such file"):
        read(tmp_path / name)


def make_folder(path: Path) -> None:
    path.mkdir()


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket may not be long
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize("read", [reader.read, reader.facts])
@pytest.mark.parametrize(
    ("make", "reason"),
    [(make_folder, "a folder"), (make_pipe, "a pipe"), (make_socket, "a pipe, socket or device")],
)
def test_what_is_no_file_is_refused_without_waiting(
    make: Callable[[Path], None], reason: str, read: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "a.prof"
    make(path)
    with pytest.raises(BadProfile, match=reason):
        read(path)


def test_a_device_is_refused() -> None:
    refused(Path("/dev/zero"), "device")


def test_a_link_that_changes_hands_while_it_is_followed_is_refused(
    ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, swapped = tmp_path / "link.prof", tmp_path / "swapped"
    link.symlink_to(ours.name)
    monkeypatch.setattr(reader, "_followed", lambda path: swapped)
    make_pipe(swapped)
    refused(link, "a pipe")
    swapped.unlink()
    swapped.symlink_to(ours)
    refused(link, "not readable: .*(symbolic|links)")


def test_a_file_that_comes_in_pieces_is_read_whole(
    ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Network file systems may return less than was asked for."""
    whole = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, count: whole(descriptor, min(count, 7)))
    assert reader.read(ours).stats == STATS


def test_a_file_that_shrinks_while_it_is_read_is_refused(
    ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.read
    pieces = iter([30, 0])
    monkeypatch.setattr(os, "read", lambda descriptor, count: whole(descriptor, next(pieces)))
    refused(ours, "cut short")


def test_a_link_within_its_folder_is_followed(ours: Path) -> None:
    link = ours.with_name("latest.prof")
    link.symlink_to(ours.name)
    assert reader.read(link) == Profile(STATS, REQUEST, link)
    assert reader.facts(link) == REQUEST


def test_a_link_that_leads_out_of_its_folder_is_refused(ours: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, target in enumerate((ours, Path("..") / ours.name, Path("/dev/zero"))):
        link = folder / f"{number}.prof"
        link.symlink_to(target)
        refused(link, "a link that leads out of its folder; name the file itself")


def test_a_folder_may_be_a_link(ours: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.symlink_to(tmp_path)
    assert reader.read(folder / ours.name).stats == STATS
    (tmp_path / "latest.prof").symlink_to(ours.name)
    assert reader.read(folder / "latest.prof").stats == STATS


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    one, two = tmp_path / "one.prof", tmp_path / "two.prof"
    one.symlink_to(two)
    two.symlink_to(one)
    refused(one, "link|readable")


def test_a_link_to_nothing_is_not_found(tmp_path: Path) -> None:
    link = tmp_path / "a.prof"
    link.symlink_to("none.prof")
    with pytest.raises(NotFound, match=r"a\.prof: no such file"):
        reader.read(link)


def test_a_link_to_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    link = tmp_path / "a.prof"
    link.symlink_to("folder")
    refused(link, "a folder")


def test_a_file_that_may_not_be_read_is_named(ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told by the opening itself: the superuser, who may run the tests, may read everything."""

    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    refused(ours, "not readable: Permission denied")


def test_a_disk_that_fails_while_reading_is_named(
    ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int, count: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "read", fail)
    refused(ours, "not readable: Input/output error")


def test_no_descriptor_is_left_open(ours: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.prof"
    bad.write_bytes(b"nothing")
    before = os.dup(0)
    os.close(before)
    for _ in range(5):
        reader.read(ours)
        reader.facts(ours)
        reader.timeline(reader.read(ours))
        refused(bad, "not a profile")
        refused(tmp_path, "folder")
    after = os.dup(0)
    os.close(after)
    assert after == before


def test_reading_changes_nothing(ours: Path) -> None:
    before = ours.read_bytes(), stat.S_IMODE(ours.stat().st_mode)
    reader.read(ours)
    assert (ours.read_bytes(), stat.S_IMODE(ours.stat().st_mode)) == before


# --- what the table cannot hold


TIMELINE = Timeline(waits=(Wait((("app.py", 3, "view", 5),), 2, 0.25, 0.2),))


def with_waits(path: Path, waits: bytes) -> Path:
    path.write_bytes(prof.encode(STATS, REQUEST, {"note": b"hello", section.SECTION: waits}))
    return path


def test_the_timeline_is_read_on_its_own(ours: Path) -> None:
    with_waits(ours, section.encode(TIMELINE))
    assert reader.timeline(reader.read(ours)) == TIMELINE
    assert reader.read(ours) == Profile(STATS, REQUEST, ours, None, section.encode(TIMELINE))


def test_a_profile_without_waits_has_an_empty_timeline(ours: Path, foreign: Path) -> None:
    assert reader.timeline(reader.read(ours)) == Timeline()
    assert reader.timeline(reader.read(foreign)) == Timeline()


@pytest.mark.parametrize(
    ("waits", "reason"),
    [
        (b"", "its waits are no JSON"),
        (b'{"waits":[[1]]}', r"its waits hold \[1\] in place of a wait of 5 parts"),
        (b"[" * 100_000, "its waits are nested too deeply|its waits are no JSON"),
    ],
)
def test_waits_that_are_none_cost_only_those_who_ask(waits: bytes, reason: str, ours: Path) -> None:
    with_waits(ours, waits)
    with pytest.raises(BadProfile, match=reason) as caught:
        reader.timeline(reader.read(ours))
    assert str(caught.value).startswith(f"{ours}: ")
    assert reader.read(ours).stats == STATS
    assert reader.facts(ours) == REQUEST


def test_waits_that_do_not_decompress_are_refused(ours: Path) -> None:
    data = with_waits(ours, b"x" * 100).read_bytes()
    parts = prof.split(data)
    assert parts is not None
    packed, _ = parts.packed[section.SECTION]
    body = data.replace(packed, bytes(len(packed)))[:-12]
    ours.write_bytes(body + zlib.crc32(body).to_bytes(4, "little") + prof.MAGIC)
    with pytest.raises(BadProfile, match="section waits does not decompress"):
        reader.read(ours)


def test_a_damaged_file_has_no_timeline(ours: Path) -> None:
    data = bytearray(ours.read_bytes())
    data[20] ^= 1
    ours.write_bytes(data)
    with pytest.raises(BadProfile, match="checksum does not match"):
        reader.timeline(reader.read(ours))
