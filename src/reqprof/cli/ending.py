"""How the command ends: one line and an exit status for whatever went wrong."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Never

import click

from reqprof.cli.talk import complain, printable
from reqprof.errors import ReqprofError

if TYPE_CHECKING:
    from collections.abc import Callable

INTERRUPTED = 130
"""What a shell reports for a command that Ctrl-C ended."""

PIPE_CLOSED = 141
"""What a shell reports for a command that SIGPIPE ended: the reader has gone, nobody is told."""


def run(command: Callable[[], object]) -> int:
    """Call ``command`` and give the exit status; what it raises becomes a line on stderr.

    An integer that ``command`` returns is its status, anything else means done.
    """
    try:
        status = command()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ReqprofError as error:
        complain(str(error))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        # click takes an EOFError, which marshal raises too, for a person who gave up.
        if isinstance(error.__cause__, EOFError):
            return _internal(error.__cause__)
        return INTERRUPTED
    except OSError as error:
        return _system(error) if error.filename is not None else _internal(error)
    except Exception as error:
        return _internal(error)
    return status if isinstance(status, int) else 0


def end(status: int) -> Never:
    """Write out what is still held back, then leave with ``status``.

    A closed pipe is often only noticed here, and again when the interpreter shuts down.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        status = PIPE_CLOSED
    except OSError as error:
        complain(f"standard output: {error.strerror}")
        status = status or 1
    if status == PIPE_CLOSED or _unwritable():
        _discard_output()
    sys.exit(status)


def _unwritable() -> bool:
    """Whether stdout still holds what it could not write."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        return True
    return False


def _discard_output() -> None:
    # The interpreter flushes stdout once more on its way out, and would complain.
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _system(error: OSError) -> int:
    complain(f"{printable(os.fsdecode(error.filename))}: {error.strerror}")
    return 3


def _internal(error: BaseException) -> int:
    if os.environ.get("REQPROF_DEBUG"):
        raise error
    complain(
        f"internal error: {type(error).__name__}: {error};"
        " run with REQPROF_DEBUG=1 for the traceback"
    )
    return 1
