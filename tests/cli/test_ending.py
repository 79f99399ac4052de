"""How the command ends, seen from outside: statuses, closed pipes, terminals, Ctrl-C."""

from __future__ import annotations

import importlib
import os
import pty
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from reqprof.cli import COMMANDS, cli, slowest
from reqprof.errors import NotFound, ReqprofError, UsageError

from .making import put, put_damaged, put_rubbish

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Spawn


def test_no_command_shows_the_help(spawn: Spawn) -> None:
    result = spawn()

    assert (
        b"slowest  Rank the requests, worst first, those without a profile too."
        in result.stdout + result.stderr
    )


def test_help_goes_to_stdout_and_tells_the_exit_statuses(spawn: Spawn) -> None:
    result = spawn("--help")

    assert result.returncode == 0
    assert b"Exit status: 0 done" in result.stdout
    assert result.stderr == b""


@pytest.mark.parametrize("name", COMMANDS)
def test_the_first_line_of_a_command_is_its_line_in_the_list(name: str) -> None:
    module = importlib.import_module(f"reqprof.cli.{name}")

    assert str(module.__doc__).splitlines()[0] == COMMANDS[name]
    assert CliRunner().invoke(cli, [name, "--help"]).exit_code == 0


def test_help_loads_neither_commands_nor_rich(environment: dict[str, str]) -> None:
    code = (
        "import sys; from reqprof.cli import cli; cli(['--help'], standalone_mode=False);"
        "bad = [m for m in sys.modules if m == 'rich' or m.startswith(('reqprof.cli.m', 'reqprof.s'"
        ", 'reqprof.tree', 'reqprof.view', 'reqprof.record'))]; assert not bad, bad"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env=environment, stdout=subprocess.DEVNULL
    )


def test_the_version_is_that_of_the_package(spawn: Spawn) -> None:
    import reqprof

    assert spawn("--version").stdout.decode() == f"reqprof {reqprof.__version__}\n"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["slowest", "profiles"], 0),
        (["slowest", "broken"], 1),
        (["slowest", "--nosuch"], 2),
        (["nosuch"], 2),
        (["slowest", "--since", "never"], 2),
        (["slowest", "nosuch"], 3),
        (["show", "@1"], 0),
        (["show", "@99"], 3),
        (["merge", "nosuch"], 3),
    ],
)
def test_the_status_of_the_process_tells_how_it_went(
    spawn: Spawn, tmp_path: Path, words: list[str], status: int
) -> None:
    put(tmp_path / "profiles")
    put_damaged(tmp_path / "broken")
    put(tmp_path / "broken")

    result = spawn(*words)

    assert result.returncode == status
    assert b"Traceback" not in result.stderr


