"""The caps: the oldest go first, and nothing goes that reqprof did not write."""

from __future__ import annotations

import contextlib
import json
import math
import multiprocessing
import os
import shutil
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.model import Request
from reqprof.store import census, index, naming, reader, retention
from reqprof.store.caps import Caps
from reqprof.store.retention import Retention
from reqprof.store.turn import Turn
from reqprof.store.writer import NoRoom, Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reqprof.model import Stats

pytestmark = pytest.mark.recording

STATS: Stats = {("app.py", 1, "view"): (1, 1, 0.5, 0.75, {})}
OLD = 1_000_000_000


def request(number: int, **facts: Any) -> Request:
    given: dict[str, Any] = {"id": f"{number:012x}", "method": "GET", "path": "/", "start": 1e9}
    return Request(**{**given, **facts})


def caps(**some: Any) -> Caps:
    """No cap but these."""
    return Caps(**{"max_files": None, "max_bytes": None, "min_free": None, **some})


def put(
    folder: Path, *numbers: int, size: int = 1, template: str | None = None, **facts: Any
) -> int:
    """Profiles that earlier processes left, the first one oldest; returns the bytes of one."""
    made = Writer(folder, caps(), template)
    stats: Stats = {("app.py", n, "f"): (1, 1, 0.0, 0.0, {}) for n in range(size)}
    for number in numbers:
        made.write(stats, request(number, **facts), None)
        path = folder / made.last_name
        os.utime(path, (OLD + number, OLD + number))
    return path.stat().st_size


def find(folder: Path, number: int) -> Path:
    (path,) = folder.glob(f"*{number:012x}*.prof")
    return path


def left(folder: Path) -> list[int]:
    """The numbers of the profiles that are still there."""
    found = [reader.facts(path) for path in folder.glob("*.prof") if path.is_file()]
    return sorted(int(facts.id, 16) for facts in found if facts)


def used(folder: Path) -> int:
    """Bytes of the profiles and the index."""
    index_files = list((folder / index.FOLDER).glob("*.jsonl"))
    return sum(path.stat().st_size for path in [*folder.glob("*.prof"), *index_files])


def disk(monkeypatch: pytest.MonkeyPatch, free: Callable[[], float]) -> None:
    """A disk of a thousand blocks."""
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: SimpleNamespace(free=free() * 1000, total=1000)
    )


class TestFiles:
    @pytest.mark.parametrize("most", [1, 2, 3, 10, 19])
    def test_a_small_cap_is_exact_after_every_write(self, tmp_path: Path, most: int) -> None:
        made = Writer(tmp_path, caps(max_files=most))
        gone = 0
        for number in range(25):
            gone += made.write(STATS, request(number), None)
            assert left(tmp_path) == list(range(max(0, number + 1 - most), number + 1))
        assert gone == 25 - most

    def test_a_large_cap_is_never_passed_and_pruning_leaves_a_twentieth_free(
        self, tmp_path: Path
    ) -> None:
        made = Writer(tmp_path, caps(max_files=40))
        counts = []
        for number in range(50):
            made.write(STATS, request(number), None)
            counts.append(len(left(tmp_path)))
        assert counts[:41] == [*range(1, 41), 38]
        assert max(counts) == 40
        assert left(tmp_path) == list(range(50 - counts[-1], 50))

    def test_what_earlier_processes_left_counts_from_the_first_write(self, tmp_path: Path) -> None:
        put(tmp_path, *range(9))
        assert Writer(tmp_path, caps(max_files=5)).write(STATS, request(9), None) == 5
        assert left(tmp_path) == [5, 6, 7, 8, 9]

    def test_the_oldest_is_the_one_written_first_whatever_its_name(self, tmp_path: Path) -> None:
        made = Writer(tmp_path, caps(max_files=2), "{path}")
        for number, path in enumerate(["/z", "/m", "/a"]):
            made.write(STATS, request(number, path=path), None)
            os.utime(find_name(tmp_path, path), (OLD + number, OLD + number))
        assert left(tmp_path) == [1, 2]

    def test_names_decide_between_files_of_one_moment(self, tmp_path: Path) -> None:
        put(tmp_path, 0, 1, 2)
        for path in tmp_path.glob("*.prof"):
            os.utime(path, (OLD, OLD))
        Writer(tmp_path, caps(max_files=2)).write(STATS, request(3), None)
        assert left(tmp_path) == [2, 3]

    def test_without_caps_all_stay(self, tmp_path: Path) -> None:
        made = Writer(tmp_path, caps())
        assert sum(made.write(STATS, request(number), None) for number in range(30)) == 0
        assert len(left(tmp_path)) == 30


