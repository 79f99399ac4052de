"""Profiles wherever they are: in files here, or behind URLs, from where many come at a time."""

from __future__ import annotations

from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING

from reqprof.errors import BadProfile, NotFound
from reqprof.store import reader
from reqprof.store.remote import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from reqprof.model import File, Profile, RemoteFile, Request
    from reqprof.store.remote.folder import Folder

_MANY = 64  # profiles that are fetched together
_MUCH = 16 << 20  # or bytes


def place(name: str | PathLike[str]) -> Path | Folder:
    """What a person names: a URL, or a file, folder or glob here. A bundle is read by its URL."""
    text = fspath(name)
    if "://" not in text and not text.endswith(SUFFIX):
        return Path(text)
    if "://" not in text:
        text = f"file://{Path(text).absolute()}"
    from reqprof.store.remote.folder import Folder  # only here: it takes its time to import

    return Folder(text)


def file(name: str | PathLike[str]) -> File:
    """The one file that a person names; raises NotFound and UsageError for a URL of none."""
    named = place(name)
    return named if isinstance(named, Path) else named.file()


def facts(file: File) -> Request | None:
    """As :func:`reader.facts`; behind a URL there are none but those that a listing has found."""
    if isinstance(file, Path):
        return reader.facts(file)
    raise BadProfile(file, "its line of the index makes no sense")


class Reader:
    """Reads a profile. What it is for and what it raises, :func:`reader.read` says.

    What is behind a URL is read by the restricted decoder: no checksum says who put it there. It
    is fetched with what will be read next, where :meth:`expect` has told that. Travels by pickle.
    """

    def __init__(self, *, trusted: bool = True, table_only: bool = False) -> None:
        self._trusted, self._table_only = trusted, table_only
        self._order: list[RemoteFile] = []
        self._place: dict[RemoteFile, int] = {}
        self._held: dict[RemoteFile, bytes | Exception] = {}

    def expect(self, files: Sequence[File]) -> None:
        """These are read next, in this order."""
        self._order = [file for file in files if not isinstance(file, Path)]
        self._place = {file: place for place, file in enumerate(self._order)}

    def __call__(self, file: File) -> Profile:
        """The profile."""
        if isinstance(file, Path):
            return reader.read(file, trusted=self._trusted, table_only=self._table_only)
        reader.check_size(file, file.size)
        if file not in self._held:
            self._fetch(file)
        return reader.parse(
            _contents(file, self._held.pop(file)), file, table_only=self._table_only
        )

    def _fetch(self, file: RemoteFile) -> None:
        from reqprof.store.remote.fetch import fetch

        some, size = [file], file.size
        place = self._place.get(file, len(self._order))
        for other in self._order[place + 1 : place + _MANY]:
            size += other.size
            if size > _MUCH:
                break
            some.append(other)
        self._held = fetch(some)


def _contents(file: RemoteFile, found: bytes | Exception) -> bytes:
    from reqprof.store.remote import bundle
    from reqprof.store.remote.objects import said

    if isinstance(found, FileNotFoundError):
        raise NotFound(f"{file}: no such object")
    if isinstance(found, Exception):
        raise BadProfile(file, f"not readable: {said(found)}")
    try:
        return found if file.start is None else bundle.profile(found)
    except ValueError as error:
        raise BadProfile(file, str(error)) from None
