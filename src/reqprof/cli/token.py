"""Print a token with which a request asks for its own profile.

A middleware that was given the same secret as trigger= profiles and keeps a request that brings
the token in the header X-Reqprof or in a cookie named reqprof, whatever its other options say:

  curl -H "X-Reqprof: $(reqprof token --secret-file F)" https://shop.example/orders/17

The secret has at least 16 bytes; a line end after it does not count. Who has a token needs no
secret, and can do nothing else with it. It ends by itself, and cannot be taken back before.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import click

from reqprof import tokens
from reqprof.cli.params import parsed
from reqprof.cli.talk import complain, emit
from reqprof.durations import parse_duration
from reqprof.errors import NotFound, UsageError

_STDIN = "-"
_MAX_SIZE = 1 << 16  # a longer file was named by mistake


@click.command(help=__doc__)
@click.option(
    "--secret-file",
    "file",
    metavar="FILE",
    required=True,
    help="What holds the secret, readable by its owner alone; - reads standard input.",
)
@click.option(
    "--for",
    "seconds",
    metavar="DURATION",
    default="10m",
    show_default=True,
    callback=parsed(parse_duration),
    help="How long it is good for: 90s, 10m, 2h; at most 366 days.",
)
@click.option(
    "--route",
    metavar="PATTERN",
    help="Good for these paths alone: a glob (* crosses slashes) or a template such as"
    " /orders/{id}. Compared with the path of the request.",
)
def command(file: str, seconds: float, route: str | None) -> int:
    """Print one; gives the exit status."""
    secret = _secret(file)
    try:
        emit([tokens.make(secret, seconds, route)])
    except ValueError as error:
        raise UsageError(str(error)) from None
    return 0


def _secret(file: str) -> bytes:
    """Raises NotFound where it cannot be read, and UsageError where it is none."""
    try:
        secret = _typed() if file == _STDIN else _contents(Path(file))
    except OSError as error:
        raise NotFound(f"{file}: cannot be read: {error.strerror or error}") from None
    if len(secret) > _MAX_SIZE:
        raise UsageError(f"{file}: more than {_MAX_SIZE:,} bytes; that is no secret")
    try:
        return tokens.key(secret)
    except ValueError as error:
        hint = "make one with: head -c 32 /dev/urandom | base64"
        raise UsageError(f"{file}: {error}; {hint}") from None


def _typed() -> bytes:
    if sys.stdin is None:  # closed by whoever started us
        raise NotFound(f"{_STDIN}: there is no standard input")
    return sys.stdin.buffer.read(_MAX_SIZE + 1)


def _contents(path: Path) -> bytes:
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if os.name == "posix" and mode & 0o077:
            complain(f"{path} can be used by others (mode {mode:04o}); run: chmod 600 {path}")
        return file.read(_MAX_SIZE + 1)