def find_name(folder: Path, path: str) -> Path:
    return folder / f"{path[1:]}.prof"


class TestBytes:
    def test_profiles_and_index_together_stay_under_the_cap(self, tmp_path: Path) -> None:
        made = Writer(tmp_path, caps(max_bytes=20_000))
        gone = 0
        for number in range(200):
            gone += made.write(STATS, request(number), None)
            assert used(tmp_path) <= 20_000
        kept = left(tmp_path)
        assert kept == list(range(200 - len(kept), 200))
        assert gone == 200 - len(kept)
        assert used(tmp_path) > 15_000

    def test_the_index_never_crowds_the_profiles_out(self, tmp_path: Path) -> None:
        made = Writer(tmp_path, caps(max_bytes=3_000))
        for number in range(300):
            made.write(STATS, request(number, route="/r" * 20), None)
        assert len(left(tmp_path)) >= 3
        assert len(list((tmp_path / index.FOLDER).iterdir())) <= 8

    def test_what_earlier_processes_left_counts(self, tmp_path: Path) -> None:
        size = put(tmp_path, *range(9), size=50)
        Writer(tmp_path, caps(max_bytes=4 * size)).write(STATS, request(9), None)
        assert used(tmp_path) <= 4 * size
        assert left(tmp_path)[-1] == 9

    def test_a_profile_larger_than_the_cap_does_not_stay(self, tmp_path: Path) -> None:
        made = Writer(tmp_path, caps(max_bytes=10))
        assert [made.write(STATS, request(number), None) for number in range(3)] == [1, 1, 1]
        assert left(tmp_path) == []
        assert used(tmp_path) <= 10

    def test_files_alone_over_their_cap_leave_the_bytes_alone(self, tmp_path: Path) -> None:
        put(tmp_path, 0, 1, 2)
        made = Writer(tmp_path, caps(max_files=3, max_bytes=1 << 30))
        assert made.write(STATS, request(3), None) == 1


class TestAge:
    def test_what_is_too_old_goes_whatever_the_caps_and_whatever_it_is(
        self, tmp_path: Path
    ) -> None:
        put(tmp_path, 0, 1, 2, status=500)
        for number, age in enumerate((7200, 3700, 3500)):
            os.utime(find(tmp_path, number), (time.time() - age,) * 2)
        made = Writer(tmp_path, caps(max_age="1h"))
        assert made.write(STATS, request(3), None) == 2
        assert left(tmp_path) == [2, 3]

    def test_also_where_nothing_is_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(tmp_path, 0, 1)
        now = [time.time()]
        monkeypatch.setattr(time, "time", lambda: now[0])
        for number in (0, 1):
            os.utime(find(tmp_path, number), (now[0] + 1000 * number,) * 2)
        made = Writer(tmp_path, caps(max_age=3600))
        for passed, rest in ((0, [0, 1]), (3500, [0, 1]), (3800, [1]), (4700, [])):
            monkeypatch.setattr(time, "time", lambda passed=passed: now[0] + passed)
            made.tend()
            assert left(tmp_path) == rest

    def test_the_folder_is_not_looked_through_each_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(tmp_path, 0)
        os.utime(find(tmp_path, 0))
        made = Writer(tmp_path, caps(max_age="1d"))
        made.tend()
        monkeypatch.setattr(os, "scandir", lambda path: pytest.fail("looked"))
        made.tend()

    def test_without_it_nothing_is_looked_at(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "scandir", lambda path: pytest.fail("looked"))
        Writer(tmp_path, caps(max_files=1)).tend()

    def test_a_folder_that_is_not_there_yet(self, tmp_path: Path) -> None:
        Writer(tmp_path / "none", caps(max_age=1)).tend()


