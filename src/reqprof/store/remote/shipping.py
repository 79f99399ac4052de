"""Upload the finished profiles of a folder and the tallies beside them, in bundles.

What is there says what is still to be done: shipping again, or after it was interrupted, uploads
what is missing. Bundles lie in ``URL/HOST/DAY/``, so that few are to be asked.
"""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from reqprof.errors import BadProfile, NotFound
from reqprof.store import format as prof
from reqprof.store import index, quick, reader, traffic, traffic_files
from reqprof.store.facts import from_facts
from reqprof.store.remote import bundle
from reqprof.store.remote.bundle import Item
from reqprof.store.remote.manifest import Manifest, Manifests
from reqprof.store.remote.objects import put, reached

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from reqprof.store.quick import Glance
    from reqprof.store.stored import Stored
    from reqprof.store.traffic import Window

_MOST = 1000  # profiles of a bundle
_MOST_BYTES = 32 << 20  # of them, before they are packed
_LATE = 60.0  # seconds after which a window of tallies is not written to any more


@dataclass(slots=True)
class Shipped:
    """What was done: profiles, their bytes, the bundles made of them, the bytes of those.

    ``known`` profiles were there before; of the others, ``foreign`` have no facts, so that no
    index could tell of them, and stay.
    """

    profiles: int = 0
    size: int = 0
    bundles: int = 0
    sent: int = 0
    known: int = 0
    foreign: int = 0
    deleted: int = 0


@dataclass(slots=True)
class _Day:
    """What a folder has of one day, UTC."""

    stored: list[Stored] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)


@dataclass(slots=True)
class _Cargo:
    """What one bundle is made of."""

    items: list[Item] = field(default_factory=list)
    glances: list[Glance] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    tallies: bytes = b""
    size: int = 0  # bytes of the profiles
    lines: int = 0  # bytes of what tells of them, and of the tallies

    def add(self, item: Item) -> None:
        self.items.append(item)
        self.glances.append(quick.glances(item.line)[0][0])
        self.size += len(item.data)
        self.lines += len(item.line)

    def add_window(self, window: Window) -> None:
        self.windows.append(window)
        data = traffic.dump(window)
        self.tallies += data
        self.lines += len(data)

    @property
    def is_full(self) -> bool:
        return (
            len(self.items) >= _MOST
            or self.size >= _MOST_BYTES
            or self.lines >= bundle.MAX_LINES // 4
        )

    @property
    def times(self) -> tuple[float, float]:
        """When the first and the last of its requests began; or of its windows."""
        starts = [one.start for one in self.glances or self.windows]
        return min(starts), max(starts)


