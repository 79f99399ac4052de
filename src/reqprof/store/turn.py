"""One process at a time, among those that write to a folder."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reqprof.store.index import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PAUSE = 0.002

_FLAGS = os.O_RDONLY
for _name in ("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW"):
    _FLAGS |= getattr(os, _name, 0)


class Turn:
    """To do what only one process need do.

    The lock is on the folder ``beside`` the profiles, or on that of the profiles.
    """

    def __init__(self, folder: Path, beside: str = FOLDER) -> None:
        self._path = os.path.join(folder, beside)  # noqa: PTH118  see Writer._place

    @contextmanager
    def taken(self, patience: float = 0.0) -> Iterator[bool]:
        """Whether it is this process's turn, for as long as the block runs.

        It is waited for ``patience`` seconds, and for a dead process not at all. Where no lock is
        to be had, such as on a file system that has none, it always is.
        """
        try:
            descriptor = os.open(self._path, _FLAGS)
        except OSError:
            yield True
            return
        try:
            until = time.monotonic() + patience
            while not (mine := _lock(descriptor)) and time.monotonic() < until:
                time.sleep(_PAUSE)
            yield mine
        finally:
            os.close(descriptor)  # which ends the lock


def _lock(descriptor: int) -> bool:
    try:
        import fcntl  # which Windows has not

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        pass
    return True