@pytest.mark.parametrize("error", [ReqprofError, UsageError, NotFound])
def test_an_error_of_ours_carries_its_status(
    error: type[ReqprofError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slowest, "rank", lambda *_: (_ for _ in ()).throw(error("it\nfailed")))
    result = CliRunner().invoke(cli, ["slowest", "."])

    assert result.exit_code == error.exit_code
    assert result.stderr == "reqprof: it\\nfailed\n"


def test_any_other_error_is_one_line_with_the_way_to_a_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(slowest, "rank", lambda *_: dict[str, int]()["missing"])
    put(tmp_path)

    result = CliRunner().invoke(cli, ["slowest", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr == (
        "reqprof: internal error: KeyError: 'missing'; run with REQPROF_DEBUG=1 for the traceback\n"
    )

    monkeypatch.setenv("REQPROF_DEBUG", "1")
    assert isinstance(CliRunner().invoke(cli, ["slowest", str(tmp_path)]).exception, KeyError)


@pytest.mark.parametrize("error", [KeyboardInterrupt, EOFError])
def test_ctrl_c_ends_with_130_and_an_eof_error_is_not_taken_for_it(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(slowest, "rank", lambda *_: (_ for _ in ()).throw(error))

    result = CliRunner().invoke(cli, ["slowest", str(tmp_path)])

    assert result.exit_code == (130 if error is KeyboardInterrupt else 1)
    assert "Traceback" not in result.output


def test_a_process_that_ctrl_c_hits_ends_with_130_and_no_traceback(
    environment: dict[str, str], tmp_path: Path
) -> None:
    code = (
        "import time; from reqprof.cli import main, slowest;"
        "slowest.rank = lambda *_: [print('ready', flush=True), *map(time.sleep, [.05] * 600)];"
        "main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "slowest", str(tmp_path)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)

    assert process.returncode == 130
    assert b"Traceback" not in said


@pytest.mark.parametrize("words", [["slowest", "-n", "0"], ["slowest", "--json"], ["show", "@1"]])
@pytest.mark.parametrize("lines", [0, 1])
def test_a_reader_that_goes_away_is_no_error(
    environment: dict[str, str], tmp_path: Path, words: list[str], lines: int
) -> None:
    long = "/" + "x" * 60_000  # more than a pipe holds until it is read
    for _ in range(3):
        put(tmp_path / "profiles", route=long, path=long, labels={"long": long})
    process = subprocess.Popen(
        [sys.executable, "-m", "reqprof", *words],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    if lines:
        process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()

    assert process.wait(timeout=30) == 141
    assert said == b""


def test_output_that_cannot_be_written_is_said(environment: dict[str, str], tmp_path: Path) -> None:
    put(tmp_path / "profiles")
    full = (
        "import sys, os; from reqprof.cli import main; os.dup2(os.open('/dev/full', 1), 1); main()"
    )

    result = subprocess.run(
        [sys.executable, "-c", full, "slowest"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        check=False,
    )

    assert result.returncode == 1
    assert result.stderr == b"reqprof: standard output: No space left on device\n"


def test_a_closed_stdout_is_no_traceback(environment: dict[str, str], tmp_path: Path) -> None:
    put(tmp_path / "profiles")

    result = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m reqprof slowest >&-"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        check=False,
    )

    assert b"Traceback" not in result.stderr


def test_any_route_can_be_printed_in_ascii(spawn: Spawn, tmp_path: Path) -> None:
    put(tmp_path / "profiles", route="/café/日本")

    result = spawn("slowest", env={"PYTHONIOENCODING": "ascii"})

    assert result.returncode == 0
    assert rb"/caf\xe9/\u65e5\u672c" in result.stdout


def on_terminal(
    environment: dict[str, str], folder: Path, columns: int, *words: str, **more: str
) -> tuple[list[str], str]:
    """Run the command on a pseudo-terminal; the lines it shows without and with colour codes."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "reqprof", *words],
        cwd=folder,
        env={**environment, "COLUMNS": str(columns), "TERM": "xterm-256color", **more},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    process.wait(timeout=30)
    text = shown.decode().replace("\r\n", "\n")
    # A line that is wiped to be written anew counts as one that ended.
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.replace("\r", "\n")).splitlines(), text


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("words", [["slowest"], ["slowest", "--by", "route"], ["show", "@1"]])
def test_no_row_is_wider_than_the_terminal(
    environment: dict[str, str], tmp_path: Path, columns: int, words: list[str]
) -> None:
    for number in range(3):
        put(
            tmp_path / "profiles",
            route="/api/v1/organisations/{organisation}/projects/{project}/issues/{issue}" * 2,
            status=500,
            exception="ReallyQuiteLongNamedValidationError",
            start=1e9 * number,
        )

    lines, _ = on_terminal(environment, tmp_path, columns, *words)

    at = next(number for number, line in enumerate(lines) if re.match(r"rank|count|ncalls", line))
    assert len(lines) > at + 1
    assert max(map(len, lines[at:])) <= columns, lines


def test_a_bar_on_a_terminal_does_not_cut_into_messages(
    environment: dict[str, str], tmp_path: Path
) -> None:
    for _ in range(101):
        put(tmp_path / "profiles", size=2)
    put_rubbish(tmp_path / "profiles", "50.prof")

    lines, text = on_terminal(environment, tmp_path, 120, "merge", "--prof", "-o", "all.prof")

    assert "Reading profiles" in text
    assert any(line.startswith("reqprof: skipped profiles/50.prof: ") for line in lines), lines
    assert "wrote all.prof: 101 requests" in lines


def test_errors_are_red_on_a_terminal_unless_colour_is_unwanted(
    environment: dict[str, str], tmp_path: Path
) -> None:
    put(tmp_path / "profiles", status=500, route="/broken")
    put(tmp_path / "profiles", route="/fine")

    _, text = on_terminal(environment, tmp_path, 80, "slowest")
    assert "\x1b[31m/broken\x1b[0m" in text
    assert "\x1b[31m/fine" not in text

    for more in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        _, text = on_terminal(environment, tmp_path, 80, "slowest", **more)
        assert "/broken" in text
        assert "\x1b" not in text
