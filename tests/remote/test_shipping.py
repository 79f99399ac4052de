"""Shipping: once each, whatever happens on the way, and nothing lost here."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from reqprof.errors import NotFound
from reqprof.model import RemoteFile
from reqprof.store import traffic, traffic_files
from reqprof.store.remote import bundle, manifest, shipping
from reqprof.store.remote import objects as store
from reqprof.store.remote.folder import Folder
from tests.cli.making import NOON, put, put_damaged, put_foreign, put_rubbish, tally
from tests.servers import ROOT

from .shipping import contents, ids, local_ids, objects, replace, ship

if TYPE_CHECKING:
    from pathlib import Path

    from reqprof.errors import BadProfile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(20):
        put(tmp_path / "near", size=3 + number, start=NOON + number)
    tally(tmp_path / "near", [1, 2, 3])
    return tmp_path / "near"


def test_all_of_it_once(folder: Path, url: str) -> None:
    done = ship(folder, url)
    assert (done.profiles, done.bundles, done.known) == (20, 1, 0)
    assert done.size == sum(path.stat().st_size for path in folder.glob("*.prof"))
    assert done.sent == sum(objects(url).values())
    before = objects(url)
    again = ship(folder, url)
    assert (again.profiles, again.bundles, again.known) == (0, 0, 20)
    assert objects(url) == before
    assert ids(url) == local_ids(folder)


def test_only_what_is_new(folder: Path, url: str) -> None:
    ship(folder, url)
    put(folder, start=NOON + 50)
    done = ship(folder, url)
    assert (done.profiles, done.bundles, done.known) == (1, 1, 20)
    assert ids(url) == local_ids(folder)


def test_what_is_there_is_asked_where_nothing_is_remembered(folder: Path, url: str) -> None:
    ship(folder, url)
    before = objects(url)
    for remembered in (None, b"", b"[]", b'{"%s": {"a": 3}}' % url.encode(), b"\xff" * 9):
        path = folder / ".reqprof" / manifest.NAME
        path.unlink()
        if remembered is not None:
            path.write_bytes(remembered)
        assert ship(folder, url).bundles == 0
        assert objects(url) == before


def test_what_is_remembered_is_private(folder: Path, memory: str) -> None:
    before = os.umask(0)
    try:
        ship(folder, memory)
    finally:
        os.umask(before)
    assert (folder / ".reqprof" / manifest.NAME).stat().st_mode & 0o777 == 0o600


def test_another_place_gets_it_too(folder: Path, memory: str) -> None:
    for where in ("one", "other"):
        assert ship(folder, f"{memory}/{where}").profiles == 20
    for where in ("one", "other"):
        assert ship(folder, f"{memory}/{where}").profiles == 0


def test_days_have_folders_of_their_own(tmp_path: Path, url: str) -> None:
    for number in range(4):
        put(tmp_path / "near", start=NOON + number * 43200)
    assert ship(tmp_path / "near", url).bundles == 3
    days = [path.split("/")[-2] for path in objects(url)]
    assert days == ["2026-07-01", "2026-07-02", "2026-07-03"]


def test_many_go_in_several_bundles(
    folder: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "_MOST", 7)
    assert ship(folder, url).bundles == 3
    assert ids(url) == local_ids(folder)
    monkeypatch.setattr(shipping, "_MOST_BYTES", 1)
    assert ship(folder, f"{url}/again").bundles == 20


def test_it_goes_on_where_it_was_interrupted(
    folder: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "_MOST", 4)
    upload = store.put
    left = [2]

    def put_two(files: object, path: str, data: bytes) -> None:
        if not left[0]:
            raise OSError("the cable was pulled")
        left[0] -= 1
        upload(files, path, data)

    monkeypatch.setattr(shipping, "put", put_two)
    with pytest.raises(NotFound, match="cannot be reached: the cable was pulled"):
        ship(folder, url)
    assert len(ids(url)) == 8
    monkeypatch.setattr(shipping, "put", upload)
    done = ship(folder, url)
    assert (done.profiles, done.known) == (12, 8)
    assert ids(url) == local_ids(folder)


def test_a_bundle_that_was_torn_or_lost_is_made_good(folder: Path, url: str) -> None:
    ship(folder, url)
    ((path, size),) = objects(url).items()
    whole = contents(url, path)
    replace(url, path, whole[: size // 2])
    assert ship(folder, url).profiles == 20
    assert contents(url, path) == whole  # the same bytes have the same name
    with store.reached(url) as (files, _):
        files.rm(path)
    assert ship(folder, url).profiles == 20
    assert ids(url) == local_ids(folder)


def test_the_bad_are_named_and_stay(folder: Path, url: str) -> None:
    put_rubbish(folder)
    put_damaged(folder)
    put_foreign(folder)
    cut = put(folder, start=NOON)
    data = bytearray(cut.read_bytes())
    data[40] ^= 1
    cut.write_bytes(data)  # its trailer is sound
    bad: list[BadProfile] = []
    done = ship(folder, url, delete=True, bad=bad)
    assert sorted(error.path.name for error in bad) == sorted(
        ["damaged.prof", "rubbish.prof", cut.name]
    )
    assert (done.profiles, done.foreign, done.deleted) == (20, 1, 20)
    assert sorted(path.name for path in folder.glob("*.prof")) == sorted(
        ["damaged.prof", "foreign.prof", "rubbish.prof", cut.name]
    )


def test_an_empty_folder(tmp_path: Path, url: str) -> None:
    assert ship(tmp_path, url).bundles == 0
    with pytest.raises(NotFound, match="nothing there"):
        ids(url)


class TestTallies:
    def test_a_window_counts_once(self, folder: Path, url: str) -> None:
        tally(folder, [7, 8])  # a process with the same pid, as in a container
        ship(folder, url)
        (folder / ".reqprof" / manifest.NAME).unlink()
        tally(folder, [9], host="web-2")
        done = ship(folder, url)
        assert (done.profiles, done.bundles) == (0, 1)
        assert ship(folder, url).bundles == 0
        far = sorted(Folder(url).windows(), key=lambda one: one.process)
        assert far == traffic_files.read(folder)
        assert sum(tally.count for one in far for tally in one.tallies.values()) == 6

    def test_many_go_in_several_bundles(
        self, folder: Path, memory: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(5):
            tally(folder, [number], host=f"web-{number}")
        monkeypatch.setattr(bundle, "MAX_LINES", 4000)  # of which a quarter is filled at most
        assert ship(folder, memory).bundles > 5
        monkeypatch.undo()
        far = sorted(Folder(memory).windows(), key=lambda one: one.process)
        assert far == traffic_files.read(folder)
        assert ids(memory) == local_ids(folder)

    def test_one_that_is_still_open_waits(self, tmp_path: Path, url: str) -> None:
        now = time.time()
        window = traffic.Window("web-1", 7, now // 300 * 300, now)
        series = traffic.Series("http", "GET", "/", False, "2xx")
        window.tallies[series] = traffic.Tally.of([1.0], 0)
        (tmp_path / ".reqprof").mkdir()
        traffic_files.TrafficFiles(tmp_path).save(window, is_over=False)
        assert ship(tmp_path, url).bundles == 0

    def test_what_a_killed_process_left_is_over(self, tmp_path: Path, url: str) -> None:
        window = traffic.Window("web-1", 7, NOON, NOON + 9)
        series = traffic.Series("http", "GET", "/", False, "2xx")
        window.tallies[series] = traffic.Tally.of([1.0], 0)
        (tmp_path / ".reqprof").mkdir()
        traffic_files.TrafficFiles(tmp_path).save(window, is_over=False)
        assert ship(tmp_path, url).bundles == 1


class TestDeleting:
    def test_what_was_read_back(self, folder: Path, url: str) -> None:
        here = local_ids(folder)
        assert ship(folder, url, delete=True).deleted == 20
        assert list(folder.glob("*.prof")) == []
        assert ids(url) == here

    def test_what_went_before_too(self, folder: Path, url: str) -> None:
        ship(folder, url)
        assert len(local_ids(folder)) == 20
        done = ship(folder, url, delete=True)
        assert (done.profiles, done.deleted) == (0, 20)

    def test_not_what_is_damaged_there(self, folder: Path, url: str) -> None:
        ship(folder, url)
        (path,) = objects(url)
        one = Folder(url).found().stored[4]
        data = bytearray(contents(url, path))
        assert isinstance(one.path, RemoteFile)
        data[(one.path.start or 0) + one.path.size // 2] ^= 0xFF
        replace(url, path, bytes(data))  # as long, and what it says of itself is the same
        assert ship(folder, url, delete=True).deleted == 19
        assert [path.name for path in folder.glob("*.prof")] == [one.name]

    def test_not_what_is_another_file_by_now(self, folder: Path, url: str) -> None:
        ship(folder, url)
        (one, *_) = sorted(folder.glob("*.prof"))
        put(folder, name=one.name, size=50, id=local_ids(folder)[0], start=NOON)
        bad: list[BadProfile] = []
        assert ship(folder, url, delete=True, bad=bad).deleted == 19
        assert one.exists()
        assert [error.path for error in bad] == [one]
        assert "stays here: it is not the same in" in bad[0].reason

    def test_not_what_is_gone_there(self, folder: Path, url: str) -> None:
        ship(folder, url)
        (path,) = objects(url)
        replace(url, path, b"x" * objects(url)[path])
        assert ship(folder, url, delete=True).deleted == 0
        assert len(local_ids(folder)) == 20


SHIP = """
import sys
from pathlib import Path
from tests.remote import shipping
from reqprof.store.remote import shipping as inner
inner._MOST = 10
print("begins", flush=True)
shipping.ship(Path(sys.argv[1]), sys.argv[2], delete=True)
"""


def test_killed_again_and_again(tmp_path: Path, s3: str) -> None:
    """Whatever was done by then, each profile is there once in the end, and never nowhere."""
    folder = tmp_path / "near"
    for number in range(300):
        put(folder, size=3 + number % 20, start=NOON + number)
    every = local_ids(folder)
    chance = random.Random(7)
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    kills = 0
    while list(folder.glob("*.prof")):
        process = subprocess.Popen(
            [sys.executable, "-c", SHIP, str(folder), s3],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.readline()
        if kills < 8:
            time.sleep(chance.uniform(0.1, 0.8))
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
        else:
            assert process.wait() == 0
        process.stdout.close()
        far = ids(s3) if objects(s3) else []
        assert set(far) | set(local_ids(folder)) == set(every)
    assert ids(s3) == every
    assert kills > 0
