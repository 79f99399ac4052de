"""Files and folders that their owner alone can read, whatever the umask."""

from __future__ import annotations

import contextlib
import os
import stat
from io import FileIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make_private(folder: Path) -> None:
    """Make the folder, where it is not there; raises OSError where that is impossible."""
    if os.path.isdir(folder):  # noqa: PTH112  asked before each profile
        return
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        if not folder.is_dir():
            raise
    else:
        _set_mode(folder, 0o700)


def open_to_others(folder: Path) -> int:
    """What others than its owner may do there, as mode bits; 0 is nothing. Raises OSError."""
    return stat.S_IMODE(folder.stat().st_mode) & 0o077 if os.name == "posix" else 0


def open_private(path: str | bytes, flags: int) -> FileIO:
    """A file to write to, made where it is not there; no link is followed. Raises OSError."""
    flags |= os.O_WRONLY | os.O_CREAT
    for name in ("O_BINARY", "O_CLOEXEC", "O_NOFOLLOW"):
        flags |= getattr(os, name, 0)
    file = FileIO(os.open(path, flags, 0o600), "wb")
    _set_mode(file.fileno(), 0o600)
    return file


def replace_private(path: str, data: bytes) -> None:
    """Put ``data`` in the place of what was there, whole or not at all. Raises OSError."""
    temporary = f"{path}-{os.urandom(4).hex()}"
    try:
        with open_private(temporary, os.O_EXCL) as file:
            if file.write(data) != len(data):
                raise OSError("the disk took a part of it only")
        os.replace(temporary, path)  # noqa: PTH105  Python 3.12 keeps the parts of paths
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
        raise


def _set_mode(what: Path | int, mode: int) -> None:
    # A strict umask may have taken more away; a file system without modes has nothing to set.
    with contextlib.suppress(OSError):
        os.chmod(what, mode)  # noqa: PTH101  an open file has no path
