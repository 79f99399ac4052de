"""Tallies: what they count, and the files that hold them."""

from __future__ import annotations

import json
import os
import stat
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqprof.model import Request
from reqprof.store import traffic, traffic_files
from reqprof.store.index import FOLDER
from reqprof.store.traffic import SLOWEST, Series, Tally, Window
from reqprof.store.traffic_files import TrafficFiles

if TYPE_CHECKING:
    from pathlib import Path

ROUTE = Series("http", "GET", "/users/{id}", False, "2xx")

texts = st.text(max_size=20)
series = st.builds(
    Series,
    kind=st.sampled_from(["http", "websocket", "job"]),
    method=texts,
    route=st.none() | texts,
    guessed=st.booleans(),
    outcome=st.sampled_from(["", "2xx", "5xx", "raised"]),
)
durations = st.lists(st.floats(min_value=0, max_value=1e6), min_size=1, max_size=40)


def facts(number: int, duration: float) -> Request:
    return Request(id=f"{number:012x}", duration=duration, route="/users/{id}")


def tallied(values: list[float]) -> Tally:
    tally = Tally()
    for number, value in enumerate(values):
        tally.add(value, partial(facts, number, value))
    return tally


def window(start: float = 0.0, **tallies: list[float]) -> Window:
    """One whose series are named by their routes."""
    found = Window("web-1", 42, start, start + 300)
    for route, values in tallies.items():
        found.tallies[ROUTE._replace(route=route)] = tallied(values)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / FOLDER).mkdir()
    return tmp_path


def counts(folder: Path) -> dict[str | None, int]:
    found: dict[str | None, int] = {}
    for each in traffic_files.read(folder):
        for key, tally in each.tallies.items():
            found[key.route] = found.get(key.route, 0) + tally.count
    return found


@given(durations)
def test_the_slowest_are_kept_and_no_more(values: list[float]) -> None:
    tally = tallied(values)

    kept = sorted((request.duration for *_, request in tally.slowest), reverse=True)
    assert kept == sorted(values, reverse=True)[:SLOWEST]


def test_facts_are_made_for_those_alone_that_are_kept() -> None:
    made: list[float] = []

    def note(seconds: float) -> Request:
        made.append(seconds)
        return facts(len(made), seconds)

    tally = Tally()
    for number in range(100):
        tally.add(100.0 - number, partial(note, 100.0 - number))
    assert len(made) == SLOWEST


@given(durations, durations)
def test_two_tallies_count_what_one_would(first: list[float], second: list[float]) -> None:
    both = tallied(first)
    both.merge(tallied(second))
    one = tallied(first + second)

    assert (both.count, both.buckets, both.longest) == (one.count, one.buckets, one.longest)
    assert both.total == pytest.approx(one.total)


@given(st.dictionaries(series, durations, max_size=5))
def test_a_window_comes_back_from_its_lines(tallies: dict[Series, list[float]]) -> None:
    told = Window("web-1", 42, 600.0, 899.5)
    for key, values in tallies.items():
        told.tallies[key] = tallied(values)
    back = [traffic.load(line) for line in traffic.dump(told).splitlines()]

    assert {key: tally.buckets for _, key, tally in back} == {
        key: tally.buckets for key, tally in told.tallies.items()
    }
    for at, key, tally in back:
        assert (at.host, at.pid, at.start, at.until) == ("web-1", 42, 600.0, 899.5)
        same = told.tallies[key]
        assert (tally.count, tally.longest, tally.traced) == (same.count, same.longest, 0)
        assert sorted(tally.slowest) == sorted(same.slowest)


GOOD = json.loads(traffic.dump(window(a=[0.25])))


