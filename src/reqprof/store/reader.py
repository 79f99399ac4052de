"""Read profiles of ours, of other tools and of other Pythons; a bad file is named, never believed.

A checksum tells damage from content, not friend from foe: ``marshal`` sees only what is whole,
ours, and written by the user who reads it.
"""

from __future__ import annotations

import marshal
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from reqprof.errors import BadProfile, NotFound
from reqprof.model import Profile, Timeline
from reqprof.store import calltree
from reqprof.store import timeline as section
from reqprof.store.decode import decode
from reqprof.store.facts import from_facts
from reqprof.store.format import MAGIC, split, tail_facts
from reqprof.store.naming import is_default
from reqprof.store.stats import with_edges

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reqprof.model import File, Request, Stats

MAX_SIZE: Final = 256 << 20
"""Bytes; the profile of a large Django request has 200 thousand."""

# Opening must not wait for the other end of a pipe, nor take a terminal.
_FLAGS = os.O_RDONLY
for _name in ("O_BINARY", "O_CLOEXEC", "O_NOCTTY", "O_NOFOLLOW", "O_NONBLOCK"):
    _FLAGS |= getattr(os, _name, 0)


def read(path: Path, *, trusted: bool = True, table_only: bool = False) -> Profile:
    """The profile in a file; its ``request`` is None where another tool wrote it.

    With ``table_only`` its call tree and waits are left out, which take a third of the time.

    With ``trusted``, a whole file of ours that belongs to the user is read by ``marshal``, about
    seven times faster than the restricted decoder that reads everything else.

    Raises :class:`NotFound` where there is no file and :class:`BadProfile`, with the reason, for
    whatever is not a whole profile in a regular file of at most ``MAX_SIZE`` bytes.
    """
    data, status = contents(path, MAX_SIZE)
    return parse(data, path, own=trusted and _is_own(status), table_only=table_only)


def parse(data: bytes, file: File, *, own: bool = False, table_only: bool = False) -> Profile:
    """As :func:`read`, of the bytes of ``file``; only the user's ``own`` ones see ``marshal``."""
    try:
        parts = split(data)
        if parts is None:
            check_foreign(file, data[:1])
            return Profile(_foreign(data), None, file)
        request = from_facts(parts.facts)
        decoded = _load if own else _decode_all
        wanted = () if table_only else (calltree.SECTION, section.SECTION)
        sections = map(parts.section, wanted)
        return Profile(decoded(parts.stats), request, file, *sections)
    except ValueError as error:
        raise BadProfile(file, str(error)) from None


def timeline(profile: Profile) -> Timeline:
    """Where the request of a profile waited and what others did for it; empty where none tells.

    Raises BadProfile where that makes no sense, or ValueError for a profile that is no file's.
    """
    if profile.timeline is None:
        return Timeline()
    try:
        return section.decode(profile.timeline)
    except ValueError as error:
        if profile.path is None:
            raise
        raise BadProfile(profile.path, str(error)) from None


def facts(path: Path) -> Request | None:
    """The facts of a profile from its last bytes, None where another tool wrote it.

    Cheap, since it neither reads nor checks the rest. Raises as :func:`read`.
    """
    with opened(path) as (descriptor, status):
        try:
            found = tail_facts(descriptor, status.st_size)
            if found is None:
                os.lseek(descriptor, 0, os.SEEK_SET)
                check_foreign(path, os.read(descriptor, 1))
                return None
            return from_facts(found)
        except ValueError as error:
            raise BadProfile(path, str(error)) from None


def check_foreign(file: File, first: bytes) -> None:
    """Raise ValueError where a file without a trailer of ours, that begins so, is no profile."""
    if not first:
        raise ValueError("empty file")
    if first not in (b"{", b"\xfb"):  # marshal's mark of a dict, alone and as one to refer back to
        raise ValueError("not a profile: it does not begin with a table")
    if is_default(file.name):
        raise ValueError("damaged: it was cut short, its trailer is missing")


def contents(path: Path, most: int) -> tuple[bytes, os.stat_result]:
    """The bytes and the status of a regular file; raises as :func:`read`."""
    with opened(path) as (descriptor, status):
        check_size(path, status.st_size, most)
        data = os.read(descriptor, status.st_size)
        while len(data) < status.st_size and (
            more := os.read(descriptor, status.st_size - len(data))
        ):
            data += more
        return data, status


def check_size(file: File, size: int, most: int = MAX_SIZE) -> None:
    """Raise BadProfile for a file of more than ``most`` bytes."""
    if size > most:
        told = f"{size / 2**20:.0f} MiB"
        raise BadProfile(file, f"too large: {told}, at most {most / 2**20:.0f} are read")


@contextmanager
def opened(path: Path) -> Iterator[tuple[int, os.stat_result]]:
    """A descriptor and the status of a regular file, which a link may name in its own folder.

    Never waits, whatever has that name. Raises as :func:`read`, also for what goes wrong inside.
    """
    try:
        descriptor = _open(path)
        try:
            status = os.fstat(descriptor)
            _check_regular(path, status)
            yield descriptor, status
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{path}: no such file") from None
    except OSError as error:
        raise BadProfile(path, f"not readable: {error.strerror or error}") from None


def _open(path: Path) -> int:
    try:
        return os.open(path, _FLAGS)
    except ValueError:  # a NUL in the name
        raise NotFound(f"{path!r}: no such file") from None
    except OSError:
        return os.open(_followed(path), _FLAGS)


def _followed(path: Path) -> Path:
    """The file that a link in the same folder means, or the path itself."""
    target = path
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        try:
            target = path.resolve()
        except RuntimeError:  # Python 3.12 and before, of links that go round in circles
            raise BadProfile(path, "a link that leads to itself") from None
        if target.parent != path.parent.resolve():
            raise BadProfile(path, "a link that leads out of its folder; name the file itself")
        status = target.lstat()
    _check_regular(path, status)
    return target


def _check_regular(path: Path, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise BadProfile(path, "a folder, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise BadProfile(path, "a pipe, socket or device, not a file")


def _is_own(status: os.stat_result) -> bool:
    own = hasattr(os, "geteuid") and status.st_uid == os.geteuid()
    return own and not status.st_mode & stat.S_IWOTH


def _load(data: bytes) -> Stats:
    try:
        table = marshal.loads(data)
    except (EOFError, TypeError, ValueError) as error:
        raise ValueError(f"damaged: {error}") from None
    if type(table) is not dict:
        raise ValueError("not a profile: it does not begin with a table")
    return cast("Stats", table)


def _decode_all(data: bytes) -> Stats:
    table, end = decode(data)
    if end != len(data):
        raise ValueError(f"damaged: {len(data) - end} bytes between its table and its trailer")
    return with_edges(table)


def _foreign(data: bytes) -> Stats:
    table, end = decode(data)
    rest = data[end : end + len(MAGIC)]
    if (rest and MAGIC.startswith(rest)) or MAGIC in data[end:]:
        raise ValueError("cut short or damaged: its trailer is not whole")
    return with_edges(table)
