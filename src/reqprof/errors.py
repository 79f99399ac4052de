"""What can go wrong on the reading side, each with the exit status the command ends with.

Nothing here is ever raised into a served app: the recording side counts and logs instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from reqprof.model import File


class ReqprofError(Exception):
    """One clear line for the person at the terminal: what, which value, what to do."""

    exit_code: ClassVar[int] = 1


class BadProfile(ReqprofError):
    """A file that cannot be read as a profile; ``path`` is the file, ``reason`` says why."""

    def __init__(self, path: File, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[BadProfile], tuple[File, str]]:
        return type(self), (self.path, self.reason)  # so that it travels between processes


class UsageError(ReqprofError):
    """An option or argument that makes no sense."""

    exit_code = 2


class NotFound(ReqprofError):
    """A file, folder, request or address that is not to be had."""

    exit_code = 3
