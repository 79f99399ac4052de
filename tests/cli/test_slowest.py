"""``reqprof slowest``: the ranking of a folder."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING

import pytest

from .making import NOON, put, put_damaged, put_foreign, tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Reqprof = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five requests on three routes."""
    folder = tmp_path / "profiles"
    put(folder, id="aaaaaaaaaaaa", duration=0.25, start=NOON)
    put(folder, id="bbbbbbbbbbbb", duration=2.0, start=NOON + 1, status=500, exception="KeyError")
    put(folder, id="cccccccccccc", duration=0.004, method="POST", status=404, route="/orders")
    put(folder, id="dddddddddddd", duration=0.5, route="/guess/{}", guessed=True)
    put(folder, id="eeeeeeeeeeee", duration=1.0, route=None, path="/as/it/came", kind="websocket")
    return folder


def test_requests_are_listed_worst_first(reqprof: Reqprof, folder: Path) -> None:
    result = reqprof("slowest", folder)

    assert result.exit_code == 0
    head, first, *rest = (line.split() for line in result.stdout.splitlines())
    assert head == ["rank", "id", "UTC", "took", "traced", "method", "status", "route"]
    assert " ".join(first) == (
        "@1 bbbbbbbbbbbb 2026-07-01T12:00:01Z 2.00s 2.00s GET 500 /users/{id} (KeyError)"
    )
    assert [row[1][0] for row in rest] == [*"edac"]
    assert rest[0][5] == "websocket"
    assert result.stderr == ""


def test_the_folder_is_profiles_unless_named(reqprof: Reqprof, folder: Path) -> None:
    assert reqprof("slowest").stdout == reqprof("slowest", folder).stdout


def test_a_guessed_route_is_marked(reqprof: Reqprof, folder: Path) -> None:
    assert "~/guess/{}" in reqprof("slowest", folder).stdout


@pytest.mark.parametrize(("options", "rows"), [(["-n", 2], 2), (["-n", 0], 25), ([], 20)])
def test_n_limits_the_rows_and_zero_means_all(
    reqprof: Reqprof, tmp_path: Path, options: list[object], rows: int
) -> None:
    for _ in range(25):
        put(tmp_path / "profiles", size=3)

    assert len(reqprof("slowest", *options).stdout.splitlines()) == 1 + rows


def test_filters_narrow_the_list_and_ranks_stay_those_of_the_folder(
    reqprof: Reqprof, folder: Path
) -> None:
    lines = reqprof("slowest", folder, "--route", "/users/{id}").stdout.splitlines()[1:]

    assert [line.split()[:2] for line in lines] == [["@1", "bbbbbbbbbbbb"], ["@4", "aaaaaaaaaaaa"]]


def test_json_is_one_array_with_all_facts(reqprof: Reqprof, folder: Path) -> None:
    rows = json.loads(reqprof("slowest", folder, "--json", "--status", "error").stdout)

    (row,) = rows
    assert row["rank"] == 1
    assert row["file"].endswith("bbbbbbbbbbbb.prof")
    assert row["path"] == "/users/17"
    assert row["exception"] == "KeyError"
    assert row["first_byte"] is None
    assert row["labels"] == {}


def test_by_route_has_a_row_for_each_route_the_most_time_first(
    reqprof: Reqprof, folder: Path
) -> None:
    result = reqprof("slowest", folder, "--by", "route")

    assert [line.split() for line in result.stdout.splitlines()] == [
        ["count", "traced", "p50", "p95", "p99", "max", "total", "route"],
        ["2", "2", "249ms", "2.00s", "2.00s", "2.00s", "2.25s", "/users/{id}"],
        ["1", "1", "1.00s", "1.00s", "1.00s", "1.00s", "1.00s", "/as/it/came"],
        ["1", "1", "500ms", "500ms", "500ms", "500ms", "500ms", "~/guess/{}"],
        ["1", "1", "4.00ms", "4.00ms", "4.00ms", "4.00ms", "4.00ms", "/orders"],
    ]


