"""The writer: a file is there whole, private and indexed, or not at all."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.model import Job, Request, Timeline, Wait
from reqprof.store import index, reader, writer
from reqprof.store.caps import Caps
from reqprof.store.private import open_private
from reqprof.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqprof.model import Stats

pytestmark = pytest.mark.recording

NO_CAPS = Caps(max_files=None, max_bytes=None, min_free=None)
STATS: Stats = {
    ("app.py", 1, "view"): (1, 1, 0.5, 0.75, {}),
    ("app.py", 9, "leaf"): (3, 3, 0.25, 0.25, {("app.py", 1, "view"): (3, 3, 0.25, 0.25)}),
}


def request(number: int = 0, **facts: Any) -> Request:
    given: dict[str, Any] = {"id": f"{number:012x}", "method": "GET", "path": "/", "start": 1e9}
    return Request(**{**given, **facts})


def everything(folder: Path) -> list[str]:
    """All that is in ``folder``, hidden or not."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.prof"))


def lines(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted((folder / index.FOLDER).iterdir())
        for line in path.read_text().splitlines()
    ]


def test_what_it_has_written_it_can_delete_and_nothing_else(tmp_path: Path) -> None:
    made = Writer(tmp_path, NO_CAPS, "{method}")
    made.write(STATS, request(1), None)
    first = made.last_name
    assert not made.remove(first, request(2).id)  # the name has another request's profile by now
    assert not made.remove("nothing.prof", request(1).id)
    (tmp_path / "other.prof").write_bytes(b"of another tool")
    assert not made.remove("other.prof", request(1).id)
    assert made.remove(first, request(1).id)
    assert not made.remove(first, request(1).id)
    assert [path.name for path in files(tmp_path)] == ["other.prof"]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing can be written below ``folder``; for root, to whom modes mean nothing, neither."""
    root = os.geteuid() == 0
    folder.chmod(0o500)
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    made = request(7, status=200, duration=0.25, path="/a\N{SNOWMAN}\udcff", exception="KeyError")
    assert Writer(tmp_path / "p", NO_CAPS).write(STATS, made, None) == 0
    (path,) = files(tmp_path / "p")
    profile = reader.read(path)
    assert profile.stats == STATS
    assert profile.request == made


class TestTimelines:
    TIMELINE = Timeline(
        waits=(Wait((("app.py", 1, "view", 5),), 2, 0.25, 0.2),),
        jobs=(Job(("app.py", 9, "leaf"), "pool_0", 1, 0.2, 0.1),),
        held_by={"0123456789ab": 0.5},
        stopped_at=(("app.py", 1, "view", 6),),
    )

    def test_a_timeline_is_written_beside_the_table(self, tmp_path: Path) -> None:
        Writer(tmp_path, NO_CAPS).write(STATS, request(), None, self.TIMELINE)
        (path,) = files(tmp_path)
        assert reader.timeline(reader.read(path)) == self.TIMELINE
        assert reader.read(path).stats == STATS
        assert "sections" not in lines(tmp_path)[0]

    @pytest.mark.parametrize("timeline", [None, Timeline()])
    def test_an_empty_one_takes_no_room(self, tmp_path: Path, timeline: Timeline | None) -> None:
        Writer(tmp_path, NO_CAPS).write(STATS, request(), None, timeline)
        (path,) = files(tmp_path)
        assert reader.timeline(reader.read(path)) == Timeline()
        assert b"sections" not in path.read_bytes()

    @pytest.mark.parametrize(
        "wrong",
        [
            {"waits": (Wait((("app.py", 1, "view", 5),), 2, -1.0, 0.2),)},
            {"waits": (Wait((("app.py", 1, "view", None),), 2, 1.0, 0.2),)},  # type: ignore[arg-type]
            {"waits": (None,)},
            {"waits": TIMELINE.waits * 200_000},
            {"stopped_at": (("app.py", 1, "view", 5),) * 1001},
            {"held_by": {"0123456789ab": float("nan")}},
        ],
    )
    def test_one_that_cannot_be_stored_costs_no_profile_and_is_told_once(
        self, tmp_path: Path, wrong: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        made = Writer(tmp_path, NO_CAPS)
        for number in range(3):
            made.write(STATS, request(number), None, Timeline(**wrong))
        assert [reader.read(path).stats for path in files(tmp_path)] == [STATS] * 3
        assert [reader.timeline(reader.read(path)) for path in files(tmp_path)] == [Timeline()] * 3
        (record,) = caplog.records
        assert record.name == "reqprof"
        assert record.getMessage().startswith("profiles are stored without their waits: ")


def test_the_index_tells_the_same_facts_with_name_and_size(tmp_path: Path) -> None:
    made = Writer(tmp_path, NO_CAPS)
    for number in range(3):
        made.write(STATS, request(number, route="/u/{id}"), None)
    paths = {path.name: path for path in files(tmp_path)}
    found = lines(tmp_path)
    assert {line["file"] for line in found} == set(paths)
    for line in found:
        assert line["size"] == paths[line["file"]].stat().st_size
        facts = reader.facts(paths[line["file"]])
        assert facts is not None
        assert (line["id"], line["route"]) == (facts.id, "/u/{id}")
    assert len(list((tmp_path / index.FOLDER).iterdir())) == 1
    assert [stored.request for stored in index.find(tmp_path).stored] == [
        reader.facts(path) for path in files(tmp_path)
    ]


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o177, 0o777])
def test_only_the_owner_can_read_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    folder = tmp_path / "p"
    with umask(mask):
        Writer(folder, NO_CAPS).write(STATS, request(), None)
    (line,) = (folder / index.FOLDER).iterdir()
    assert [mode(path) for path in (folder, folder / index.FOLDER)] == [0o700, 0o700]
    assert [mode(path) for path in (*files(folder), line)] == [0o600, 0o600]


def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    folder.chmod(0o750)
    Writer(folder, NO_CAPS).write(STATS, request(), None)
    assert mode(folder) == 0o750
    assert mode(files(folder)[0]) == 0o600


@pytest.mark.parametrize("wide", [0o755, 0o750, 0o777, 0o701])
def test_a_folder_that_is_open_to_others_is_warned_about_once(
    tmp_path: Path, wide: int, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(wide)
    made = Writer(tmp_path, NO_CAPS)
    for number in range(3):
        made.write(STATS, request(id=f"{number:012x}"), None)
    (record,) = caplog.records
    assert (record.levelname, record.name) == ("WARNING", "reqprof")
    assert record.getMessage().startswith(f"{tmp_path} was there before and is open to other users")
    assert record.getMessage().endswith(f"chmod 700 {tmp_path}")


def test_nothing_is_said_of_a_private_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(0o700)
    Writer(tmp_path, NO_CAPS).write(STATS, request(), None)
    Writer(tmp_path / "made" / "here", NO_CAPS).write(STATS, request(), None)
    assert not caplog.records


def test_folders_above_are_made_too(tmp_path: Path) -> None:
    Writer(tmp_path / "a" / "b" / "c", NO_CAPS).write(STATS, request(), None)
    assert len(files(tmp_path / "a" / "b" / "c")) == 1


def test_a_file_has_its_name_only_when_it_is_whole_and_its_line_only_after_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, list[str]]] = []
    replace_, open_ = os.replace, os.open

    def rename(source: Any, target: Any, **more: Any) -> None:
        assert reader.read(tmp_path / Path(source).name).stats == STATS
        seen.append(("rename", [path.name for path in files(tmp_path)]))
        replace_(source, target, **more)

    def opened(path: Any, *more: Any, **named: Any) -> int:
        if os.fsencode(path).endswith(b".jsonl"):
            seen.append(("line", [path.name for path in files(tmp_path)]))
        return open_(path, *more, **named)

    monkeypatch.setattr(os, "replace", rename)
    monkeypatch.setattr(os, "open", opened)
    Writer(tmp_path, NO_CAPS).write(STATS, request(), None)
    (path,) = files(tmp_path)
    assert seen == [("rename", []), ("line", [path.name])]


class TestNames:
    def test_a_taken_name_is_left_alone_and_gets_the_id(self, tmp_path: Path) -> None:
        foreign = tmp_path / "GET.prof"
        foreign.write_bytes(b"mine")
        made = Writer(tmp_path, NO_CAPS, "{method}")
        for number in range(3):
            made.write(STATS, request(number), None)
        assert foreign.read_bytes() == b"mine"
        assert [path.name for path in files(tmp_path)] == sorted(
            ["GET.prof", *(f"GET.{number:012x}.prof" for number in range(3))]
        )
        assert {line["file"] for line in lines(tmp_path)} == {
            f"GET.{number:012x}.prof" for number in range(3)
        }

    @pytest.mark.parametrize("kind", ["folder", "dangling", "link"])
    def test_whatever_has_the_name_is_not_followed_nor_replaced(
        self, tmp_path: Path, kind: str
    ) -> None:
        folder, target = tmp_path / "p", tmp_path / "target"
        folder.mkdir()
        if kind == "folder":
            (folder / "GET.prof").mkdir()
        else:
            (folder / "GET.prof").symlink_to(target)
            if kind == "link":
                target.write_bytes(b"mine")
        Writer(folder, NO_CAPS, "{method}").write(STATS, request(), None)
        assert (folder / "GET.000000000000.prof").is_file()
        assert target.exists() == (kind == "link")
        assert kind != "link" or target.read_bytes() == b"mine"

    def test_where_files_cannot_be_linked_every_name_gets_the_id(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_links(*_: Any, **__: Any) -> None:
            raise PermissionError(errno.EPERM, "not on this file system")

        monkeypatch.setattr(os, "link", no_links)
        Writer(tmp_path, NO_CAPS, "{method}").write(STATS, request(), None)
        assert [path.name for path in files(tmp_path)] == ["GET.000000000000.prof"]
        assert everything(tmp_path)[0] == ".reqprof"  # and no temporary file

    def test_a_callable_that_raises_leaves_nothing(self, tmp_path: Path) -> None:
        made = Writer(tmp_path, NO_CAPS, lambda environ: environ["nothing"])
        with pytest.raises(KeyError):
            made.write(STATS, request(), {})
        assert everything(tmp_path) == [".reqprof"]

    def test_a_callable_cannot_leave_the_folder_nor_change_the_environment(
        self, tmp_path: Path
    ) -> None:
        def name(environ: Any) -> str:
            environ["changed"] = True
            return "../../x"

        environ = {"PATH_INFO": "/"}
        Writer(tmp_path / "p", NO_CAPS, name).write(STATS, request(), environ)
        assert [path.name for path in files(tmp_path / "p")] == ["x.prof"]
        assert environ == {"PATH_INFO": "/"}


class TestSymlinks:
    def test_the_folder_of_the_index_is_not_one(self, tmp_path: Path) -> None:
        folder, elsewhere = tmp_path / "p", tmp_path / "elsewhere"
        folder.mkdir()
        elsewhere.mkdir()
        (folder / index.FOLDER).symlink_to(elsewhere)
        with pytest.raises(OSError, match="symbolic link"):
            Writer(folder, NO_CAPS).write(STATS, request(), None)
        assert everything(elsewhere) == []
        assert files(folder) == []

    def test_the_folder_itself_may_be_one(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "p").symlink_to(tmp_path / "real")
        Writer(tmp_path / "p", NO_CAPS).write(STATS, request(), None)
        assert len(files(tmp_path / "real")) == 1

    def test_neither_a_temporary_file_nor_an_index_file_goes_through_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder, target = tmp_path / "p", tmp_path / "target"
        target.write_bytes(b"mine")
        made = Writer(folder, NO_CAPS)
        made.write(STATS, request(1), None)
        (line,) = (folder / index.FOLDER).iterdir()
        line.unlink()
        line.symlink_to(target)
        made.write(STATS, request(2), None)
        assert target.read_bytes() == b"mine"
        assert len(files(folder)) == 2

        monkeypatch.setattr(writer, "TEMPORARY", "t")
        trap = folder / f"t{3:012x}-{os.getpid()}-{threading.get_ident()}"
        trap.symlink_to(target)
        with pytest.raises(FileExistsError):
            made.write(STATS, request(3), None)
        assert target.read_bytes() == b"mine"


class TestBadEnvironment:
    """OSError while it lasts, nothing left behind, and as before when it has gone."""

    def test_the_folder_is_deleted(self, tmp_path: Path) -> None:
        folder = tmp_path / "p"
        made = Writer(folder, NO_CAPS)
        for number in range(2):
            made.write(STATS, request(number), None)
            for path in sorted(folder.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            folder.rmdir()
        made.write(STATS, request(2), None)
        assert len(files(folder)) == len(lines(folder)) == 1

    def test_only_the_folder_of_the_index_is_deleted(self, tmp_path: Path) -> None:
        made = Writer(tmp_path, NO_CAPS)
        made.write(STATS, request(1), None)
        for path in (tmp_path / index.FOLDER).iterdir():
            path.unlink()
        (tmp_path / index.FOLDER).rmdir()
        made.write(STATS, request(2), None)
        assert [line["id"] for line in lines(tmp_path)] == [f"{2:012x}"]

    @pytest.mark.parametrize("where", [".", ".reqprof"])
    def test_a_file_stands_in_its_place(self, tmp_path: Path, where: str) -> None:
        folder = tmp_path / "p"
        made = Writer(folder, NO_CAPS)
        place = folder / where
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"mine")
        with pytest.raises(OSError, match="p"):
            made.write(STATS, request(1), None)
        assert place.read_bytes() == b"mine"
        place.unlink()
        made.write(STATS, request(2), None)
        assert len(files(folder)) == 1

    def test_it_is_made_read_only(self, tmp_path: Path) -> None:
        folder = tmp_path / "p"
        made = Writer(folder, NO_CAPS)
        made.write(STATS, request(1), None)
        before = everything(folder)
        with read_only(folder), pytest.raises(PermissionError):
            made.write(STATS, request(2), None)
        assert everything(folder) == before
        made.write(STATS, request(3), None)
        assert len(files(folder)) == len(lines(folder)) == 2

    def test_the_disk_fills_in_the_middle_of_a_file(self, tmp_path: Path) -> None:
        code = f"""
