"""``reqprof show``: one request by id, rank or file."""

from __future__ import annotations

import json
import pstats
import re
from typing import TYPE_CHECKING

import pytest

from reqprof.store import reader

from .making import NOON, put, put_damaged, put_foreign, put_rubbish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Reqprof = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three requests, two of which have ids that begin alike."""
    folder = tmp_path / "profiles"
    put(folder, id="7f3a00000000", duration=0.25, path="/first")
    put(folder, id="7f3b00000000", duration=2.0, path="/second")
    put(folder, id="aa0000000000", duration=1.0, path="/third")
    return folder


@pytest.mark.parametrize(
    ("word", "path"),
    [
        ("7f3a", "/first"),
        ("7F3A", "/first"),
        ("aa", "/third"),
        ("7f3b00000000", "/second"),
        ("@1", "/second"),
        ("@3", "/first"),
        ("profiles/*aa0000000000.prof", "/third"),
        ("*aa0000000000.prof", "/third"),
    ],
)
def test_a_request_is_named_by_id_rank_or_file(
    reqprof: Reqprof, folder: Path, word: str, path: str
) -> None:
    if "*" in word:
        (match,) = folder.glob(word.removeprefix("profiles/"))
        word = word.replace(word.removeprefix("profiles/"), match.name)

    result = reqprof("show", word)

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"GET {path} -> 200\n")


def test_dir_says_where_to_look(reqprof: Reqprof, folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))

    assert reqprof("show", "aa").exit_code == 3
    assert reqprof("show", "aa", "--dir", "elsewhere").exit_code == 0


def test_the_ranks_are_those_that_slowest_lists(reqprof: Reqprof, folder: Path) -> None:
    listed = reqprof("slowest", "--route", "/third").stdout.splitlines()[1].split()

    assert listed[0] == "@2"
    assert f"id        {listed[1]}" in reqprof("show", listed[0]).stdout


@pytest.mark.parametrize(
    ("word", "status", "message"),
    [
        ("7f", 2, "'7f' could be 7f3a00000000 (GET /users/{id}), 7f3b00000000 (GET /users/{id});"),
        ("bb", 3, "no request in profiles has an id that begins with 'bb'"),
        ("@4", 3, "no rank @4 in profiles, which has 3 requests"),
        ("@0", 3, "no rank @0 in profiles"),
        ("nosuch.prof", 3, "no file 'nosuch.prof', and it is no rank such as @1 and no start"),
        ("profiles", 2, "profiles is a folder; list what is in it with: reqprof slowest profiles"),
        ("", 3, "no file ''"),
    ],
)
def test_what_is_not_one_request_is_one_clear_line(
    reqprof: Reqprof, folder: Path, word: str, status: int, message: str
) -> None:
    result = reqprof("show", word)

    assert result.exit_code == status
    assert result.stdout == ""
    assert result.stderr.startswith(f"reqprof: {message}")
    assert result.stderr.count("\n") == 1


def test_a_copied_file_does_not_make_an_id_ambiguous(reqprof: Reqprof, folder: Path) -> None:
    original = next(folder.glob("*7f3a*"))
    (folder / "copy.prof").write_bytes(original.read_bytes())

    assert reqprof("show", "7f3a").exit_code == 0


def test_a_damaged_file_is_named(reqprof: Reqprof, folder: Path) -> None:
    put_damaged(folder, "20260701_GET_cc0000000000.prof")
    put_rubbish(folder)

    for word in ("cc00", "profiles/20260701_GET_cc0000000000.prof", "profiles/rubbish.prof"):
        result = reqprof("show", word)
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1
        assert result.stderr.startswith("reqprof: profiles/")


def test_every_fact_is_laid_out(reqprof: Reqprof, tmp_path: Path) -> None:
    path = put(
        tmp_path,
        id="0123456789ab",
        method="POST",
        path="/guess/1",
        route="/guess/{}",
        guessed=True,
        status=500,
        exception="KeyError",
        start=NOON + 0.25,
        duration=0.5,
        first_byte=0.4,
        total=0.75,
        cpu=0.2,
        waited=0.1,
        cost=0.05,
        calls=12345,
        neighbours=2,
        pid=42,
        host="web-1",
        thread="worker-3",
        builtins=False,
        clock="cpu",
        weight=100,
        interrupted=True,
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        labels={"release": "1.2", "tenant": "x"},
    )

    sheet = reqprof("show", path).stdout.split("\n\n")[0].splitlines()

    assert sheet[0] == "POST /guess/1 -> 500, raised KeyError"
    assert sheet[1].startswith("  interrupted: another profiler took over")
    assert sheet[2:] == [
        "  id        0123456789ab",
        "  route     /guess/{} (guessed from the path)",
        "  when      2026-07-01 12:00:00.250 UTC",
        ("  took      500ms to the last byte, 400ms to the first;"
        " then 250ms of work after the response"),
        "  work      ran 650ms; cpu 200ms; 2 other profiled requests in flight when it began",
        "  waited    100ms of 750ms in all",
        (
            "  tracing   12,345 calls; recording them took about 50.0ms,"
            " 7.7 % of its own time (an estimate)"
        ),
        ("  engine    cprofile without C calls, cpu clock, Python 3.11.7;"
        " sampled, stands for 100 requests"),
        "  process   web-1, pid 42, worker-3",
        "  trace id  4bf92f3577b34da6a3ce929d0e0e4736",
        "  labels    release=1.2, tenant=x",
        f"  file      {path}",
    ]  # fmt: skip


def test_facts_that_are_not_known_take_no_line(reqprof: Reqprof, tmp_path: Path) -> None:
    path = put(tmp_path, path=None, route=None, status=None, host="", pid=0, python="")

    sheet = reqprof("show", path).stdout.split("\n\n")[0]

    assert sheet.startswith("GET -> -\n")
    assert "None" not in sheet
    assert not re.search(
        r"route|process|trace|labels|work |waited|tasks|threads|late|stopped|partial", sheet
    )


def test_the_table_holds_the_numbers_of_pstats(reqprof: Reqprof, folder: Path) -> None:
    path = next(folder.glob("*7f3a*"))
    stats = pstats.Stats(str(path)).stats  # type: ignore[attr-defined]

    lines = reqprof("show", path, "--limit", 0).stdout.split("\n\n")[-1].splitlines()

    assert (
        " ".join(lines[0].split()) == "ncalls tottime percall cumtime percall file:line(function)"
    )
    rows = {row[5]: row for row in (line.split(maxsplit=5) for line in lines[1:])}
    assert len(rows) == len(stats)
    for function, (primitive, calls, own, total, _) in stats.items():
        ncalls, *times, _ = rows[pstats.func_std_string(function)]  # type: ignore[attr-defined]
        assert ncalls == (f"{calls}" if calls == primitive else f"{calls}/{primitive}")
        assert times == [f"{one:.6f}" for one in (own, own / calls, total, total / primitive)]


def test_sort_limit_and_match_choose_the_rows(reqprof: Reqprof, folder: Path) -> None:
    path = next(folder.glob("*7f3a*"))
    result = reqprof(
        "show", path, "--sort", "name", "--sort", "tottime", "--limit", 2, "--match", "json"
    )

    rows = result.stdout.split("\n\n")[-1].splitlines()[1:]
    expected = pstats.Stats(str(path)).sort_stats("name", "time").fcn_list  # type: ignore[attr-defined]
    names = [pstats.func_std_string(one) for one in expected if "json" in one[0]]  # type: ignore[attr-defined]
    assert [row.split(maxsplit=5)[5] for row in rows] == names[:2]
    assert f"2 of {len(names)} functions, by function name, internal time" in result.stdout


def test_callers_and_callees_are_those_of_pstats(reqprof: Reqprof, folder: Path) -> None:
    path = next(folder.glob("*7f3a*"))
    stats = pstats.Stats(str(path))
    stats.calc_callees()
    (fib,) = (function for function in stats.stats if function[2] == "fib")  # type: ignore[attr-defined]

    shown = json.loads(
        reqprof("show", path, "--callers", r"\(fib\)", "--callees", r"\(fib\)", "--json").stdout
    )

    for key, edges in (
        ("callers", stats.stats[fib][4]),  # type: ignore[attr-defined]
        ("callees", stats.all_callees[fib]),  # type: ignore[attr-defined]
    ):
        (row,) = shown[key]
        assert row["name"] == "fib"
        found = {
            (one["file"], one["line"], one["name"]): (
                one["ncalls"], one["pcalls"], one["tottime"], one["cumtime"]
            )
            for one in row[key]
        }  # fmt: skip
        assert found == edges
    assert "functions" not in shown


def test_callers_are_indented_below_their_function(reqprof: Reqprof, folder: Path) -> None:
    lines = reqprof("show", "7f3a", "--callers", r"\(fib\)").stdout.splitlines()

    at = next(number for number, line in enumerate(lines) if line.endswith("(fib)"))
    assert lines[at - 3].startswith("callers of 1 function, by cumulative time")
    assert lines[at + 1].split()[3] == "<-"
    assert lines[at + 1].endswith("(work)")
    assert lines[at + 2].endswith("(fib)")


def test_json_has_the_facts_and_all_numbers(reqprof: Reqprof, folder: Path) -> None:
    path = next(folder.glob("*7f3a*"))
    stats = reader.read(path).stats

    shown = json.loads(reqprof("show", "7f3a", "--json", "--limit", 0).stdout)

    assert shown["file"] == f"profiles/{path.name}"
    assert shown["facts"]["id"] == "7f3a00000000"
    assert {(row["file"], row["line"], row["name"]) for row in shown["functions"]} == set(stats)
    assert shown["total_calls"] == sum(entry[1] for entry in stats.values())
    assert len(json.loads(reqprof("show", "7f3a", "--json", "--limit", 3).stdout)["functions"]) == 3


def test_a_profile_of_another_tool_has_a_table_and_no_facts(
    reqprof: Reqprof, tmp_path: Path
) -> None:
    path = put_foreign(tmp_path)

    result = reqprof("show", path)

    assert result.exit_code == 0
    assert result.stdout.startswith(f"{path}\n  written by another tool")
    assert "(work)" in result.stdout
    assert json.loads(reqprof("show", path, "--json").stdout)["facts"] is None


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--match", "("], 2, "'(' is no regular expression"),
        (["--callers", "["], 2, "'[' is no regular expression"),
        (["--sort", "speed"], 2, "'speed' is no sort key; take one of calls, ncalls"),
        (["--limit", "-1"], 2, "-1 is not in the range"),
        (["--match", "nosuch"], 3, "functions matches 'nosuch'"),
        (["--callees", "nosuch"], 3, "functions matches 'nosuch'"),
    ],
)
def test_a_wrong_choice_of_functions_is_one_clear_error(
    reqprof: Reqprof, folder: Path, options: list[str], status: int, message: str
) -> None:
    result = reqprof("show", "7f3a", *options)

    assert result.exit_code == status
    assert message in result.stderr


def test_an_untrusted_profile_reads_the_same(reqprof: Reqprof, folder: Path) -> None:
    assert reqprof("show", "7f3a", "--untrusted").stdout == reqprof("show", "7f3a").stdout
