"""What ``reqprof show`` tells of waits, child tasks, pool threads and requests that ran on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.cli.talk import Screen
from reqprof.model import Job, Timeline, Wait
from reqprof.store import format as prof
from reqprof.store.timeline import SECTION

from .making import put, put_foreign, put_waiting, request, table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Reqprof = Callable[..., Result]

SITE = "/venv/lib/python3.11/site-packages/"
FRAMEWORK = (SITE + "starlette/routing.py", 65, "app", 73)
VIEW = ("/app/shop/views.py", 31, "checkout", 49)
FETCH = ("/app/shop/db.py", 38, "fetch", 43)
ACQUIRE = (SITE + "asyncpg/pool.py", 800, "acquire", 812)
GET = ("/usr/lib/python3.11/asyncio/queues.py", 150, "get", 158)
SLEEP = ("/usr/lib/python3.11/asyncio/tasks.py", 593, "sleep", 605)

TIMELINE = Timeline(
    waits=(
        Wait((FRAMEWORK, VIEW, SLEEP), 2, 0.002, 0.0011),
        Wait((FRAMEWORK, VIEW, FETCH, ACQUIRE, GET), 1234, 0.21, 0.0043),
        Wait((("/app/shop/feed.py", 12, "price", 15), SLEEP), 3, 0.0151, 0.0102, child=True),
        Wait((("/app/shop/feed.py", 22, "stock", 25), FETCH), 3, 0.03, 0.01, child=True),
    ),
    jobs=(
        Job(("~", 0, "<built-in method time.sleep>"), "asyncio_0", 1, 0.0018, 0.0002),
        Job(("/app/shop/pdf.py", 12, "render"), "AnyIO worker thread", 1, 0.0102, 0.0029),
    ),
    held_by={"00000000000a": 0.0001, "7f3a09c41be2": 0.002, "0" * 12: 0.0, "00000000000b": 0.0003},
)
FACTS: dict[str, Any] = {"duration": 0.25, "cpu": 0.0333, "waited": 0.212}
CALLS = "took     cpu  calls  thread               file:line(function)"
PLACES = "waited  times  longest  file:line function, outermost first"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return put_waiting(tmp_path / "profiles", TIMELINE, None, **FACTS)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Make stdout a terminal of so many columns."""

    def of_width(columns: int) -> None:
        monkeypatch.setattr(Screen, "of_stdout", lambda: Screen(columns))

    return of_width


def facts_of(result: Result) -> dict[str, str]:
    """The sheet's rows by name."""
    assert result.exit_code == 0, result.output
    lines = result.stdout.split("\n\n")[0].splitlines()[1:]
    return {line[2:12].strip(): line[12:] for line in lines}


def tables_of(result: Result) -> list[str]:
    """What follows the sheet."""
    assert result.exit_code == 0, result.output
    return result.stdout.rstrip("\n").split("\n\n")[1:]


# --- the sheet


def test_what_it_waited_for_and_what_others_did_is_told_in_few_words(
    reqprof: Reqprof, tmp_path: Path
) -> None:
    facts: dict[str, Any] = {
        "held": 0.0031, "tasks": 3, "tasks_ran": 0.0021, "tasks_waited": 0.0451,
        "jobs": 2, "jobs_ran": 0.012, "jobs_cpu": 0.0031, "left_running": 2,
    }  # fmt: skip
    path = put_waiting(tmp_path, TIMELINE, **FACTS, **facts, neighbours=1)

    sheet = facts_of(reqprof("show", path))

    assert sheet["work"] == (
        "ran 38.0ms; cpu 33.3ms, child tasks and pool threads included;"
        " 1 other profiled request in flight when it began"
    )
    assert sheet["waited"] == (
        "212ms of 250ms in all (--waits shows where);"
        " others held the event loop for at most 3.10ms of that, an estimate;"
        " the worst profiled ones: 7f3a09c41be2 (2.00ms), 00000000000b (0.30ms),"
        " 00000000000a (0.10ms)"
    )
    assert sheet["tasks"] == "3 child tasks ran 2.10ms and waited 45.1ms"
    assert sheet["threads"] == (
        "2 calls in pool threads took 12.0ms, cpu 3.10ms;"
        " the rest is I/O, locks and the interpreter lock"
    )
    assert sheet["late"] == (
        "2 child tasks or pool calls still ran when it ended; their later work is not counted"
    )