def test_by_route_speaks_json_and_takes_filters_and_n(reqprof: Reqprof, folder: Path) -> None:
    rows = json.loads(
        reqprof("slowest", folder, "--by=route", "--json", "-n1", "--method=post").stdout
    )

    assert rows == [
        {"route": "/orders", "guessed": False, "count": 1, "traced": 1, "within": 0.01}
        | {"total": 0.004, "max": 0.004}
        | dict.fromkeys(("p50", "p95", "p99"), 0.004)
    ]


def test_a_long_route_is_whole_in_a_pipe(reqprof: Reqprof, tmp_path: Path) -> None:
    put(tmp_path / "profiles", route="/" + "long/" * 200)

    assert "/" + "long/" * 200 in reqprof("slowest").stdout


def test_a_route_cannot_break_its_row(reqprof: Reqprof, tmp_path: Path) -> None:
    put(tmp_path / "profiles", route=None, path="/a\nb\x1b[31m\udce9")

    lines = reqprof("slowest").stdout.splitlines()

    assert len(lines) == 2
    assert lines[1].endswith(r"/a\nb\x1b[31m\udce9")


def test_a_bad_file_is_named_and_the_rest_goes_on(reqprof: Reqprof, folder: Path) -> None:
    bad = put_damaged(folder)

    result = reqprof("slowest", folder)

    assert len(result.stdout.splitlines()) == 6
    assert result.stderr.count("\n") == 1
    assert str(bad) in result.stderr
    assert result.exit_code == 1


def test_profiles_of_other_tools_are_left_out_and_said(reqprof: Reqprof, folder: Path) -> None:
    put_foreign(folder)

    result = reqprof("slowest", folder)

    assert "left out 1 profile of another tool, without a duration: foreign.prof" in result.stderr
    assert len(result.stdout.splitlines()) == 6
    assert result.exit_code == 0


def test_what_is_wrong_with_a_profile_is_noted_behind_its_route(
    reqprof: Reqprof, tmp_path: Path
) -> None:
    put(tmp_path / "p", partial=True, exception="KeyError", route="/a")
    put(tmp_path / "p", partial=True, interrupted=True, route="/b")

    listed = reqprof("slowest", "p").stdout

    assert "/a (KeyError, partial)\n" in listed
    assert "/b (interrupted, partial)\n" in listed


def test_a_copied_file_is_listed_once(reqprof: Reqprof, folder: Path) -> None:
    original = next(folder.glob("*aaaa.prof"))
    (folder / "zz-copy.prof").write_bytes(original.read_bytes())

    result = reqprof("slowest", folder)

    assert result.stdout.count("aaaaaaaaaaaa") == 1
    assert "left out 1 copy of a request that is already counted: " in result.stderr
    assert result.exit_code == 0


@pytest.mark.parametrize("by", [[], ["--by", "route"]])
def test_an_empty_folder_ends_with_3_and_says_so(
    reqprof: Reqprof, tmp_path: Path, by: list[str]
) -> None:
    (tmp_path / "empty").mkdir()

    result = reqprof("slowest", "empty", *by)

    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "reqprof: no profiles in empty\n"
    assert json.loads(reqprof("slowest", "empty", "--json", *by).stdout) == []


def test_no_match_ends_with_3_and_repeats_the_filter(reqprof: Reqprof, folder: Path) -> None:
    result = reqprof("slowest", "profiles", "--route", "/nosuch", "--slower-than", "1s")

    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == (
        "reqprof: none of the 5 profiles in profiles has route /nosuch, slower than 1.00s\n"
    )


def test_a_folder_of_nothing_but_bad_files_ends_with_1(reqprof: Reqprof, tmp_path: Path) -> None:
    put_damaged(tmp_path / "profiles")

    result = reqprof("slowest")

    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "reqprof: no profile in profiles can be read"


