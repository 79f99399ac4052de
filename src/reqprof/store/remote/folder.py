"""The profiles below a URL: those in bundles, and single ones as in a folder that was copied there.

Only what is wanted is fetched: of a bundle what it says of itself, of a single profile that no
index tells of its last bytes.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from reqprof.errors import BadProfile, NotFound, UsageError
from reqprof.model import RemoteFile
from reqprof.store import format as prof
from reqprof.store import index, quick, traffic_files
from reqprof.store.facts import from_facts
from reqprof.store.index import Found
from reqprof.store.reader import check_foreign
from reqprof.store.remote import SUFFIX, bundle
from reqprof.store.remote.objects import Span, last, ranges, reached, said, sizes
from reqprof.store.remote.opened import Bundle, Directory, open_bundles
from reqprof.store.stored import Stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqprof.model import Request
    from reqprof.store.quick import Glance, Lines
    from reqprof.store.traffic import Window


class Folder:
    """What is below a URL, or at it, or what a glob matches. It is listed once."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._opened: dict[str, Bundle | BadProfile] = {}

    def __str__(self) -> str:
        return self.url

    def found(self, since: float | None = None, until: float | None = None) -> Found:
        """The profiles with their facts, and what cannot be used, as :func:`index.find`.

        Bundles that have no request from between these moments may be left out. Raises NotFound
        where nothing is there, or it cannot be reached.
        """
        found = Found([], [], [])
        for opened in self._bundles(since, until):
            if isinstance(opened, BadProfile):
                found.bad.append(opened)
            else:
                found.stored.extend(opened.stored())
        self._add_single(found)
        found.stored.sort(key=lambda stored: str(stored.path))
        return found

    def files(self) -> tuple[list[RemoteFile], list[BadProfile]]:
        """The profiles, none of which is looked into, and the bundles that cannot be read."""
        opened = list(self._bundles())
        packed = [
            file
            for one in opened
            if isinstance(one, Bundle)
            for file in one.directory.files.values()
        ]
        with reached(self.url) as (files, _):
            single = [self._file(files, path) for path in self._single()]
        return sorted([*packed, *single], key=str), [
            one for one in opened if isinstance(one, BadProfile)
        ]

    def file(self) -> RemoteFile:
        """The one profile that this is the URL of, single or in a bundle (``BUNDLE/NAME``).

        Raises NotFound where there is none, UsageError where there are many.
        """
        end = self.url.rfind(f"{SUFFIX}/")
        if end >= 0:
            name = self.url[end + len(SUFFIX) + 1 :]
            packed, bad = Folder(self.url[: -len(name) - 1]).files()
            wanted = [file for file in packed if file.name == name]
        else:
            wanted, bad = self.files()
        if bad:
            raise bad[0]
        if not wanted:
            raise NotFound(f"no profile there: {self.url}")
        if len(wanted) > 1:
            raise UsageError(f"{self.url} has {len(wanted)} profiles; name one of them")
        return wanted[0]

    def windows(self) -> list[Window]:
        """What the processes have tallied, as :func:`traffic_files.read`."""
        packed = [("", one.tallies) for one in self._bundles() if isinstance(one, Bundle)]
        single = [(_base(path), data) for path, data in self._beside(traffic_files.SUFFIX)]
        return traffic_files.parse([*packed, *single])

    @cached_property
    def _sizes(self) -> dict[str, int]:
        with reached(self.url) as (files, root):
            found = sizes(files, root)
        if not found:
            raise NotFound(f"nothing there: {self.url}")
        return found

    def _bundles(
        self, since: float | None = None, until: float | None = None
    ) -> list[Bundle | BadProfile]:
        """Those of that time, each opened once."""
        wanted = []
        for path in self._sizes:
            first, latest = bundle.times(_base(path))
            if path.endswith(SUFFIX) and not (
                (since is not None and latest < since) or (until is not None and first > until)
            ):
                wanted.append(path)
        new = {path: self._sizes[path] for path in wanted if path not in self._opened}
        with reached(self.url) as (files, _):
            self._opened |= zip(new, open_bundles(files, new), strict=True)
        return [self._opened[path] for path in wanted]

    def _add_single(self, found: Found) -> None:
        """By the index that lies beside them, or else by their last bytes."""
        known = self._lines()
        directories: dict[str, Directory] = {}
        unknown: list[tuple[str, Directory, RemoteFile]] = []
        with reached(self.url) as (files, _):
            for path in self._single():
                folder = _folder(path)
                directory = directories.setdefault(folder, Directory(folder))
                file = directory.files[_base(path)] = self._file(files, path)
                if line := known.get(path):
                    found.stored.append(Stored(directory, file.name, *line))
                else:
                    unknown.append((path, directory, file))
            tails = ranges(files, [(path, last(it.size, prof.TAIL)) for path, _, it in unknown])
            for (path, directory, file), tail in zip(unknown, tails, strict=True):
                try:
                    facts = _facts(files, path, file, tail)
                except ValueError as error:
                    found.bad.append(BadProfile(file, str(error)))
                else:
                    found.stored.append(Stored(directory, file.name, facts))

    def _lines(self) -> dict[str, tuple[Glance, Lines, int]]:
        """What the index files among the objects say of single profiles."""
        return {
            _folder(_folder(path)[:-1]) + line[0].file: line
            for path, data in self._beside(".jsonl")
            for line in quick.glances(data)
        }

    def _single(self) -> list[str]:
        names = ((path, _base(path)) for path in self._sizes)
        return [path for path, name in names if name.endswith(prof.SUFFIX) and name[0] != "."]

    def _beside(self, suffix: str) -> Iterator[tuple[str, bytes]]:
        """The objects that were beside profiles on the machine that has written them."""
        home = f"/{index.FOLDER}/"
        paths = [path for path in self._sizes if f"/{path}".endswith(f"{home}{_base(path)}")]
        paths = [path for path in paths if path.endswith(suffix)]
        with reached(self.url) as (files, _):
            found = ranges(files, [(path, Span(0, self._sizes[path])) for path in paths])
            for path, data in zip(paths, found, strict=True):
                if isinstance(data, bytes):
                    yield path, data

    def _file(self, files: Any, path: str) -> RemoteFile:
        return RemoteFile(files.unstrip_protocol(path), _base(path), self._sizes[path])


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _folder(path: str) -> str:
    return path.removesuffix(_base(path))


def _facts(files: Any, path: str, file: RemoteFile, tail: bytes | Exception) -> Request | None:
    """Raises ValueError where it is no profile."""
    if isinstance(tail, Exception):
        raise ValueError(f"not readable: {said(tail)}")

    def end(count: int) -> bytes:
        if count <= len(tail) or len(tail) == file.size:
            return tail
        span = last(file.size, count)
        found: bytes = files.cat_file(path, start=span.start, end=span.end)
        return found

    facts = prof.facts_of(end, file.size)
    if facts is not None:
        return from_facts(facts)
    check_foreign(file, tail[:1] if len(tail) == file.size else files.cat_file(path, 0, 1))
    return None