@pytest.mark.parametrize(
    "change",
    [
        {"buckets": None},
        {"buckets": [[1]]},
        {"buckets": [["1", 2]]},
        {"buckets": [[1, -2]]},
        {"buckets": [[10**9, 2]]},
        {"total": "1"},
        {"longest": -1},
        {"traced": None},
        {"slowest": [{"id": "no id"}]},
        {"slowest": 3},
        {"start": "then"},
        {"until": 1e300},
        {"method": 4},
    ],
)
def test_a_line_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        traffic.load(json.dumps({**GOOD, **change}).encode())
    for name in change:
        lacking = {key: value for key, value in GOOD.items() if key != name}
        if name not in ("start", "method"):
            with pytest.raises(ValueError, match=r"\w"):
                traffic.load(json.dumps(lacking).encode())


def test_the_open_window_is_replaced_and_closed_ones_stay(folder: Path) -> None:
    files = TrafficFiles(folder)
    files.save(window(0, a=[1.0]), is_over=False)
    assert counts(folder) == {"a": 1}
    files.save(window(0, a=[1.0] * 3, b=[2.0]), is_over=False)
    assert counts(folder) == {"a": 3, "b": 1}
    files.save(window(0, a=[1.0] * 4, b=[2.0]), is_over=True)
    files.save(window(300, a=[1.0] * 10), is_over=False)
    assert counts(folder) == {"a": 14, "b": 1}
    assert len(list((folder / FOLDER).iterdir())) == 2


def test_a_window_that_was_closed_a_moment_ago_counts_once(folder: Path) -> None:
    files = TrafficFiles(folder)
    files.save(window(0, a=[1.0] * 2), is_over=False)
    (left,) = (folder / FOLDER).iterdir()
    data = left.read_bytes()
    files.save(window(0, a=[1.0] * 5), is_over=True)
    left.write_bytes(data)  # as a process leaves it that is killed between the two
    assert counts(folder) == {"a": 5}


def test_a_large_file_is_followed_by_another_and_nothing_counts_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic_files, "_MOST_BYTES", 300)
    files = TrafficFiles(folder)
    for number in range(6):
        files.save(window(300.0 * number, a=[1.0]), is_over=False)
        files.save(window(300.0 * number, a=[1.0] * 2), is_over=True)
        assert counts(folder) == {"a": 2 * (number + 1)}
    assert 2 <= len(list((folder / FOLDER).iterdir())) <= 6


def test_what_a_killed_process_has_torn_is_left_out(folder: Path) -> None:
    files = TrafficFiles(folder)
    files.save(window(0, a=[1.0], b=[1.0]), is_over=True)
    (path,) = (folder / FOLDER).iterdir()
    path.write_bytes(path.read_bytes()[:-20])
    assert counts(folder) == {"a": 1}
    (folder / FOLDER / "other.times").write_bytes(b"\xff\x00 no line\n{}\n[]\n")
    assert counts(folder) == {"a": 1}


def test_processes_add_up(folder: Path) -> None:
    for _ in range(3):
        TrafficFiles(folder).save(window(0, a=[1.0] * 2), is_over=True)
    assert counts(folder) == {"a": 6}


def test_their_owner_alone_can_read_them(folder: Path) -> None:
    files = TrafficFiles(folder)
    files.save(window(0, a=[1.0]), is_over=True)
    files.save(window(300, a=[1.0]), is_over=False)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (folder / FOLDER).iterdir()}
    assert modes == {0o600}


def test_no_link_is_followed(folder: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    files = TrafficFiles(folder)
    files.save(window(0, a=[1.0]), is_over=True)
    (path,) = (folder / FOLDER).iterdir()
    path.unlink()
    path.symlink_to(victim)
    with pytest.raises(OSError, match="symbolic"):
        files.save(window(300, a=[1.0]), is_over=True)
    assert victim.read_bytes() == b"precious"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_writes_files_of_its_own(folder: Path) -> None:
    files = TrafficFiles(folder)
    files.save(window(0, a=[1.0]), is_over=True)
    child = os.fork()
    if not child:
        files.save(window(0, a=[1.0] * 2), is_over=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert counts(folder) == {"a": 3}
