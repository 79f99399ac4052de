"""Profiles behind URLs: found and read as in a folder, and no more fetched than is wanted."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from reqprof.errors import BadProfile, NotFound, UsageError
from reqprof.model import RemoteFile
from reqprof.store import anywhere, index, reader, traffic_files
from reqprof.store.anywhere import Reader
from reqprof.store.remote import objects
from reqprof.store.remote.folder import Folder
from reqprof.store.stats import merge
from tests.cli.making import (
    NOON,
    put,
    put_damaged,
    put_foreign,
    put_rubbish,
    put_waiting,
    tally,
)

from .shipping import contents, replace, ship
from .shipping import objects as there

if TYPE_CHECKING:
    from pathlib import Path

    from reqprof.model import Profile

DAY = 86400.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Requests of three days."""
    for number in range(12):
        put(tmp_path / "near", size=3 + number, start=NOON + number * DAY / 4, route=f"/{number}")
    return tmp_path / "near"


def copy(folder: Path, url: str) -> None:
    """Each file an object of its own, as other tools would."""
    for path in folder.rglob("*"):
        if path.is_file():
            with objects.reached(url) as (_, root):
                replace(url, f"{root}/{path.relative_to(folder)}", path.read_bytes())


def same(one: Profile, other: Profile) -> bool:
    return (one.stats, one.request, one.tree, one.timeline) == (
        *(other.stats, other.request, other.tree, other.timeline),
    )


def check(folder: Path, url: str) -> None:
    """What is there is what is here."""
    near, far = index.find(folder), Folder(url).found()
    assert {one.name: one.request for one in far.stored} == {
        one.name: one.request for one in near.stored
    }
    read = Reader()
    read.expect([one.path for one in far.stored])
    for one in far.stored:
        assert same(read(one.path), reader.read(folder / one.name))
    assert len(far.stored) == len(near.stored) > 0


def test_bundles_are_read_as_the_folder(folder: Path, url: str) -> None:
    ship(folder, url)
    check(folder, url)


def test_single_profiles_are_read_as_the_folder(folder: Path, url: str) -> None:
    put_foreign(folder)
    put_waiting(folder, None, start=NOON)
    copy(folder, url)
    check(folder, url)


def test_single_profiles_with_the_index_that_was_beside_them(folder: Path, url: str) -> None:
    for one in index.find(folder).stored:
        lines = folder / ".reqprof" / "web-1-42-00000000.jsonl"
        lines.parent.mkdir(exist_ok=True)
        assert one.request is not None
        with lines.open("ab") as file:
            file.write(index.line(one.name, 1, one.request))
    copy(folder, url)
    copy(folder, f"{url}/again")
    found = Folder(url).found()
    assert len(found.stored) == 24
    assert all(one.lines is not None for one in found.stored)  # no trailer was asked for
    check(folder, f"{url}/again")


def test_tallies_are_read_as_in_the_folder(folder: Path, url: str) -> None:
    tally(folder, [1, 2, 3])
    tally(folder, [4, 5], host="web-2")
    ship(folder, f"{url}/packed")
    copy(folder, f"{url}/single")
    near = traffic_files.read(folder)
    for kind in ("packed", "single"):
        far = Folder(f"{url}/{kind}").windows()
        assert sorted(far, key=lambda one: one.process) == near


def test_the_bad_are_named(folder: Path, url: str) -> None:
    ship(folder, url)
    (bundle, other, *_) = there(url)
    replace(url, bundle, contents(url, bundle)[:-9])
    put_rubbish(folder)
    put_damaged(folder)
    (folder / "empty.prof").touch()
    for name in ("rubbish", "damaged", "empty"):
        replace(url, f"{other}-{name}.prof", (folder / f"{name}.prof").read_bytes())
    bad = {str(error.path).rpartition("/")[2]: error.reason for error in Folder(url).found().bad}
    assert [reason for _, reason in sorted(bad.items())] == [
        "no bundle of profiles, or one that was cut short",
        "written in format 254, this reqprof reads format 1",
        "empty file",
        "not a profile: it does not begin with a table",
    ]