def test_a_missing_folder_ends_with_3(reqprof: Reqprof) -> None:
    result = reqprof("slowest", "nosuch")

    assert (result.exit_code, result.stderr) == (3, "reqprof: no file or folder 'nosuch'\n")
    assert "no folder 'profiles' here; name the one" in reqprof("slowest").stderr


def test_a_file_in_place_of_a_folder_is_wrong_usage(reqprof: Reqprof, tmp_path: Path) -> None:
    path = put(tmp_path)

    result = reqprof("slowest", path)

    assert result.exit_code == 2
    assert f"reqprof show {path}" in result.stderr


def test_an_unreadable_folder_ends_with_3(
    reqprof: Reqprof, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object) -> None:  # by hand, since root may read everything
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    result = reqprof("slowest", "profiles")

    assert result.exit_code == 3
    assert result.stderr.count("\n") == 1
    assert "profiles: cannot be listed: Permission denied" in result.stderr


def test_requests_without_a_profile_are_ranked_with_the_others(
    reqprof: Reqprof, folder: Path
) -> None:
    tally(folder, [0.001] * 30 + [1.5], host="web-2")
    result = reqprof("slowest", folder, "-n3")

    rows = [line.split() for line in result.stdout.splitlines()[1:]]
    assert [row[3] for row in rows] == ["2.00s", "1.50s", "1.00s"]
    assert rows[1][4:] == ["GET", "200", "/timed"]
    (timed,) = json.loads(reqprof("slowest", folder, "--json", "--route", "/timed", "-n1").stdout)
    assert (timed["rank"], timed["file"], timed["duration"]) == (2, None, 1.5)
    shown = reqprof("show", "@2", "--dir", folder)
    assert shown.exit_code == 3
    assert "(GET /timed) took 1.50s; it was timed only" in shown.stderr
    assert reqprof("show", timed["id"], "--dir", folder).stderr == shown.stderr


def test_a_traced_request_is_ranked_by_what_it_took_without_tracing(
    reqprof: Reqprof, folder: Path
) -> None:
    put(folder, id="ffffffffffff", duration=2.5, total=2.5, cost=0.7)
    rows = [line.split() for line in reqprof("slowest", folder, "-n2").stdout.splitlines()[1:]]

    assert [row[1][0] for row in rows] == [*"bf"]
    assert rows[1][3:5] == ["~1.80s", "2.50s"]


def test_by_route_counts_each_request_once(reqprof: Reqprof, folder: Path) -> None:
    # These are in the tallies of their process already; those of the folder are not.
    put(folder, id="ffffffffffff", host="web-2", route="/timed", duration=0.002, start=NOON)
    tally(folder, [0.001] * 99 + [0.002], host="web-2")
    tally(folder, [0.001] * 100, host="web-3")
    rows = [line.split() for line in reqprof("slowest", folder, "--by=route").stdout.splitlines()]

    (timed,) = (row for row in rows if row[-1] == "/timed")
    assert timed == ["200", "1.00ms", "1.00ms", "1.00ms", "2.00ms", "201ms", "/timed"]
    assert ["2", "2", "249ms", "2.00s", "2.00s", "2.00s", "2.25s", "/users/{id}"] in rows


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ([], 31),
        (["--status", "2xx"], 31),
        (["--status", "5xx"], None),
        (["--method", "get"], 31),
        (["--method", "post"], None),
        (["--since", "2026-07-01T12:04"], 31),  # the window that this is in
        (["--since", "2026-07-01T12:06"], None),
        (["--until", "2026-07-01T11:59"], None),
        (["--kind", "job"], None),
        (["--status", "200"], 10),  # of single requests: those whose facts are kept
        (["--slower-than", "1s"], 1),
    ],
)
def test_by_route_takes_filters(
    reqprof: Reqprof, folder: Path, options: list[str], count: int | None
) -> None:
    tally(folder, [0.001] * 30 + [1.5])
    rows = json.loads(reqprof("slowest", folder, "--by=route", "--json", *options).stdout)

    assert {row["route"]: row["count"] for row in rows}.get("/timed") == count
