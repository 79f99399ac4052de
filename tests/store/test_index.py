"""Finding profiles: the index saves opening them, and nothing in it is believed that is not so."""

from __future__ import annotations

import json
import marshal
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from reqprof.errors import NotFound
from reqprof.model import Request
from reqprof.store import format as prof
from reqprof.store import index, reader
from reqprof.store.stored import Stored

BODY = prof.encode({("a.py", 1, "f"): (1, 1, 0.5, 0.5, {})}, Request(id="0" * 12))


def request(number: int) -> Request:
    return Request(id=f"{number:012x}", method="GET", path=f"/{number}", duration=number / 8)


def store(folder: Path, number: int, *, indexed: bool = True, name: str | None = None) -> Stored:
    """A profile as the writer leaves it; its own facts when it has no line."""
    path = folder / (name or f"{number:03}.prof")
    facts = request(number)
    data = prof.encode({("a.py", 1, "f"): (1, 1, 0.5, 0.5, {})}, facts)
    path.write_bytes(data)
    if indexed:
        append(folder, index.line(path.name, len(data), facts))
    return Stored(folder, path.name, facts)


def append(folder: Path, line: bytes, name: str = "host-1-ab.jsonl") -> None:
    (folder / index.FOLDER).mkdir(exist_ok=True)
    with (folder / index.FOLDER / name).open("ab") as file:
        file.write(line)


def unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the index has to do."""

    def facts(path: Path) -> Request | None:
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr(reader, "facts", facts)


# --- lines


def test_a_line_is_the_facts_and_where_they_belong() -> None:
    line = index.line("a.prof", 99, request(4))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "file": "a.prof",
        "size": 99,
        **prof.to_facts(request(4)),
    }


@pytest.mark.parametrize(
    "name", ["", "a", "a.txt", ".prof", ".a.prof", "../a.prof", "/a.prof", "b/a.prof", "b\\a.prof"]
)
def test_a_line_is_only_of_a_profile_in_the_folder(name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a profile"):
        index.line(name, 1, request(1))


def test_text_that_is_no_unicode_makes_a_line_too() -> None:
    odd = Request(id="0" * 12, path="/\udcff\n\x85 ")
    line = index.line("a.prof", 1, odd)
    assert len(line.splitlines()) == 1
    assert prof.from_facts(json.loads(line)) == odd


# --- finding


def test_profiles_are_found_by_the_index_without_being_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = [store(tmp_path, number) for number in (3, 1, 2)]
    unreadable(monkeypatch)
    found = index.find(tmp_path)
    assert found.stored == sorted(stored, key=lambda one: str(one.path))
    assert found.bad == []


def test_several_processes_leave_several_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = [store(tmp_path, number, indexed=False) for number in range(4)]
    for number, one in enumerate(stored):
        assert one.request is not None
        append(tmp_path, index.line(one.path.name, 1, one.request), f"h-{number % 2}.jsonl")
    unreadable(monkeypatch)
    assert index.find(tmp_path).stored == stored


def test_profiles_without_a_line_are_asked_themselves(tmp_path: Path) -> None:
    stored = [store(tmp_path, number, indexed=number % 2 == 0) for number in range(6)]
    assert index.find(tmp_path).stored == stored


def test_without_an_index_everything_is_found_just_as_well(tmp_path: Path) -> None:
    for number in range(6):
        store(tmp_path, number)
    before = index.find(tmp_path)
    shutil.rmtree(tmp_path / index.FOLDER)
    assert index.find(tmp_path) == index.Found(before.stored, [], before.stored)


def test_lines_of_deleted_profiles_do_not_count(tmp_path: Path) -> None:
    kept, gone = store(tmp_path, 1), store(tmp_path, 2)
    (gone.folder / gone.name).unlink()
    assert index.find(tmp_path).stored == [kept]


def test_a_profile_of_another_tool_is_listed_without_facts(tmp_path: Path) -> None:
    path = tmp_path / "other.prof"
    path.write_bytes(marshal.dumps({("a.py", 1, "f"): (1, 1, 0.5, 0.5, {})}))
    assert index.find(tmp_path).stored == [Stored(tmp_path, path.name, None)]


def test_a_copy_is_listed_beside_its_original(tmp_path: Path) -> None:
    one = store(tmp_path, 1)
    copy = Path(shutil.copy(one.folder / one.name, tmp_path / "copy.prof"))
    assert index.find(tmp_path).stored == [one, Stored(tmp_path, copy.name, one.request)]


def test_a_file_with_two_lines_is_listed_once(tmp_path: Path) -> None:
    one = store(tmp_path, 1)
    append(tmp_path, index.line(one.path.name, 1, request(1)), "rebuilt.jsonl")
    assert index.find(tmp_path).stored == [one]


def test_what_is_no_visible_profile_in_the_folder_itself_is_left_out(tmp_path: Path) -> None:
    one = store(tmp_path, 1)
    for name in (".tmp-1.prof", "notes.txt", "a.prof.gz", "prof"):
        (tmp_path / name).write_bytes(BODY)
    (tmp_path / "more").mkdir()
    store(tmp_path / "more", 2)
    found = index.find(tmp_path)
    assert found.stored == [one]
    assert found.bad == []


def test_a_damaged_trailer_goes_to_the_bad_ones(tmp_path: Path) -> None:
    one = store(tmp_path, 1)
    other = store(tmp_path, 2, indexed=False)
    path = tmp_path / other.name
    data = path.read_bytes()
    path.write_bytes(data[:-24] + b"\xff" * 8 + data[-16:])
    found = index.find(tmp_path)
    assert found.stored == [one]
    assert [bad.path for bad in found.bad] == [other.path]
    assert "damaged" in found.bad[0].reason


@pytest.mark.parametrize("indexed", [True, False])
def test_what_only_has_the_name_of_a_profile_goes_to_the_bad_ones(
    indexed: bool, tmp_path: Path
) -> None:
    """A line in the index does not make a pipe a profile."""
    outside = tmp_path / "outside.prof"
    outside.write_bytes(BODY)
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / "folder.prof").mkdir()
    os.mkfifo(folder / "pipe.prof")
    (folder / "link.prof").symlink_to(outside)
    if indexed:
        for path in folder.glob("*.prof"):
            append(folder, index.line(path.name, 1, request(1)))
    found = index.find(folder)
    assert found.stored == []
    assert [bad.path.name for bad in found.bad] == ["folder.prof", "link.prof", "pipe.prof"]


def test_a_link_in_the_folder_is_listed_beside_what_it_means(tmp_path: Path) -> None:
    one = store(tmp_path, 1)
    link = tmp_path / "latest.prof"
    link.symlink_to(one.path.name)
    assert index.find(tmp_path).stored == [one, Stored(tmp_path, link.name, one.request)]


def test_a_profile_deleted_meanwhile_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path, 1, indexed=False)

    def facts(path: Path) -> Request | None:
        raise NotFound(str(path))

    monkeypatch.setattr(reader, "facts", facts)
    assert index.find(tmp_path) == index.Found([], [], [])


# --- an index that is not what it should be

LIE = {"file": "001.prof", "size": 1, **prof.to_facts(request(77))}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\x00\xff",
        b"[]",
        b"3",
        b'{"file":"001.prof"}',
        index.line("001.prof", 1, request(77))[:-9],
        json.dumps({**LIE, "file": ["001.prof"]}).encode(),
        json.dumps({**LIE, "file": "./001.prof"}).encode(),
        json.dumps({**LIE, "file": "../profiles/001.prof"}).encode(),
        json.dumps({**LIE, "file": None}).encode(),
        json.dumps({**LIE, "id": "../../../etc"}).encode(),
        json.dumps({**LIE, "duration": "1"}).encode(),
        json.dumps({**LIE, "duration": float("nan")}).encode(),
        json.dumps({**LIE, "labels": 3}).encode(),
        b'{"a":' * 100_000,
    ],
)
@pytest.mark.parametrize("end", [b"\n", b""], ids=["whole", "torn"])
def test_a_line_that_makes_no_sense_is_skipped(line: bytes, end: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    one = store(folder, 1, indexed=False)
    two = store(folder, 2)
    append(folder, line + end)
    append(folder, line + end, "another.jsonl")
    found = index.find(folder)
    assert (found.stored, found.bad) == ([one, two], [])


def test_a_torn_line_does_not_take_the_next_file_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = [store(tmp_path, 1), store(tmp_path, 2)]
    append(tmp_path, b'{"file":"002.pr', "a.jsonl")
    unreadable(monkeypatch)
    assert index.find(tmp_path).stored == stored


def test_a_profile_outside_the_folder_cannot_be_slipped_in(tmp_path: Path) -> None:
    store(tmp_path, 1, indexed=False)
    folder = tmp_path / "profiles"
    folder.mkdir()
    names: list[Any] = ["../001.prof", str(tmp_path / "001.prof"), "001.prof", ""]
    for name in names:
        append(folder, json.dumps({**LIE, "file": name}).encode() + b"\n")
    assert index.find(folder) == index.Found([], [], [])


def test_an_index_that_cannot_be_read_is_done_without(tmp_path: Path) -> None:
    one = store(tmp_path, 1)
    there = tmp_path / index.FOLDER
    (there / "a.jsonl").mkdir()
    os.mkfifo(there / "b.jsonl")
    (there / "c.jsonl").symlink_to("/dev/zero")
    with (there / "d.jsonl").open("wb") as file:
        file.truncate(index.MAX_SIZE + 1)
    (there / "counters.json").write_text("{}")
    assert index.find(tmp_path).stored == [one]


def test_an_index_that_is_no_folder_is_done_without(tmp_path: Path) -> None:
    (tmp_path / index.FOLDER).write_text("nothing")
    one = store(tmp_path, 1, indexed=False)
    assert index.find(tmp_path).stored == [one]


# --- the folder


def test_a_folder_without_profiles_has_none(tmp_path: Path) -> None:
    assert index.find(tmp_path) == index.Found([], [], [])


def test_a_missing_folder_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="none: no such folder"):
        index.find(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(NotFound, match="file: no such folder"):
        index.find(tmp_path / "file")


def test_a_folder_that_cannot_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(NotFound, match="cannot be listed: Permission denied"):
        index.find(tmp_path)


def test_a_fact_that_makes_no_sense_is_read_from_the_trailer(tmp_path: Path) -> None:
    one = store(tmp_path, 1, indexed=False)
    append(tmp_path, json.dumps({"file": one.name, "id": "f" * 12, "labels": 7}).encode() + b"\n")
    (found,) = index.find(tmp_path).stored
    assert found.request == request(1)
