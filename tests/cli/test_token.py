"""``reqprof token``: a token alone on stdout, or one line that says why there is none."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from reqprof.tokens import check

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from .conftest import Spawn

    Reqprof = Callable[..., Result]

SECRET = "correct horse battery staple"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that holds it, with the line end that editors leave."""
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return path


def test_it_prints_the_token_alone(reqprof: Reqprof, secret: Path) -> None:
    result = reqprof("token", "--secret-file", secret, "--for", "10m")

    assert (result.exit_code, result.stderr) == (0, "")
    token = result.stdout.removesuffix("\n")
    now = time.time()
    assert check(SECRET, token, "/orders/17", now)
    assert check(SECRET, token, "/orders/17", now + 590)
    assert not check(SECRET, token, "/orders/17", now + 602)


def test_it_is_good_for_ten_minutes_unless_told(reqprof: Reqprof, secret: Path) -> None:
    token = reqprof("token", "--secret-file", secret).stdout.strip()

    assert check(SECRET, token, "/", time.time() + 590)
    assert not check(SECRET, token, "/", time.time() + 602)


@pytest.mark.parametrize("route", ["/orders/*", "/orders/{id}"])
def test_a_route_narrows_it(reqprof: Reqprof, secret: Path, route: str) -> None:
    token = reqprof("token", "--secret-file", secret, "--route", route).stdout.strip()

    assert check(SECRET, token, "/orders/17")
    assert not check(SECRET, token, "/users/17")


def test_a_dash_reads_standard_input(spawn: Spawn) -> None:
    done = spawn("token", "--secret-file", "-", input=SECRET.encode() + b"\r\n")

    assert (done.returncode, done.stderr) == (0, b"")
    assert check(SECRET, done.stdout.decode().strip(), "/")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_file_that_others_can_use_is_told_of_in_one_line(
    reqprof: Reqprof, secret: Path, mode: int
) -> None:
    secret.chmod(mode)

    result = reqprof("token", "--secret-file", secret)

    assert result.exit_code == 0
    assert check(SECRET, result.stdout.strip(), "/")
    assert result.stderr == (
        f"reqprof: {secret} can be used by others (mode {mode:04o}); run: chmod 600 {secret}\n"
    )


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--secret-file", "nowhere"], 3, "nowhere: cannot be read: No such file or directory"),
        (["--secret-file", "."], 3, ".: cannot be read: Is a directory"),
        ([], 2, "--secret-file"),
        (["--secret-file", "short"], 2, "short: a secret has at least 16 bytes; this one has 7"),
        (["--secret-file", "long"], 2, "long: more than 65,536 bytes"),
        (["--secret-file", "secret", "--for", "soon"], 2, "'soon' is no duration"),
        (["--secret-file", "secret", "--for", "0"], 2, "good for more than 0 s, at most 366 days"),
        (["--secret-file", "secret", "--for", "9999d"], 2, "at most 366 days"),
        (["--secret-file", "secret", "--route", "orders"], 2, "'orders' matches no path"),
        (["--secret-file", "secret", "--route", "/" * 257], 2, "at most 256 bytes"),
    ],
)
def test_what_is_wrong_is_told_in_a_line_without_the_secret(
    reqprof: Reqprof, secret: Path, options: list[str], status: int, message: str
) -> None:
    for name, text in (("short", "hunter2"), ("long", "hunter2" * 10_000)):
        (secret.parent / name).write_text(text)
        (secret.parent / name).chmod(0o600)

    result = reqprof("token", *options)

    assert (result.exit_code, result.stdout) == (status, "")
    assert message in result.stderr
    (line,) = [line for line in result.stderr.splitlines() if message in line]
    assert line.startswith(("reqprof: ", "Error: "))
    assert "hunter2" not in result.stderr
    assert SECRET not in result.stderr
