"""One picture for each request, and a page that lists them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reqprof.cli import page
from reqprof.cli.output import deliver, make_folder
from reqprof.cli.page import Picture
from reqprof.cli.talk import complain
from reqprof.errors import ReqprofError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reqprof.model import Profile

INDEX = "index.html"


def write(
    profiles: Iterable[Profile],
    folder: Path,
    suffix: str,
    draw: Callable[[Profile], str | bytes],
) -> tuple[list[Picture], int]:
    """Make the pictures; those made, and how many could not be (each is named on stderr)."""
    make_folder(folder)
    made: list[Picture] = []
    taken: set[str] = set()
    failed = 0
    for profile in profiles:
        source = profile.path.name if profile.path else "profile"
        try:
            content = draw(profile)
        except ReqprofError as error:
            complain(f"no picture of {source}: {error}")
            failed += 1
            continue
        name = _free_name(Path(source).stem, suffix, taken)
        deliver(content, folder / name)
        made.append(Picture(name, source, _seconds(profile), profile.request))
    return made, failed


def write_index(pictures: Iterable[Picture], folder: Path, title: str, notes: list[str]) -> Path:
    """Make the page beside them; its path."""
    path = folder / INDEX
    deliver(page.render(pictures, title, notes), path)
    return path


def _seconds(profile: Profile) -> float:
    if profile.request is not None:
        return profile.request.duration
    return sum(entry[2] for entry in profile.stats.values())


def _free_name(stem: str, suffix: str, taken: set[str]) -> str:
    # Profiles of several folders may share a name, and some disks do not tell case apart.
    name, number = stem + suffix, 2
    while name.lower() in taken:
        name, number = f"{stem}-{number}{suffix}", number + 1
    taken.add(name.lower())
    return name