def test_one_that_is_damaged_inside_is_refused(folder: Path, url: str) -> None:
    ship(folder, url)
    (bundle, *_) = there(url)
    data = bytearray(contents(url, bundle))
    (one, *others) = [one for one in Folder(url).found().stored if bundle in str(one.path)]
    file = one.path
    assert isinstance(file, RemoteFile)
    data[(file.start or 0) + file.size // 2] ^= 0xFF
    replace(url, bundle, bytes(data))
    with pytest.raises(BadProfile, match=r"damaged"):
        Reader()(file)
    assert all(Reader()(other.path).stats for other in others)


def test_what_was_deleted_since_is_not_found(folder: Path, url: str) -> None:
    copy(folder, url)
    found = Folder(url).found().stored
    with objects.reached(url) as (files, root):
        files.rm(root, recursive=True)
    with pytest.raises(NotFound, match=r"no such object"):
        Reader()(found[0].path)
    with pytest.raises(NotFound, match=f"nothing there: {url}"):
        Folder(url).found()


def test_a_file_that_is_too_large(memory: str) -> None:
    huge = RemoteFile(f"{memory}/a.prof", "a.prof", 300 << 20)
    with pytest.raises(BadProfile, match="too large: 300 MiB, at most 256 are read"):
        Reader()(huge)


class TestOne:
    """A profile by its own URL."""

    def test_single(self, folder: Path, url: str) -> None:
        copy(folder, url)
        path = min(folder.glob("*.prof"))
        found = anywhere.file(f"{url}/{path.name}")
        assert same(Reader()(found), reader.read(path))
        assert merge([f"{url}/{path.name}"]) == reader.read(path).stats

    def test_in_a_bundle(self, folder: Path, url: str) -> None:
        ship(folder, url)
        one = Folder(url).found().stored[3]
        assert anywhere.file(str(one.path)) == one.path
        with pytest.raises(NotFound, match="no profile there"):
            anywhere.file(f"{one.folder.url}/none.prof")

    def test_of_many(self, folder: Path, url: str) -> None:
        ship(folder, url)
        with pytest.raises(UsageError, match="has 12 profiles; name one of them"):
            anywhere.file(url)
        with pytest.raises(NotFound, match="nothing there"):
            anywhere.file(f"{url}/none.prof")


def test_a_glob_of_bundles(folder: Path, url: str) -> None:
    ship(folder, url)
    for end in ("2026-07-02/*", "2026-07-02", "2026-07-02/", "2026-07-02/*.zip"):
        assert len(Folder(f"{url}/*/{end}").found().stored) == 4


class Asked:
    """What is asked of the store."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ranges: list[tuple[str, objects.Span]] = []
        asked = objects.ranges

        def ranges(files: object, wanted: object) -> object:
            some = list(wanted)  # type: ignore[call-overload]
            self.ranges += some
            return asked(files, some)

        for module in ("opened", "folder", "fetch"):
            monkeypatch.setattr(f"reqprof.store.remote.{module}.ranges", ranges)

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(span.size for _, span in self.ranges)


class TestNoMoreThanIsWanted:
    """Of what is there, that is fetched which a filter leaves."""

    @pytest.fixture
    def far(self, tmp_path: Path, memory: str) -> str:
        """Two days of profiles, larger than the end of a bundle that is looked at."""
        for number in range(60):
            path = put(tmp_path / "many", start=NOON + number // 30 * DAY, route=f"/{number % 30}")
            noise = put_waiting(tmp_path / "noise", None, _noise(20_000), start=NOON)
            assert path.exists()
            assert noise.exists()
        for number, path in enumerate(sorted((tmp_path / "noise").glob("*.prof"))):
            path.rename(tmp_path / "many" / f"{number}.prof")
        ship(tmp_path / "many", memory)
        return memory

    def test_a_listing_takes_the_ends_of_bundles(
        self, far: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = Asked(monkeypatch)
        assert len(Folder(far).found().stored) == 120
        assert [path for path, _ in asked.ranges] == list(there(far))
        assert asked.size <= 2 << 17
        assert sum(there(far).values()) > 4 * asked.size

    def test_once(self, far: str, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = Asked(monkeypatch)
        folder = Folder(far)
        folder.found()
        folder.windows()
        assert len(asked.ranges) == 2

    def test_profiles_one_by_one(self, far: str, monkeypatch: pytest.MonkeyPatch) -> None:
        found = Folder(far).found().stored
        asked = Asked(monkeypatch)
        (one, *_) = [one for one in found if one.request and one.request.route == "/7"]
        file = one.path
        assert isinstance(file, RemoteFile)
        Reader()(file)
        assert asked.size == file.size

    def test_neighbours_together(self, far: str, monkeypatch: pytest.MonkeyPatch) -> None:
        found = [one.path for one in Folder(far).found().stored]
        asked = Asked(monkeypatch)
        read = Reader()
        read.expect(found)
        assert len([read(file) for file in found]) == 120
        assert len(asked.ranges) <= 4
        assert asked.size <= sum(there(far).values())

    def test_out_of_order_too(self, far: str) -> None:
        found = [one.path for one in Folder(far).found().stored]
        read = Reader()
        read.expect(found[::2])
        assert all(read(file).stats is not None for file in reversed(found))

    def test_no_bundle_of_another_time(self, far: str, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = Asked(monkeypatch)
        assert len(Folder(far).found(since=NOON + DAY / 2).stored) == 30
        assert len(asked.ranges) == 1
        assert len(Folder(far).found(until=NOON + DAY / 2).stored) == 90
        assert len(Folder(far).found(since=NOON + 9 * DAY).stored) == 0
        assert len(asked.ranges) == 2


def _noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def test_a_protocol_that_nobody_knows() -> None:
    with pytest.raises(UsageError, match="s4://b: Protocol not known: s4"):
        Folder("s4://b").found()


def test_a_store_that_does_not_answer(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert s3
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()
    try:
        with pytest.raises(NotFound, match="cannot be reached: Could not connect to the endpoint"):
            Folder(s3).found()
    finally:
        S3FileSystem.clear_instance_cache()
