"""``reqprof check`` and ``reqprof reindex``."""

from __future__ import annotations

import json
import marshal
import os
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.model import Request
from reqprof.store import calltree, index
from reqprof.store import format as prof
from tests.store.test_index import store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Reqprof = Callable[..., Result]

STATS: Any = {("a.py", 1, "f"): (1, 1, 0.5, 0.5, {})}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "profiles"
    folder.mkdir()
    for number in range(3):
        store(folder, number)
    return folder


@pytest.mark.parametrize(
    "words", [(), ("profiles",), ("profiles/*.prof",), ("profiles", "profiles")]
)
def test_sound_ones(reqprof: Reqprof, folder: Path, words: tuple[str, ...]) -> None:
    result = reqprof("check", *words)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "3 profiles: 3 sound, 0 bad\n"


def test_bad_ones_are_named_with_what_is_wrong(reqprof: Reqprof, folder: Path) -> None:
    whole = (folder / "001.prof").read_bytes()
    (folder / "001.prof").write_bytes(whole[:20] + b"\0" + whole[21:])
    (folder / "cut.prof").write_bytes(whole[:-30])
    (folder / "empty.prof").write_bytes(b"")
    (folder / "folder.prof").mkdir()
    os.mkfifo(folder / "pipe.prof")
    bad_tree = prof.encode(STATS, Request(id="f" * 12), {calltree.SECTION: b"{}\n\xff"})
    (folder / "tree.prof").write_bytes(bad_tree)
    result = reqprof("check", "profiles")
    assert result.exit_code == 1
    named = dict(line.split(": ", 1) for line in result.stdout.splitlines())
    assert list(named) == [
        f"profiles/{name}.prof" for name in ("001", "cut", "empty", "folder", "pipe", "tree")
    ]
    assert named["profiles/001.prof"] == "damaged: checksum does not match"
    assert named["profiles/empty.prof"] == "empty file"
    assert named["profiles/folder.prof"] == "a folder, not a file"
    assert named["profiles/pipe.prof"] == "a pipe, socket or device, not a file"
    assert result.stderr == "8 profiles: 2 sound, 6 bad\n"

    result = reqprof("check", "--json", "profiles")
    assert result.exit_code == 1
    assert {row["file"]: row["reason"] for row in json.loads(result.stdout)} == named


KEY_OF_ITSELF = b"\xa9\x02{r\x00\x00\x00\x00N0N"  # ends an interpreter that gives it to marshal


def deep() -> bytes:
    """Tuples in tuples, where a table's key would be."""
    return b"{" + b"(\x01\x00\x00\x00" * 100_000


def many() -> bytes:
    """A tuple of two thousand million parts, it says."""
    return b"{(\xff\xff\xff\x7f"


def no_text() -> bytes:
    """A name that is no UTF-8."""
    table: Any = {("\N{SNOWMAN}.py", 1, "f"): (1, 1, 0.5, 0.5, {})}
    return marshal.dumps(table, 4).replace("\N{SNOWMAN}".encode(), b"\xff\xfe\xfd")


@pytest.mark.parametrize("untrusted", [(), ("--untrusted",)])
@pytest.mark.parametrize("command", ["check", "merge", "slowest"])
def test_each_of_the_ways_to_be_bad_is_one_line(
    reqprof: Reqprof, folder: Path, command: str, untrusted: tuple[str, ...]
) -> None:
    path = folder / store(folder, 7).name
    whole = path.read_bytes()
    path.unlink()
    bad = {
        "cut": whole[: len(whole) // 2],
        "flipped": whole[:30] + bytes([whole[30] ^ 4]) + whole[31:],
        "types": marshal.dumps({("a.py", 1, "f"): ("many", 1, 0.5, 0.5, {})}),
        "size": many(),
        "deep": deep(),
        "itself": KEY_OF_ITSELF,
        "text": no_text(),
        "empty": b"",
    }
    for name, data in bad.items():
        (folder / f"{name}.prof").write_bytes(data)
    (folder / "directory.prof").mkdir()
    os.mkfifo(folder / "fifo.prof")
    words = (*untrusted, "profiles") if command != "slowest" else ("profiles",)
    more = ("--prof", "-o", "all.prof") if command == "merge" else ()
    result = reqprof(command, *words, *more)
    assert result.exit_code == 1
    said = result.stdout if command == "check" else result.stderr
    named = [line for line in said.splitlines() if "profiles/" in line]
    if command != "slowest":  # which believes a file's last bytes, and the index
        for name in [*bad, "directory", "fifo"]:
            (line,) = [line for line in named if f"profiles/{name}.prof: " in line]
            assert len(line) < 150
            assert line.isprintable()


def test_the_decoder_that_nothing_crashes(reqprof: Reqprof, folder: Path) -> None:
    result = reqprof("check", "--untrusted", "profiles")
    assert (result.exit_code, result.stderr) == (0, "3 profiles: 3 sound, 0 bad\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("none",), "no file or folder 'none'"),
        (("profiles/*.svg",), "no file or folder matches 'profiles/*.svg'"),
        (("empty",), "no profiles in empty"),
    ],
)
def test_nothing_there(reqprof: Reqprof, folder: Path, words: tuple[str, ...], says: str) -> None:
    (folder.parent / "empty").mkdir()
    result = reqprof("check", *words)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.strip() == f"reqprof: {says}"


# --- reindex


def test_an_index_is_made_anew(reqprof: Reqprof, folder: Path) -> None:
    (before,) = index.files(folder)
    old = before.read_bytes()
    result = reqprof("reindex")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "indexed 3 profiles of profiles\n"
    (after,) = index.files(folder)
    assert after != before
    assert sorted(after.read_bytes().splitlines()) == sorted(old.splitlines())


def test_bad_files_and_those_of_other_tools(reqprof: Reqprof, folder: Path) -> None:
    (folder / "bad.prof").write_bytes(b"nonsense")
    (folder / "other.prof").write_bytes(b"{0")
    result = reqprof("reindex", "profiles")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "reqprof: skipped profiles/bad.prof: not a profile: it does not begin with a table",
        "indexed 3 profiles of profiles; 2 have no facts",
    ]


@pytest.mark.parametrize(
    ("word", "status", "says"),
    [
        ("none", 3, "no file or folder 'none'"),
        ("profiles/001.prof", 2, "profiles/001.prof is a file, not a folder"),
    ],
)
def test_what_is_no_folder(
    reqprof: Reqprof, folder: Path, word: str, status: int, says: str
) -> None:
    result = reqprof("reindex", word)
    assert result.exit_code == status
    assert says in result.stderr


def test_a_folder_that_takes_nothing(reqprof: Reqprof, folder: Path) -> None:
    (before,) = index.files(folder)
    before.unlink()
    (folder / index.FOLDER).rmdir()
    (folder / index.FOLDER).write_bytes(b"")
    result = reqprof("reindex", "profiles")
    assert result.exit_code == 3
    assert result.stderr.startswith("reqprof: profiles: no index can be written: ")
