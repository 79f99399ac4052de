"""``reqprof prune``."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reqprof.cli import prune
from reqprof.sizes import format_size
from reqprof.store import index
from reqprof.store.turn import Turn
from tests.store.test_retention import find, left, put

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Reqprof = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten profiles; the later the slower."""
    folder = tmp_path / "profiles"
    folder.mkdir()
    for number in range(10):
        put(folder, number, duration=number / 10)
    return folder


def test_the_oldest_go_until_the_rest_fits(reqprof: Reqprof, folder: Path) -> None:
    size = sum(find(folder, number).stat().st_size for number in range(6))
    result = reqprof("prune", "--max-files", 4)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr.startswith(f"deleted 6 profiles of 10, {format_size(size)}; 4 stay, ")
    assert left(folder) == [6, 7, 8, 9]


def test_bytes_count_the_index_and_the_control_files_too(reqprof: Reqprof, folder: Path) -> None:
    for path in (folder / index.FOLDER).iterdir():
        os.utime(path, (2e9, 2e9))  # none of it may go
    beside = sum(path.stat().st_size for path in (folder / index.FOLDER).iterdir())
    sizes = [find(folder, number).stat().st_size for number in range(10)]
    result = reqprof("prune", "--max-bytes", beside + sum(sizes[7:]))
    assert result.exit_code == 0, result.stderr
    assert left(folder) == [7, 8, 9]


def test_what_is_too_old_goes(reqprof: Reqprof, folder: Path) -> None:
    now = time.time()
    for number in range(10):
        path = find(folder, number)
        os.utime(path, (now - 86400 * (10.5 - number),) * 2)
    assert reqprof("prune", "--max-age", "7d").exit_code == 0
    assert left(folder) == [4, 5, 6, 7, 8, 9]


def test_errors_and_the_slowest_of_a_route_go_last(reqprof: Reqprof, folder: Path) -> None:
    put(folder, 100, status=500, path="/bad")
    put(folder, 101, duration=90.0, path="/slow")
    for number in (100, 101):
        os.utime(find(folder, number), (1, 1))
    assert reqprof("prune", "--max-files", 6).exit_code == 0
    assert left(folder) == [6, 7, 8, 9, 100, 101]


def test_the_slowest_are_kept_though_they_are_old(reqprof: Reqprof, folder: Path) -> None:
    for number in (8, 9):
        os.utime(find(folder, number), (1, 1))
    result = reqprof("prune", "--max-files", 1, "--max-age", "1d", "--keep-slowest", 2)
    assert left(folder) == [8, 9]
    assert result.exit_code == 1
    assert "what stays is more than asked: what --keep-slowest keeps" in result.stderr


def test_a_dry_run_prints_what_the_next_one_deletes(reqprof: Reqprof, folder: Path) -> None:
    before = {path: path.lstat().st_mtime for path in folder.rglob("*")}
    words = ["prune", "--max-files", 2, "--keep-slowest", 1]
    dry = reqprof(*words, "--dry-run")
    assert dry.exit_code == 0
    assert {path: path.lstat().st_mtime for path in folder.rglob("*")} == before
    assert reqprof(*words).exit_code == 0
    gone = {path for path in before if not path.exists()}
    assert {Path(line) for line in dry.stdout.splitlines()} == {
        path.relative_to(folder.parent) for path in gone
    }
    assert len(gone) >= 8
    assert dry.stderr.startswith("would delete 8 profiles of 10")


def test_only_what_reqprof_wrote_goes(reqprof: Reqprof, folder: Path) -> None:
    named_like_ours = find(folder, 0).with_name(
        find(folder, 0).name.replace("000.prof", "fff.prof")
    )
    others = [folder / "other.prof", folder / "notes.txt", folder / "a.svg", named_like_ours]
    for path in others:
        path.write_bytes(b"{0")
    (folder / "folder.prof").mkdir()
    (folder / "link.prof").symlink_to(find(folder, 3))
    reqprof("prune", "--max-files", 1)
    assert [int(one.known.id, 16) for one in index.find(folder).stored if one.known] == [9]
    assert all(path.exists() for path in others)
    assert (folder / "folder.prof").is_dir()
    assert (folder / "link.prof").is_symlink()


def test_a_full_listing_is_right_afterwards(reqprof: Reqprof, folder: Path) -> None:
    reqprof("prune", "--max-files", 3)
    found = index.find(folder)
    assert [int(one.known.id, 16) for one in found.stored] == [7, 8, 9]
    assert not found.bad


def test_it_waits_for_the_process_that_prunes(reqprof: Reqprof, folder: Path) -> None:
    taken, release = threading.Event(), threading.Event()

    def hold() -> None:
        with Turn(folder).taken() as mine:
            assert mine
            taken.set()
            release.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    assert taken.wait(30)
    timer = threading.Timer(0.2, release.set)
    timer.start()
    result = reqprof("prune", "--max-files", 3)
    holder.join()
    assert (result.exit_code, left(folder)) == (0, [7, 8, 9])


def test_one_that_never_ends_is_named(
    reqprof: Reqprof, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "_PATIENCE", 0.01)
    with Turn(folder).taken() as mine:
        assert mine
        result = reqprof("prune", "--max-files", 3)
    assert result.exit_code == 1
    assert "other processes are pruning it" in result.stderr
    assert len(left(folder)) == 10


def test_what_cannot_be_deleted_is_told(
    reqprof: Reqprof, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "remove", lambda file: False)
    result = reqprof("prune", "--max-files", 3)
    assert result.exit_code == 1
    assert "cannot be deleted, such as profiles/" in result.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "say what is too much: --max-bytes, --max-files or --max-age"),
        (("--keep-slowest", "3"), "say what is too much"),
        (("--max-bytes", "much"), "'much' is no size"),
        (("--max-bytes", "0"), "not even the index fits"),
        (("--max-files", "0"), "'0' is no number of profiles from 1"),
        (("--max-files", "-3"), "'-3' is no number"),
        (("--max-age", "soon"), "got 'soon'"),
        (("--keep-slowest", "all", "--max-files", "3"), "'all' is no number"),
        (("none", "--max-files", "3"), "no file or folder 'none'"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    reqprof: Reqprof, folder: Path, words: tuple[str, ...], says: str
) -> None:
    result = reqprof("prune", *words)
    assert result.exit_code in (2, 3)
    assert says in result.stderr
    assert len(left(folder)) == 10