class TestOrder:
    """Errors and the slowest of each route go last."""

    @pytest.mark.parametrize("facts", [{"status": 500}, {"status": 503}, {"exception": "E"}])
    @pytest.mark.parametrize("template", [None, "{path}-{ts}"])
    def test_what_failed_outlives_what_did_not(
        self, tmp_path: Path, facts: dict[str, Any], template: str | None
    ) -> None:
        put(tmp_path, 0, template=template, **facts)
        put(tmp_path, *range(1, 9), template=template, status=200)
        made = Writer(tmp_path, caps(max_files=4))
        made.write(STATS, request(9), None)
        assert left(tmp_path) == [0, 7, 8, 9]

    def test_the_slowest_of_each_route_outlives_the_others(self, tmp_path: Path) -> None:
        put(tmp_path, 0, route="/a", duration=3.0)
        put(tmp_path, 1, 2, route="/a", duration=1.0)
        put(tmp_path, 3, route="/b", duration=0.2)
        put(tmp_path, 4, 5, route="/b", duration=0.1)
        put(tmp_path, 6, 7, route="/a", duration=2.0)
        Writer(tmp_path, caps(max_files=5)).write(STATS, request(8, route="/a"), None)
        assert left(tmp_path) == [0, 3, 6, 7, 8]

    def test_the_oldest_goes_first_among_those_that_failed(self, tmp_path: Path) -> None:
        put(tmp_path, *range(9), status=500)
        Writer(tmp_path, caps(max_files=4)).write(STATS, request(9, status=500), None)
        assert left(tmp_path) == [6, 7, 8, 9]

    def test_what_failed_leaves_room_for_what_did_not(self, tmp_path: Path) -> None:
        """An app that fails all the time must not hide what else is slow."""
        put(tmp_path, *range(10), status=500)
        made = Writer(tmp_path, caps(max_files=10))
        for number in range(10, 14):
            made.write(STATS, request(number, status=200), None)
        assert set(range(10, 14)) <= set(left(tmp_path))
        assert len(left(tmp_path)) == 10


class TestDisk:
    def test_a_full_disk_takes_nothing_and_gives_nothing_of_others(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "mine.prof").write_bytes(b"mine")
        disk(monkeypatch, lambda: 0.04)
        with pytest.raises(NoRoom, match="less than min_free"):
            Writer(tmp_path, caps(min_free=0.05)).write(STATS, request(1), None)
        assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["mine.prof"]

    def test_as_many_go_as_it_takes_oldest_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(tmp_path, *range(6))
        disk(monkeypatch, lambda: 0.06 - 0.004 * len(list(tmp_path.glob("*.prof"))))
        made = Writer(tmp_path, caps(min_free=0.05))
        assert made.write(STATS, request(6), None) == 4
        assert left(tmp_path) == [4, 5, 6]

    def test_those_that_went_in_vain_are_counted_with_the_next(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(tmp_path, 0, 1)
        free = [0.01]
        disk(monkeypatch, lambda: free[0])
        made = Writer(tmp_path, caps(min_free=0.05))
        with pytest.raises(NoRoom):
            made.write(STATS, request(2), None)
        assert left(tmp_path) == []
        free[0] = 0.5
        assert made.write(STATS, request(3), None) == 2
        assert made.write(STATS, request(4), None) == 0
        assert left(tmp_path) == [3, 4]

    @pytest.mark.parametrize("share", [None, 0, 0.0])
    def test_without_min_free_nobody_asks_the_disk(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float | None
    ) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: pytest.fail("asked"))
        Writer(tmp_path, caps(min_free=share)).write(STATS, request(1), None)

    def test_a_file_system_that_tells_no_size_is_not_full(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0, total=0))
        Writer(tmp_path, caps(min_free=0.5)).write(STATS, request(1), None)
        assert left(tmp_path) == [1]


