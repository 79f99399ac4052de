"""Where a result goes: stdout or a file, which is whole or absent and never one of the inputs."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from reqprof.cli.talk import emit_bytes, say
from reqprof.errors import ReqprofError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

STDOUT = "-"


class CannotWrite(ReqprofError):
    """A file or folder that cannot be made."""

    exit_code: ClassVar[int] = 3

    def __init__(self, path: Path, error: OSError) -> None:
        hint = ""
        if not path.parent.exists():
            hint = f"; make the folder first: mkdir -p {path.parent}"
        super().__init__(f"cannot write {path}: {error.strerror}{hint}")


def deliver(data: str | bytes, path: Path | None) -> None:
    """Send ``data`` to ``path``, or to stdout where that is None."""
    content = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data
    if path is None:
        emit_bytes(content)
    else:
        write(path, content)


def write(path: Path, content: bytes) -> None:
    """Make the file, all of it or not at all; raises CannotWrite."""
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():
            target.write_bytes(content)  # a device or a pipe: there is nothing to replace
        else:
            _replace(target, content)
    except OSError as error:
        raise CannotWrite(path, error) from None


def _replace(target: Path, content: bytes) -> None:
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def make_folder(path: Path) -> None:
    """Make the folder and those above it; raises CannotWrite."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(path, error) from None


def keep_off(path: Path, inputs: Iterable[Path]) -> None:
    """Raise UsageError where writing to ``path`` would overwrite one of ``inputs``."""
    try:
        target = path.stat()
    except OSError:
        return  # what is not there is no input
    for one in inputs:
        with suppress(OSError):
            if os.path.samestat(one.stat(), target):
                raise UsageError(f"{path} is one of the profiles to read; give another file to -o")


def wrote(path: Path, what: str) -> None:
    """Tell the person what came of it."""
    say(f"wrote {path}: {what}")
