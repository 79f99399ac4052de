"""What the tests of this folder share: shipping, and what is there afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reqprof.store import index
from reqprof.store.remote.folder import Folder
from reqprof.store.remote.objects import put, reached, sizes
from reqprof.store.remote.shipping import Shipper

if TYPE_CHECKING:
    from pathlib import Path

    from reqprof.errors import BadProfile
    from reqprof.store.remote.shipping import Shipped


def ship(
    folder: Path, url: str, *, delete: bool = False, bad: list[BadProfile] | None = None
) -> Shipped:
    """As the command does."""
    bad = [] if bad is None else bad
    found = index.find(folder)
    bad += found.bad
    return Shipper(folder, url, bad.append).ship(found.stored, delete=delete)


def ids(url: str) -> list[str]:
    """Those of the requests there, each as often as it is."""
    return sorted(one.known.id for one in Folder(url).found().stored)


def local_ids(folder: Path) -> list[str]:
    """Those of a folder."""
    return sorted(one.known.id for one in index.find(folder).stored if one.known)


def objects(url: str) -> dict[str, int]:
    """The objects there and their sizes."""
    with reached(url) as (files, root):
        return sizes(files, root)


def replace(url: str, path: str, data: bytes) -> None:
    """Put something else in the place of an object."""
    with reached(url) as (files, _):
        put(files, path, data)


def contents(url: str, path: str) -> bytes:
    """The bytes of an object."""
    with reached(url) as (files, _):
        data: Any = files.cat_file(path)
    return bytes(data)