class TestOthers:
    """Whatever lies in the folder and is not ours."""

    def test_foreign_profiles_folders_and_symlinks_stay_and_do_not_count(
        self, tmp_path: Path
    ) -> None:
        folder, target = tmp_path / "p", tmp_path / "target.prof"
        folder.mkdir()
        put(tmp_path, 99)
        find(tmp_path, 99).rename(target)  # even one of ours, where a link leads to it
        names = {}
        for name in ("foreign.prof", "empty.prof", "notes.txt", ".hidden.prof", "data.jsonl"):
            names[name] = b"" if name == "empty.prof" else b"not ours " * 9
            (folder / name).write_bytes(names[name])
        (folder / "folder.prof").mkdir()
        (folder / "link.prof").symlink_to(target)
        (folder / naming.name(request(98))).symlink_to(target)
        os.mkfifo(folder / "pipe.prof")
        made = Writer(folder, caps(max_files=2))
        for number in range(5):
            made.write(STATS, request(number), None)
        assert {
            path.name: path.read_bytes() for path in folder.iterdir() if path.name in names
        } == names
        assert (folder / "folder.prof").is_dir()
        assert (folder / "link.prof").is_symlink()
        assert (folder / naming.name(request(98))).is_symlink()
        assert (folder / "pipe.prof").exists()
        assert target.exists()
        ours = [
            p for p in folder.glob("*.prof") if naming.is_default(p.name) and not p.is_symlink()
        ]
        assert len(ours) == 2

    @pytest.mark.parametrize("age", [OLD, None])
    def test_a_foreign_file_with_a_name_like_ours(self, tmp_path: Path, age: int | None) -> None:
        foreign = [tmp_path / naming.name(request(number)) for number in (90, 91, 92)]
        for path in foreign:
            path.write_bytes(b"not ours")
            if age is not None:
                os.utime(path, (age, age))
            else:
                os.utime(path, (time.time() + 3600,) * 2)
        made = Writer(tmp_path, caps(max_files=3))
        gone = sum(made.write(STATS, request(number), None) for number in range(6))
        assert all(path.read_bytes() == b"not ours" for path in foreign)
        assert gone == 3
        assert {int(path.stem[-12:], 16) for path in tmp_path.glob("*.prof")} == {
            90,
            91,
            92,
            3,
            4,
            5,
        }

    def test_our_own_under_a_users_name_counts_and_goes(self, tmp_path: Path) -> None:
        made = Writer(tmp_path, caps(max_files=3), "{path}")
        for number in range(6):
            made.write(STATS, request(number, path=f"/{number}"), None)
        assert sorted(path.name for path in tmp_path.glob("*.prof")) == [
            "3.prof",
            "4.prof",
            "5.prof",
        ]

    def test_a_name_that_was_foreign_once_may_be_ours_later(self, tmp_path: Path) -> None:
        foreign = tmp_path / "0.prof"
        foreign.write_bytes(b"not ours")
        made = Writer(tmp_path, caps(max_files=2), "{path}")
        made.write(STATS, request(9, path="/9"), None)
        foreign.unlink()
        for number in range(3):
            made.write(STATS, request(number, path=f"/{number}"), None)
        assert sorted(path.name for path in tmp_path.glob("*.prof")) == ["1.prof", "2.prof"]

    def test_files_that_cannot_be_deleted_do_not_make_newer_ones_go(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(tmp_path, 0, 1, 2)
        theirs = {str(find(tmp_path, number)) for number in (0, 1)}
        unlink = os.unlink

        def refuse(path: Any, **more: Any) -> None:
            if str(path) in theirs:
                raise PermissionError(1, "another user's, in a folder like /tmp")
            unlink(path, **more)

        monkeypatch.setattr(os, "unlink", refuse)
        assert Writer(tmp_path, caps(max_files=3)).write(STATS, request(3), None) == 0
        assert left(tmp_path) == [0, 1, 2, 3]

    def test_only_index_files_of_ours_are_trimmed(self, tmp_path: Path) -> None:
        put(tmp_path, 0)
        theirs = [tmp_path / index.FOLDER / name for name in ("notes.jsonl", "a-1-x.jsonl", "x")]
        for path in theirs:
            path.write_bytes(b"{}\n")
            os.utime(path, (1, 1))
        made = Writer(tmp_path, caps(max_files=1))
        made.write(STATS, request(1), None)
        assert all(path.exists() for path in theirs)

    def test_an_index_folder_that_is_a_symlink_leads_to_nothing_of_ours(
        self, tmp_path: Path
    ) -> None:
        folder, elsewhere = tmp_path / "p", tmp_path / "elsewhere"
        size = put(folder, 0, 1)
        (folder / index.FOLDER).rename(elsewhere)
        (folder / index.FOLDER).symlink_to(elsewhere)
        before = sorted(elsewhere.iterdir())
        for path in before:
            os.utime(path, (1, 1))
        found = Retention(folder, caps(max_files=1))
        assert found.wrote(size) == 1
        assert sorted(elsewhere.iterdir()) == before


class TestIndex:
    def test_it_is_trimmed_with_the_profiles(self, tmp_path: Path) -> None:
        made = Writer(tmp_path, caps(max_files=3))
        for number in range(30):
            made.write(STATS, request(number), None)
            time.sleep(0.005)  # longer than a tick of the file system's clock
        found = [
            json.loads(line)["id"]
            for path in (tmp_path / index.FOLDER).iterdir()
            for line in path.read_text().splitlines()
        ]
        assert {f"{number:012x}" for number in left(tmp_path)} <= set(found)
        assert len(found) <= 6

    def test_a_file_with_a_line_of_a_profile_that_stays_stays(self, tmp_path: Path) -> None:
        put(tmp_path, 0, 1, 2)
        (lines,) = (tmp_path / index.FOLDER).iterdir()
        os.utime(lines, (OLD + 2, OLD + 2))
        made = Writer(tmp_path, caps(max_files=2))
        made.write(STATS, request(3), None)
        assert left(tmp_path) == [2, 3]
        assert lines.exists()
        made.write(STATS, request(4), None)
        assert not lines.exists()

    def test_its_bytes_count(self, tmp_path: Path) -> None:
        size = put(tmp_path, 0, 1, 2)
        (lines,) = (tmp_path / index.FOLDER).iterdir()
        most = 3 * size + lines.stat().st_size
        assert Retention(tmp_path, caps(max_bytes=most)).wrote(0) == 0
        assert Retention(tmp_path, caps(max_bytes=most - 1)).wrote(0) == 1


class TestTallies:
    def put(self, folder: Path, name: str, size: int, age: float) -> Path:
        path = folder / index.FOLDER / f"web-1-42-{name * 8}.times"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * size)
        os.utime(path, (time.time() - age,) * 2)
        return path

    def test_the_oldest_go_beyond_a_tenth_of_the_cap_without_any_profile(
        self, tmp_path: Path
    ) -> None:
        files = [
            self.put(tmp_path, name, 400, age) for name, age in zip("abc", (9, 1, 5), strict=True)
        ]
        Retention(tmp_path, caps(max_bytes=10_000)).grew(400)
        assert [path.exists() for path in files] == [False, True, True]

    def test_their_bytes_count_with_the_profiles(self, tmp_path: Path) -> None:
        size = put(tmp_path, 0, 1, 2)
        (lines,) = (tmp_path / index.FOLDER).iterdir()
        most = 3 * size + lines.stat().st_size
        self.put(tmp_path, "a", 1, -60)
        assert Retention(tmp_path, caps(max_bytes=most)).wrote(0) == 1

    def test_what_only_ends_like_them_stays(self, tmp_path: Path) -> None:
        path = self.put(tmp_path, "a", 4000, 5)
        theirs = path.rename(path.with_name("new.times"))
        Retention(tmp_path, caps(max_bytes=100)).grew(1)
        assert theirs.exists()


