"""An index made anew: equal to the one that the writers made, whatever happens meanwhile."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reqprof.errors import BadProfile, NotFound
from reqprof.store import index, reindex
from reqprof.store.caps import Caps
from reqprof.store.retention import Retention
from tests.store.test_index import append, store, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def rebuild(folder: Path) -> tuple[int, int]:
    def fail(error: BadProfile) -> None:
        raise error

    return reindex.rebuild(folder, lambda names: names, fail)


def lines(folder: Path) -> list[bytes]:
    found = b"".join(path.read_bytes() for path in index.files(folder))
    return sorted(found.splitlines())


def test_it_equals_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        store(tmp_path, number)
    before, found = lines(tmp_path), index.find(tmp_path)
    assert rebuild(tmp_path) == (30, 30)
    assert lines(tmp_path) == before
    unreadable(monkeypatch)
    assert index.find(tmp_path) == found


def test_it_is_made_where_there_was_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = [store(tmp_path, number, indexed=False) for number in range(3)]
    assert rebuild(tmp_path) == (3, 3)
    unreadable(monkeypatch)
    assert index.find(tmp_path) == index.Found(stored, [], [])
    assert (tmp_path / index.FOLDER).stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in index.files(tmp_path)} == {0o600}


def test_what_is_stale_or_torn_goes(tmp_path: Path) -> None:
    gone = store(tmp_path, 1)
    store(tmp_path, 2)
    append(tmp_path, b'{"file":"3.prof","id":"0000000')
    (tmp_path / gone.name).unlink()
    assert rebuild(tmp_path) == (1, 1)
    assert [b'"002.prof"' in line for line in lines(tmp_path)] == [True]


def test_bad_files_are_named_and_those_of_other_tools_are_left(tmp_path: Path) -> None:
    store(tmp_path, 1)
    (tmp_path / "bad.prof").write_bytes(b"nonsense")
    (tmp_path / "other.prof").write_bytes(b"{0")
    bad: list[str] = []
    indexed = reindex.rebuild(
        tmp_path, lambda names: names, lambda error: bad.append(error.path.name)
    )
    assert indexed == (1, 3)
    assert bad == ["bad.prof"]


def test_what_is_written_meanwhile_stays(tmp_path: Path) -> None:
    store(tmp_path, 1)

    def watched(names: Sequence[str]) -> Iterable[str]:
        yield from names
        store(tmp_path, 2)  # into the file that was there

    reindex.rebuild(tmp_path, watched, lambda error: None)
    found = index.find(tmp_path)
    assert [one.name for one in found.stored] == ["001.prof", "002.prof"]
    assert found.lacking == []


def test_it_is_trimmed_with_its_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reindex, "_LINES", 5)
    for number in range(20):
        store(tmp_path, number)
        os.utime(tmp_path / f"{number:03}.prof", (1000.0 + number, 1000.0 + number))
    rebuild(tmp_path)
    assert len(index.files(tmp_path)) == 4
    Retention(tmp_path, Caps(max_files=10, max_bytes=None, min_free=None)).wrote(1)
    left = len(list(tmp_path.glob("*.prof")))
    assert 8 <= left <= 10
    assert len(index.files(tmp_path)) == 2


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such folder"):
        rebuild(tmp_path / "none")


def test_no_link_is_followed(tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    store(folder, 1, indexed=False)
    (tmp_path / "elsewhere").mkdir()
    (folder / index.FOLDER).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        rebuild(folder)
    assert list((tmp_path / "elsewhere").iterdir()) == []


# --- what a listing adds


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Many profiles without an index."""
    for number in range(reindex.WORTH):
        store(tmp_path, number, indexed=False)
    return tmp_path


def test_many_profiles_without_lines_get_them(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = index.find(copied)
    assert len(found.lacking) == reindex.WORTH
    reindex.add(copied, found.lacking)
    unreadable(monkeypatch)
    assert index.find(copied) == index.Found(found.stored, [], [])


def test_few_do_not(copied: Path) -> None:
    reindex.add(copied, index.find(copied).lacking[1:])
    assert index.files(copied) == []


def test_those_of_this_moment_are_their_process_s_own(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 30.0)  # they began at 0
    reindex.add(copied, index.find(copied).lacking)
    assert index.files(copied) == []


def test_another_user_s_folder_is_left_alone(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    reindex.add(copied, index.find(copied).lacking)
    assert index.files(copied) == []


def test_a_folder_that_cannot_be_written_is_read_all_the_same(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copied / index.FOLDER).write_bytes(b"")  # a file in its place
    found = index.find(copied)
    reindex.add(copied, found.lacking)
    assert index.find(copied) == found


def test_profiles_that_went_meanwhile(copied: Path) -> None:
    found = index.find(copied)
    shutil.rmtree(copied)
    reindex.add(copied, found.lacking)
    assert not Path(copied, index.FOLDER).exists()