class Shipper:
    """Ships one folder to a URL, day by day.

    ``unreadable`` is told of each bad profile, which stays; ``done`` how many more were seen to.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        unreadable: Callable[[BadProfile], object],
        done: Callable[[int], object] = lambda count: None,
    ) -> None:
        self._folder, self._url = folder, url
        self._unreadable, self._done = unreadable, done
        self.shipped = Shipped()

    def ship(self, stored: Iterable[Stored], *, delete: bool = False) -> Shipped:
        """Upload those that are not there; with ``delete``, delete what is, once it was read back.

        Raises NotFound where the URL cannot be reached; what was done by then stays done.
        """
        days = self._days(stored)
        with reached(self._url) as (files, root):
            home = f"{root.rstrip('/')}/{index.host_name()}"
            manifests = Manifests(self._folder, self._url)
            complete = False
            try:
                for date, day in sorted(days.items()):
                    there = manifests.below(files, f"{home}/{date}")
                    for cargo in self._missing(day, list(there.values())):
                        path, size = self._upload(files, f"{home}/{date}", cargo)
                        there[path] = Manifest.of(cargo.glances, cargo.windows)
                        manifests.add(path, size, there[path])
                    if delete:
                        self._delete(files, day, there)
                complete = True
            finally:
                manifests.save(complete=complete)
        return self.shipped

    def _days(self, stored: Iterable[Stored]) -> dict[str, _Day]:
        days: dict[str, _Day] = defaultdict(_Day)
        for one in stored:
            if one.known is None:
                self.shipped.foreign += 1
                self._done(1)
            else:
                days[_date(one.known.start)].stored.append(one)
        late = time.time() - traffic.WINDOW - _LATE
        for window in traffic_files.read(self._folder):
            if window.start < late:
                days[_date(window.start)].windows.append(window)
        return days

    def _missing(self, day: _Day, there: Sequence[Manifest]) -> Iterator[_Cargo]:
        """What is not there, in the order of time, as much at a time as a bundle takes."""
        profiles = set().union(*(manifest.profiles for manifest in there))
        windows = set().union(*(manifest.windows for manifest in there))
        cargo = _Cargo()
        for window in day.windows:
            if (window.process, window.start) not in windows:
                cargo.add_window(window)
                if cargo.is_full:
                    yield cargo
                    cargo = _Cargo()
        for one in sorted(day.stored, key=lambda one: (one.known.start, one.name)):
            if (one.name, one.known.id) in profiles:
                self.shipped.known += 1
            elif item := self._read(one):
                cargo.add(item)
                if cargo.is_full:
                    yield cargo
                    cargo = _Cargo()
            self._done(1)
        if cargo.items or cargo.windows:
            yield cargo

    def _read(self, one: Stored) -> Item | None:
        """A whole profile; None where it is damaged, or was deleted meanwhile."""
        path = self._folder / one.name
        try:
            data, _ = reader.contents(path, reader.MAX_SIZE)
            parts = prof.split(data)
            if parts is None:
                raise BadProfile(path, "its trailer is missing")
            return Item(one.name, data, index.line(one.name, len(data), from_facts(parts.facts)))
        except NotFound:
            return None
        except BadProfile as error:
            self._unreadable(error)
        except ValueError as error:
            self._unreadable(BadProfile(path, str(error)))
        return None

    def _upload(self, files: Any, home: str, cargo: _Cargo) -> tuple[str, int]:
        data = bundle.pack(cargo.items, cargo.tallies)
        path = f"{home}/{bundle.name(*cargo.times, data)}"
        put(files, path, data)
        self.shipped.profiles += len(cargo.items)
        self.shipped.size += cargo.size
        self.shipped.bundles += 1
        self.shipped.sent += len(data)
        return path, len(data)

    def _delete(self, files: Any, day: _Day, there: Mapping[str, Manifest]) -> None:
        """The profiles that are there, byte for byte."""
        local = {(one.name, one.known.id): self._folder / one.name for one in day.stored}
        for path, manifest in there.items():
            held = {name: local[name, id_] for name, id_ in manifest.profiles & local.keys()}
            if held:
                url = files.unstrip_protocol(path)
                packed = _packed(files.cat_file(path))
                for name, file in held.items():
                    self._delete_verified(file, url, packed.get(name, b""))

    def _delete_verified(self, file: Path, url: str, packed: bytes) -> None:
        try:
            if not _is_same(file, packed):
                raise BadProfile(file, f"stays here: it is not the same in {url}")
            file.unlink()
            self.shipped.deleted += 1
        except (NotFound, FileNotFoundError):
            pass  # pruned meanwhile
        except BadProfile as error:
            self._unreadable(error)
        except OSError as error:
            why = f"stays here: {error.strerror or error}"
            self._unreadable(BadProfile(file, why))


def _packed(data: bytes) -> dict[str, bytes]:
    """The profiles of a bundle, as they are there."""
    with suppress(ValueError):
        said = bundle.contents(data, len(data)).lines
        spans = bundle.members(bundle.unpack(data[said.start : said.end]), len(data))
        return {name: data[span.start : span.end] for name, span in spans.items()}
    return {}


def _is_same(file: Path, packed: bytes) -> bool:
    with suppress(ValueError):
        return reader.contents(file, reader.MAX_SIZE)[0] == bundle.profile(packed)
    return False


def _date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")