class TestStaleTemporaries:
    def put(self, folder: Path, name: str, age: float) -> Path:
        path = folder / name
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
        return path

    def test_what_a_killed_process_left_goes_after_an_hour(self, tmp_path: Path) -> None:
        name = f"{census.TEMPORARY}{7:012x}-{os.getpid()}-{threading.get_ident()}"
        old = self.put(tmp_path, name, 4000)
        young = self.put(tmp_path, name + "1", 60)
        foreign = [
            self.put(tmp_path, name, 10**6)
            for name in (".reqprof-notes", ".reqprof-", ".other", f".reqprof-{1:012x}-1")
        ]
        folder = tmp_path / f"{census.TEMPORARY}{2:012x}-1-1"
        folder.mkdir()
        os.utime(folder, (1, 1))
        assert Writer(tmp_path, caps()).write(STATS, request(1), None) == 0
        assert not old.exists()
        assert young.exists()
        assert folder.exists()
        assert all(path.exists() for path in foreign)

    def test_the_writers_own_have_such_names(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise OSError("stopped")

        monkeypatch.setattr(os, "replace", fail)
        monkeypatch.setattr(os, "unlink", fail)
        with pytest.raises(OSError, match="stopped"):
            Writer(tmp_path, caps()).write(STATS, request(1), None)
        monkeypatch.undo()
        (half,) = (path for path in tmp_path.iterdir() if path.is_file())
        os.utime(half, (1, 1))
        Writer(tmp_path, caps()).write(STATS, request(2), None)
        assert not half.exists()


def write_many(folder: Path, offset: int, most: int, count: int) -> None:
    made = Writer(folder, caps(max_files=most))
    for number in range(count):
        made.write(STATS, request(offset + number), None)


class TestTwoWriters:
    def test_one_counts_what_the_other_wrote(self, tmp_path: Path) -> None:
        one, other = (Writer(tmp_path, caps(max_files=5)) for _ in range(2))
        for number in range(20):
            (one if number % 3 else other).write(STATS, request(number), None)
            assert len(left(tmp_path)) <= 5
        assert left(tmp_path) == [15, 16, 17, 18, 19]

    def test_one_counts_the_bytes_that_the_other_wrote(self, tmp_path: Path) -> None:
        one, other = (Writer(tmp_path, caps(max_bytes=20_000)) for _ in range(2))
        for number in range(100):
            (one if number % 2 else other).write(STATS, request(number), None)
            assert used(tmp_path) <= 21_000

    def test_a_busy_one_stays_silent_about_what_the_other_deleted(self, tmp_path: Path) -> None:
        made = Writer(tmp_path, caps(max_files=3))
        for number in range(3):
            made.write(STATS, request(number), None)
        for path in tmp_path.glob("*.prof"):
            path.unlink()
        assert [made.write(STATS, request(number), None) for number in range(3, 7)] == [0, 0, 0, 1]
        assert left(tmp_path) == [4, 5, 6]

    def test_two_processes_at_once_keep_the_cap_and_fail_nowhere(self, tmp_path: Path) -> None:
        fresh = multiprocessing.get_context("spawn")
        both = [fresh.Process(target=write_many, args=(tmp_path, n * 1000, 5, 150)) for n in (0, 1)]
        for process in both:
            process.start()
        for process in both:
            process.join(60)
        assert [process.exitcode for process in both] == [0, 0]
        assert len(left(tmp_path)) <= 5
        Writer(tmp_path, caps(max_files=5)).write(STATS, request(9999), None)
        assert left(tmp_path)[-1] == 9999
        assert len(left(tmp_path)) == 5
        assert not list(tmp_path.glob(f"{census.TEMPORARY}*"))

    def test_eight_processes_exceed_no_cap_by_a_tenth(self, tmp_path: Path) -> None:
        most = 400
        fresh = multiprocessing.get_context("spawn")
        every = [
            fresh.Process(target=write_many, args=(tmp_path, n * 10_000, most, 300))
            for n in range(8)
        ]
        for process in every:
            process.start()
        seen = 0
        while any(process.is_alive() for process in every):
            with contextlib.suppress(OSError):
                seen = max(seen, len(list(tmp_path.glob("*.prof"))))
            time.sleep(0.005)
        for process in every:
            process.join(60)
        assert [process.exitcode for process in every] == [0] * 8
        assert most * 0.9 < seen <= most * 1.1

    def test_one_of_them_prunes_at_a_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "_PATIENCE", 0.05)
        put(tmp_path, *range(5))
        made = Writer(tmp_path, caps(max_files=3))
        with Turn(tmp_path).taken() as mine:
            assert mine
            assert made.write(STATS, request(5), None) == 0
        assert made.write(STATS, request(6), None) == 4
        assert left(tmp_path) == [4, 5, 6]

    def test_one_that_was_killed_keeps_nobody_waiting(self, tmp_path: Path) -> None:
        put(tmp_path, *range(5))
        fresh = multiprocessing.get_context("spawn")
        held = fresh.Event()
        process = fresh.Process(target=hold, args=(tmp_path, held))
        process.start()
        assert held.wait(30)
        with Turn(tmp_path).taken() as mine:
            assert not mine
        process.kill()
        process.join(30)
        with Turn(tmp_path).taken() as mine:
            assert mine


def hold(folder: Path, held: Any) -> None:
    with Turn(folder).taken():
        held.set()
        time.sleep(60)


class TestCaps:
    @pytest.mark.parametrize(
        "bad",
        [
            {name: value}
            for name in ("max_files", "max_bytes")
            for value in (0, -1, 1.5, 10.0, "10", True, math.inf)
        ]
        + [{"min_free": value} for value in (-0.1, 1, 1.5, 5, "0.1", math.nan, True)],
    )
    def test_one_that_is_none_is_refused_by_name(self, bad: dict[str, Any]) -> None:
        (name,) = bad
        with pytest.raises(ValueError, match=name) as caught:
            Caps(**bad)
        assert repr(bad[name]) in str(caught.value)

    @pytest.mark.parametrize("good", [None, 0, 0.0, 0.999])
    def test_shares_of_the_disk(self, good: float | None) -> None:
        assert Caps(min_free=good).min_free == good
