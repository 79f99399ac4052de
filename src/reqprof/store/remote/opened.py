"""Bundles opened: what each says of itself, which is all that a listing needs of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reqprof.errors import BadProfile
from reqprof.model import RemoteFile
from reqprof.store import quick
from reqprof.store.remote import bundle
from reqprof.store.remote.objects import Span, last, ranges, said
from reqprof.store.stored import Stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True, eq=False)
class Directory:
    """Profiles of a bundle, or of one folder: a name gives a file, as it does of a Path."""

    url: str
    files: dict[str, RemoteFile] = field(default_factory=dict)

    def __truediv__(self, name: str) -> RemoteFile:
        return self.files[name]


@dataclass(frozen=True, slots=True)
class Bundle:
    """An object that holds many: its profiles, the lines of its index and of its tallies."""

    directory: Directory
    index: bytes
    tallies: bytes

    def stored(self) -> Iterator[Stored]:
        """Its profiles with their facts."""
        for glance, lines, number in quick.glances(self.index):
            if glance.file in self.directory.files:
                yield Stored(self.directory, glance.file, glance, lines, number)


def open_bundles(files: Any, sizes: Mapping[str, int]) -> Iterator[Bundle | BadProfile]:
    """Those objects, of these sizes, or why they cannot be read."""
    spans = {path: last(size, bundle.TAIL) for path, size in sizes.items()}
    tails = ranges(files, spans.items())
    for (path, size), tail in zip(sizes.items(), tails, strict=True):
        url = files.unstrip_protocol(path)
        try:
            yield _open(files, path, url, size, tail)
        except ValueError as error:
            yield BadProfile(RemoteFile(url, url.rpartition("/")[2], size), str(error))


def _open(files: Any, path: str, url: str, size: int, tail: bytes | Exception) -> Bundle:
    if isinstance(tail, Exception):
        raise ValueError(f"not readable: {said(tail)}")
    before = size - len(tail)

    def unpacked(span: Span) -> bytes:
        if not span.size:
            return b""
        if span.start < before:
            return bundle.unpack(files.cat_file(path, start=span.start, end=span.end))
        return bundle.unpack(tail[span.start - before :][: span.size])

    contents = bundle.contents(tail, size)
    index = unpacked(contents.lines)
    names = bundle.members(index, size)
    profiles = {name: RemoteFile(url, name, span.size, span.start) for name, span in names.items()}
    return Bundle(Directory(url, profiles), index, unpacked(contents.tallies))