def test_one_of_each_is_told_in_the_singular(reqprof: Reqprof, tmp_path: Path) -> None:
    path = put(tmp_path, waited=0.1, held=0.001, tasks=1, jobs=1, left_running=1)

    sheet = facts_of(reqprof("show", path))

    assert sheet["waited"] == (
        "100ms of 250ms in all; others held the event loop for at most 1.00ms of that, an estimate"
    )
    assert sheet["tasks"].startswith("1 child task ran ")
    assert sheet["threads"].startswith("1 call in a pool thread took ")
    assert sheet["late"] == (
        "1 child task or pool call still ran when it ended; its later work is not counted"
    )


@pytest.mark.parametrize(
    ("cpu", "told"),
    [
        (0.05, "cpu 50.0ms of 250ms in all, the rest is I/O, locks and the interpreter lock"),
        (0.2499, "cpu 250ms of 250ms in all"),
    ],
)
def test_a_request_that_awaits_nothing_has_its_cpu_beside_its_time(
    reqprof: Reqprof, tmp_path: Path, cpu: float, told: str
) -> None:
    sheet = facts_of(reqprof("show", put(tmp_path, cpu=cpu)))

    assert sheet["work"] == told
    assert "waited" not in sheet


def test_cpu_stands_alone_where_nobody_helped(reqprof: Reqprof, tmp_path: Path) -> None:
    assert facts_of(reqprof("show", put(tmp_path, **FACTS)))["work"] == "ran 38.0ms; cpu 33.3ms"


def test_a_partial_profile_says_so_and_where_it_stopped(
    reqprof: Reqprof, tmp_path: Path, terminal: Callable[[int], None]
) -> None:
    path = put_waiting(tmp_path, Timeline(stopped_at=(FRAMEWORK, VIEW, SLEEP)), partial=True)

    result = reqprof("show", path)

    assert result.stdout.splitlines()[1] == (
        "  partial: it ran on after max_duration, or a pause; the profile holds what was before"
    )
    assert facts_of(result)["stopped"] == (
        f"at {SITE}starlette/routing.py:73 app -> /app/shop/views.py:49 checkout"
        " -> /usr/lib/python3.11/asyncio/tasks.py:605 sleep"
    )
    terminal(100)
    assert facts_of(reqprof("show", path))["stopped"] == (
        "at /app/shop/views.py:49 checkout -> asyncio.tasks.sleep"
    )


def test_waits_are_pointed_to_only_where_they_do_not_follow(reqprof: Reqprof, path: Path) -> None:
    assert facts_of(reqprof("show", path))["waited"] == (
        "212ms of 250ms in all (--waits shows where)"
    )
    assert facts_of(reqprof("show", path, "--waits"))["waited"] == "212ms of 250ms in all"


# --- the tables


def test_into_a_pipe_goes_every_frame_on_one_line(reqprof: Reqprof, path: Path) -> None:
    own, rows, children, child_rows, calls, call_rows = tables_of(reqprof("show", path, "--waits"))

    assert own == "waited 212ms in all, 2 places"
    ends = f"{ACQUIRE[0]}:812 acquire -> {GET[0]}:158 get"
    top = f"{SITE}starlette/routing.py:73 app -> /app/shop/views.py:49 checkout -> "
    assert rows.splitlines() == [
        PLACES,
        f" 210ms  1,234   4.30ms  {top}{FETCH[0]}:43 fetch -> {ends}",
        f"2.00ms      2   1.10ms  {top}{SLEEP[0]}:605 sleep",
    ]
    assert children == "meanwhile child tasks waited 45.1ms added up, 2 places"
    assert child_rows.splitlines() == [
        PLACES,
        "30.0ms      3   10.0ms  /app/shop/feed.py:25 stock -> /app/shop/db.py:43 fetch",
        f"15.1ms      3   10.2ms  /app/shop/feed.py:15 price -> {SLEEP[0]}:605 sleep",
    ]
    assert calls == "calls in pool threads took 12.0ms in all, 2 rows"
    assert call_rows.splitlines() == [
        f"  {CALLS}",
        "10.2ms  2.90ms      1  AnyIO worker thread  /app/shop/pdf.py:12(render)",
        "1.80ms  0.20ms      1  asyncio_0            {built-in method time.sleep}",
    ]


