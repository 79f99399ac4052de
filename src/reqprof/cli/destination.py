"""What a merge is to become and where it goes, from the options and from the terminal."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reqprof.cli import gather
from reqprof.cli.output import STDOUT, keep_off
from reqprof.cli.talk import to_terminal
from reqprof.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SUFFIXES = {"svg": ".svg", "prof": ".prof", "text": ".txt", "folded": ".folded"}
"""Each format with the extension of its files."""

UNREADABLE = ("svg", "prof")
"""Formats that no person wants on a terminal."""


@dataclass(frozen=True, slots=True)
class Destination:
    """The format, and the file or (for one picture per request) folder; None is stdout."""

    form: str
    path: Path | None


def choose(flags: Mapping[str, bool], out: str | None, names: Sequence[str]) -> Destination:
    """One file or stdout: an explicit format wins, then the extension, then text.

    Raises UsageError.
    """
    given = one_format(flags)
    if out == STDOUT:
        return Destination(given or "text", None)
    if out is not None:
        path = Path(out)
        if path.is_dir():
            raise UsageError(f"{out} is a folder; name a file, or add --each for many pictures")
        return Destination(given or _by_extension(path), path)
    if given in UNREADABLE and to_terminal():
        return Destination(given, Path(_stem(names) + SUFFIXES[given]))
    return Destination(given or "text", None)


def choose_folder(flags: Mapping[str, bool], out: str | None, names: Sequence[str]) -> Destination:
    """The folder for one picture per request; raises UsageError."""
    given = one_format(flags) or "svg"
    if given == "prof":
        raise UsageError("--each makes pictures, and the profiles are there already: drop --prof")
    if out is None or out == STDOUT:
        raise UsageError("--each makes many files: give it a folder with -o FOLDER")
    if Path(out).exists() and not Path(out).is_dir():
        raise UsageError(f"{out} is a file; --each needs a folder")
    return Destination(given, Path(out))


def check(goal: Destination, names: Sequence[str], inputs: Iterable[Path]) -> None:
    """Raise UsageError where the file is one of the inputs, or would be the next time."""
    if goal.path is None:
        return
    keep_off(goal.path, inputs)
    parent = os.path.realpath(goal.path.parent)
    for name in names:
        if goal.form == "prof" and os.path.realpath(name) == parent:
            raise UsageError(
                f"{goal.path} would lie among the profiles and be counted with them next time;"
                " write it to another folder"
            )


def one_format(flags: Mapping[str, bool]) -> str | None:
    """The format asked for by name, if any; raises UsageError for two."""
    given = [name for name, on in flags.items() if on]
    if len(given) > 1:
        raise UsageError(f"{' and '.join('--' + name for name in given)}: give one of them")
    return given[0] if given else None


def _by_extension(path: Path) -> str:
    for name, suffix in SUFFIXES.items():
        if path.suffix.lower() == suffix:
            return name
    known = ", ".join(SUFFIXES.values())
    problem = f"the extension {path.suffix!r}" if path.suffix else "no extension"
    raise UsageError(f"{path} has {problem}, which says no format; use {known} or give the format")


def _stem(names: Sequence[str]) -> str:
    """The name of a file in the current folder, after what was merged."""
    if len(names) > 1:
        return "merged"
    path = Path(names[0] if names else gather.DEFAULT_FOLDER)
    if not path.exists():  # a glob
        return "merged"
    return (path.resolve().name if path.is_dir() else path.stem) or "merged"