import resource, sys
from tests.store.test_writer import *
folder = Path({str(tmp_path)!r})
many = {{("app.py", n, "f"): (1, 1, 0.0, 0.0, {{}}) for n in range(10_000)}}
made = Writer(folder, NO_CAPS)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
try:
    made.write(many, request(1), None)
except OSError as error:
    assert error.errno == errno.EFBIG, error
else:
    raise AssertionError("it was written")
assert everything(folder) == [".reqprof"], everything(folder)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
made.write(many, request(2), None)
assert len(files(folder)) == len(lines(folder)) == 1
"""
        subprocess.run([sys.executable, "-c", code], check=True, env=environ(), timeout=60)

    def test_a_line_that_finds_no_room_costs_the_profile_nothing_and_no_other_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Full(FileIO):
            def write(self, data: Any) -> int:
                return super().write(bytes(data)[:10])

        def opened(path: Any, flags: int, real: Any = open_private) -> Any:
            if not flags & os.O_APPEND:
                return real(path, flags)
            with real(path, flags) as file:
                return Full(os.dup(file.fileno()), "ab")

        made = Writer(tmp_path, NO_CAPS)
        made.write(STATS, request(1), None)
        with monkeypatch.context() as patched:
            patched.setattr(writer, "open_private", opened)
            assert made.write(STATS, request(2), None) == 0
        made.write(STATS, request(3), None)
        ids = [f"{number:012x}" for number in (1, 2, 3)]
        found = index.find(tmp_path).stored
        assert sorted(stored.request.id for stored in found if stored.request) == ids
        told = [
            json.loads(line)["id"]
            for path in (tmp_path / index.FOLDER).iterdir()
            for line in path.read_text().splitlines()
            if line.endswith("}")
        ]
        assert sorted(told) == [ids[0], ids[2]]

    def test_a_profile_without_its_line_counts_against_the_caps(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_index(path: Any, flags: int, real: Any = open_private) -> Any:
            if flags & os.O_APPEND:
                raise OSError(errno.ENOSPC, "no room")
            return real(path, flags)

        monkeypatch.setattr(writer, "open_private", no_index)
        made = Writer(tmp_path, Caps(max_files=2, max_bytes=None, min_free=None))
        assert sum(made.write(STATS, request(number), None) for number in range(5)) == 3
        assert len(files(tmp_path)) == 2

    def test_facts_that_no_reader_would_take_are_not_written(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="JSON compliant"):
            Writer(tmp_path, NO_CAPS).write(STATS, request(duration=1.0, weight=float("nan")), None)
        assert everything(tmp_path) == [".reqprof"]


def test_an_index_file_is_left_for_a_new_one_after_a_thousand_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_INDEX_LINES", 3)
    made = Writer(tmp_path, NO_CAPS)
    for number in range(7):
        made.write(STATS, request(number), None)
    sizes = [len(path.read_text().splitlines()) for path in (tmp_path / index.FOLDER).iterdir()]
    assert sorted(sizes) == [1, 3, 3]


def test_a_forked_child_writes_an_index_file_of_its_own(tmp_path: Path) -> None:
    code = f"""
