"""What a drawing is to become and where it goes, from the options and from the terminal."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reqprof.cli import gather
from reqprof.cli.output import STDOUT, keep_off
from reqprof.cli.talk import to_terminal
from reqprof.errors import UsageError
from reqprof.view import FORMATS, format_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reqprof.cli.wish import Wish
    from reqprof.model import File


@dataclass(frozen=True, slots=True)
class Destination:
    """The format, and the file or (for one picture per request) folder; None is stdout."""

    form: str
    path: Path | None


def choose(wish: Wish, names: Sequence[str]) -> Destination:
    """One file or stdout: an explicit format wins, then the extension, then text.

    Raises UsageError.
    """
    given = wish.form or ("svg" if wish.renderer == "flameprof" and wish.out is None else None)
    if wish.out == STDOUT:
        return Destination(given or "text", None)
    if wish.out is not None:
        path = Path(wish.out)
        if path.is_dir():
            example = path / (_stem(names) + suffix_of(given or "svg"))
            raise UsageError(f"{wish.out} is a folder; name a file, such as {example}")
        return Destination(given or format_of(path), path)
    form = given or "text"
    if to_terminal() and not FORMATS[form].for_terminal:
        return Destination(form, Path(_stem(names) + suffix_of(form)))
    return Destination(form, None)


def choose_folder(wish: Wish) -> Destination:
    """The folder for one picture per request; raises UsageError."""
    form = wish.form or "svg"
    if form == "prof":
        raise UsageError("--each makes pictures, and the profiles are there already: drop --prof")
    if wish.out is None or wish.out == STDOUT:
        raise UsageError("--each makes many files: give it a folder with -o FOLDER")
    path = Path(wish.out)
    if path.exists() and not path.is_dir():
        raise UsageError(f"{wish.out} is a file; --each needs a folder")
    if not path.exists() and any(path.name.endswith(one.extensions) for one in FORMATS.values()):
        raise UsageError(
            f"{wish.out} is the name of one file; --each needs a folder, and takes a format such as"
            " --svg or --html"
        )
    return Destination(form, Path(wish.out))


def suffix_of(form: str) -> str:
    """The usual extension of a format's files."""
    return FORMATS[form].extensions[0]


def check(goal: Destination, names: Sequence[str], inputs: Iterable[File]) -> None:
    """Raise UsageError where the file is one of the inputs, or would be the next time."""
    if goal.path is None:
        return
    keep_off(goal.path, (file for file in inputs if isinstance(file, Path)))
    parent = os.path.realpath(goal.path.parent)
    for name in names:
        if goal.form == "prof" and os.path.realpath(name) == parent:
            raise UsageError(
                f"{goal.path} would lie among the profiles and be counted with them next time;"
                " write it to another folder"
            )


def _stem(names: Sequence[str]) -> str:
    """The name of a file in the current folder, after what was merged."""
    if len(names) > 1:
        return "merged"
    name = names[0] if names else gather.DEFAULT_FOLDER
    path = Path(name)
    if "*" in path.name or not (path.exists() or "://" in name):  # a glob
        return "merged"
    return (path.resolve().name if path.is_dir() else path.stem) or "merged"
