"""What bundles hold, so that nothing is shipped twice: asked of them, and remembered.

What is remembered, in ``.reqprof/shipped.json``, saves asking and no more: it may be deleted.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reqprof.errors import ReqprofError
from reqprof.store import quick, reader, traffic_files
from reqprof.store.index import FOLDER
from reqprof.store.private import replace_private
from reqprof.store.remote import SUFFIX
from reqprof.store.remote.objects import sizes
from reqprof.store.remote.opened import Bundle, open_bundles

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from reqprof.store.quick import Glance
    from reqprof.store.traffic import Window

NAME = "shipped.json"

_MAX_SIZE = 64 << 20


@dataclass(slots=True)
class Manifest:
    """Profiles by the names of their files and their ids, windows by process and start."""

    profiles: set[tuple[str, str]] = field(default_factory=set)
    windows: set[tuple[str, float]] = field(default_factory=set)

    @classmethod
    def of(cls, profiles: Iterable[Glance], windows: Iterable[Window]) -> Manifest:
        """That of a bundle with these."""
        return cls(
            {(one.file, one.id) for one in profiles},
            {(one.process, one.start) for one in windows},
        )


class Manifests:
    """Those of the bundles behind a URL that one folder was shipped to."""

    def __init__(self, folder: Path, url: str) -> None:
        self._path = folder / FOLDER / NAME
        self._url = url
        self._others, self._remembered = _load(self._path, url)
        self._current: dict[str, tuple[int, Manifest]] = {}

    def below(self, files: Any, root: str) -> dict[str, Manifest]:
        """By path what each bundle there holds; one that cannot be read holds nothing."""
        there = {path: size for path, size in sizes(files, root).items() if _is_bundle(path)}
        for path, size in there.items():
            known = self._remembered.get(path)
            if known is not None and known[0] == size:
                self._current[path] = known
        new = {path: size for path, size in there.items() if path not in self._current}
        for (path, size), opened in zip(new.items(), open_bundles(files, new), strict=True):
            if isinstance(opened, Bundle):
                self.add(path, size, _said_by(opened))
        return {path: self._current[path][1] for path in there if path in self._current}

    def add(self, path: str, size: int, manifest: Manifest) -> None:
        """Remember that of a bundle which is there."""
        self._current[path] = size, manifest

    def save(self, *, complete: bool) -> None:
        """Remember those that were asked for, and where that is not ``complete`` the others too.

        Where nothing can be written, nothing is remembered.
        """
        kept = self._current if complete else self._remembered | self._current
        mine = {
            path: [size, sorted(manifest.profiles), sorted(manifest.windows)]
            for path, (size, manifest) in kept.items()
        }
        data = json.dumps({**self._others, self._url: mine}).encode()
        with suppress(OSError):
            replace_private(str(self._path), data)


def _is_bundle(path: str) -> bool:
    return path.endswith(SUFFIX)


def _said_by(opened: Bundle) -> Manifest:
    glances = (glance for glance, _, _ in quick.glances(opened.index))
    held = (glance for glance in glances if glance.file in opened.directory.files)
    return Manifest.of(held, traffic_files.parse([("", opened.tallies)]))


def _load(path: Path, url: str) -> tuple[dict[str, Any], dict[str, tuple[int, Manifest]]]:
    """What is remembered of other URLs, as it is, and of this one; nothing where it is damaged."""
    with suppress(ReqprofError, ValueError, TypeError, AttributeError, RecursionError):
        every = json.loads(reader.contents(path, _MAX_SIZE)[0])
        mine = every.pop(url, {})
        return every, {
            path: (size, Manifest(set(map(tuple, profiles)), set(map(tuple, windows))))
            for path, (size, profiles, windows) in mine.items()
        }
    return {}, {}