def test_a_terminal_gets_what_tells_most_in_its_width(
    reqprof: Reqprof, path: Path, terminal: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal(80)
    rows = tables_of(reqprof("show", path, "--waits"))[1].splitlines()

    assert rows == [
        PLACES,
        " 210ms  1,234   4.30ms  /app/shop/views.py:49 checkout -> db.py:43 fetch",
        "                          -> asyncpg/pool.py:812 acquire -> asyncio.queues.get",
        "2.00ms      2   1.10ms  /app/shop/views.py:49 checkout -> asyncio.tasks.sleep",
    ]
    terminal(100)
    rows = tables_of(reqprof("show", path, "--waits", "--full-paths"))[1].splitlines()
    assert [row[24:] for row in rows[-3:]] == [
        f"{SITE}starlette/routing.py:73 app",
        "  -> /app/shop/views.py:49 checkout",
        "  -> /usr/lib/python3.11/asyncio/tasks.py:605 sleep",
    ]


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_no_row_is_wider_than_the_terminal(
    reqprof: Reqprof, path: Path, terminal: Callable[[int], None], columns: int
) -> None:
    terminal(columns)
    _, own, _, children, _, calls = tables_of(reqprof("show", path, "--waits"))

    for line in "\n".join((own, children, calls)).splitlines():
        assert len(line) <= columns


def test_limit_cuts_each_table_and_says_how_to_see_the_rest(reqprof: Reqprof, path: Path) -> None:
    tables = tables_of(reqprof("show", path, "--waits", "--limit", 1))

    assert tables[0] == "waited 212ms in all, 1 of 2 places; --limit 0 shows all"
    assert tables[2] == (
        "meanwhile child tasks waited 45.1ms added up, 1 of 2 places; --limit 0 shows all"
    )
    assert tables[4] == "calls in pool threads took 12.0ms in all, 1 of 2 rows; --limit 0 shows all"
    assert [len(table.splitlines()) for table in tables[1::2]] == [2, 2, 2]
    assert len(tables_of(reqprof("show", path, "--waits", "--limit", 0))[1].splitlines()) == 3


def test_match_looks_at_whole_stacks_and_at_functions(reqprof: Reqprof, path: Path) -> None:
    tables = tables_of(reqprof("show", path, "--waits", "--match", r"asyncpg/.*acquire -> "))
    assert tables[0] == "waited 210ms of 212ms in all, 1 place"
    assert len(tables) == 2

    tables = tables_of(reqprof("show", path, "--waits", "--match", "shop", "--match", "stock|ren"))
    assert tables[::2] == [
        "meanwhile child tasks waited 30.0ms of 45.1ms added up, 1 place",
        "calls in pool threads took 10.2ms of 12.0ms in all, 1 row",
    ]


def test_no_match_ends_with_3(reqprof: Reqprof, path: Path) -> None:
    result = reqprof("show", path, "--waits", "--match", "nosuch", "--match", "shop")

    assert result.exit_code == 3
    assert result.stderr == (
        "reqprof: none of the 6 stacks and pool functions matches 'nosuch' and 'shop'\n"
    )


def test_time_at_places_that_were_not_recorded_is_told(reqprof: Reqprof, tmp_path: Path) -> None:
    path = put_waiting(tmp_path, TIMELINE, waited=0.312, total=0.5)
    tables = tables_of(reqprof("show", path, "--waits"))
    assert (tables[0], tables[2]) == (
        "waited 312ms in all, 2 places",
        "and 100ms at places that are not recorded",
    )

    path = put_waiting(tmp_path, None, waited=0.312, total=0.5)
    (told,) = tables_of(reqprof("show", path, "--waits"))
    assert told == "waited 312ms in all, at places that are not recorded"


def test_a_wait_without_a_frame_is_told(reqprof: Reqprof, tmp_path: Path) -> None:
    path = put_waiting(tmp_path, Timeline((Wait((), 1, 0.1, 0.1),)), waited=0.1)

    rows = tables_of(reqprof("show", path, "--waits"))[1]

    assert rows.splitlines()[1] == " 100ms      1    100ms  (no Python frame)"


@pytest.mark.parametrize("match", [[], ["--match", "shop"]])
def test_where_nothing_is_recorded_one_line_says_why(
    reqprof: Reqprof, tmp_path: Path, match: list[str]
) -> None:
    for path in (put(tmp_path), put_foreign(tmp_path)):
        assert tables_of(reqprof("show", path, "--waits", *match)) == [
            "no waits are recorded: only ASGI requests await, and only reqprof records it"
        ]


def test_names_cannot_steer_the_terminal(
    reqprof: Reqprof, tmp_path: Path, terminal: Callable[[int], None]
) -> None:
    bad = ("/app/\x1b[2J\udcff.py", 1, "a\nb", 2)
    timeline = Timeline(
        (Wait((bad,), 1, 0.1, 0.1),), (Job(bad[:3], "t\x07", 1, 1.0, 1.0),), stopped_at=(bad,)
    )
    path = put_waiting(tmp_path, timeline)

    for columns in (None, 80):
        if columns:
            terminal(columns)
        result = reqprof("show", path, "--waits")
        assert "/app/\\x1b[2J\\udcff.py:2 a\\nb" in tables_of(result)[1]
        assert "t\\x07" in tables_of(result)[3]
        assert "\x1b" not in result.stdout


# --- data and faults


def test_json_has_the_same_rows_with_all_numbers(reqprof: Reqprof, path: Path) -> None:
    shown = json.loads(reqprof("show", path, "--waits", "--json").stdout)

    assert shown["facts"]["waited"] == 0.212
    assert shown["held_by"] == TIMELINE.held_by
    assert "functions" not in shown
    own, child = TIMELINE.waits[:2][::-1], TIMELINE.waits[2:][::-1]
    assert [
        (one["child"], one["count"], one["seconds"], one["longest"]) for one in shown["waits"]
    ] == [(one.child, one.count, one.seconds, one.longest) for one in (*own, *child)]
    assert shown["waits"][0]["stack"][1] == {
        "file": VIEW[0], "line": 49, "name": "checkout", "first_line": 31,
    }  # fmt: skip
    assert shown["jobs"][0] == {
        "file": "/app/shop/pdf.py", "line": 12, "name": "render",
        "thread": "AnyIO worker thread", "calls": 1, "wall": 0.0102, "cpu": 0.0029,
    }  # fmt: skip


def test_json_is_limited_and_matched_like_the_tables(reqprof: Reqprof, path: Path) -> None:
    shown = json.loads(reqprof("show", path, "--waits", "--json", "--limit", 1).stdout)
    assert [one["child"] for one in shown["waits"]] == [False, True]
    assert len(shown["jobs"]) == 1
    shown = json.loads(reqprof("show", path, "--waits", "--json", "--match", "sleep").stdout)
    assert [len(shown["waits"]), len(shown["jobs"])] == [2, 1]


def test_json_tells_of_the_loop_and_the_stop_without_waits_too(
    reqprof: Reqprof, tmp_path: Path
) -> None:
    timeline = Timeline(held_by={"7f3a09c41be2": 0.5}, stopped_at=(VIEW,))
    shown = json.loads(reqprof("show", put_waiting(tmp_path, timeline), "--json").stdout)
    assert shown["held_by"] == {"7f3a09c41be2": 0.5}
    assert [place["name"] for place in shown["stopped_at"]] == ["checkout"]
    shown = json.loads(reqprof("show", put_foreign(tmp_path), "--waits", "--json").stdout)
    assert (shown["waits"], shown["jobs"], shown["held_by"]) == ([], [], {})


@pytest.mark.parametrize("other", ["--callers", "--callees", "--sort"])
def test_waits_instead_of_functions_and_both_is_wrong_usage(
    reqprof: Reqprof, path: Path, other: str
) -> None:
    result = reqprof("show", path, "--waits", other, "name")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"reqprof: --waits has no functions: leave out {other}\n"


def test_damaged_waits_are_named_and_the_table_is_drawn_without_them(
    reqprof: Reqprof, tmp_path: Path
) -> None:
    path = tmp_path / "profiles" / "a.prof"
    path.parent.mkdir()
    path.write_bytes(prof.encode(table(), request(), {SECTION: b'{"waits":[7]}'}))

    result = reqprof("show", path)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"reqprof: {path}: its waits hold 7 in place of a wait of 5 parts\n"
    merged = reqprof("merge", "profiles", "--text")
    assert merged.exit_code == 1
    assert merged.stderr.count("its waits hold 7 in place of a wait of 5 parts; drawn from") == 1
    assert "making.work" in merged.stdout
    assert reqprof("merge", "profiles", "--prof", "-o", "-").exit_code == 0
    assert reqprof("slowest", "profiles").exit_code == 0


def test_untrusted_waits_read_the_same(reqprof: Reqprof, path: Path) -> None:
    assert (
        reqprof("show", path, "--waits", "--untrusted").stdout
        == reqprof("show", path, "--waits").stdout
    )