import os
from tests.store.test_writer import *
folder = Path({str(tmp_path)!r})
made = Writer(folder, NO_CAPS)
made.write(STATS, request(1), None)
child = os.fork()
made.write(STATS, request(2 if child else 3), None)
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(os.getpid(), child)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, env=environ(), timeout=60, stdout=subprocess.PIPE
    )
    found = {
        path.name: [json.loads(line)["id"] for line in path.read_text().splitlines()]
        for path in (tmp_path / index.FOLDER).iterdir()
    }
    parent, child = done.stdout.decode().split()
    assert {name.split("-")[-2]: ids for name, ids in found.items()} == {
        parent: [f"{1:012x}", f"{2:012x}"],
        child: [f"{3:012x}"],
    }


def write_many(folder: Path, writer_number: int, count: int) -> None:
    made = Writer(folder, NO_CAPS)
    for number in range(count):
        made.write(STATS, request(writer_number * 1000 + number), None)


def test_processes_that_write_into_one_folder_do_not_disturb_each_other(tmp_path: Path) -> None:
    fresh = multiprocessing.get_context("spawn")
    writers = [fresh.Process(target=write_many, args=(tmp_path, n, 50)) for n in range(3)]
    for process in writers:
        process.start()
    for process in writers:
        process.join(60)
    assert [process.exitcode for process in writers] == [0, 0, 0]
    assert len(files(tmp_path)) == len(lines(tmp_path)) == 150
    assert len(list((tmp_path / index.FOLDER).iterdir())) == 3


@pytest.mark.parametrize("host", ["web-1", "web.1", "../x", "\N{SNOWMAN}" * 99, "", "a" * 300])
def test_a_hosts_name_makes_a_plain_file_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr(index, "HOST", host)
    Writer(tmp_path, NO_CAPS).write(STATS, request(), None)
    (line,) = (tmp_path / index.FOLDER).iterdir()
    assert len(line.name) < 80
    assert line.name.isascii()


def environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
