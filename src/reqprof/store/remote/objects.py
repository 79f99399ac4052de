"""What is asked of a store of objects, through fsspec: who it is, what is there, ranges of it."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from reqprof.errors import NotFound, ReqprofError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_AT_ONCE = 64  # ranges that are asked for together


class Span(NamedTuple):
    """Bytes of an object."""

    start: int
    size: int

    @property
    def end(self) -> int:
        """The first byte after them."""
        return self.start + self.size


def last(size: int, count: int) -> Span:
    """The last ``count`` bytes of ``size``."""
    return Span(max(0, size - count), min(size, count))


@contextmanager
def reached(url: str) -> Iterator[tuple[Any, str]]:
    """The file system of fsspec that a URL is for, and what the URL is called there.

    Inside, whatever cannot be done there is a NotFound. Raises UsageError where fsspec, or what it
    needs for such a URL, is not installed.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise UsageError("URLs need fsspec: pip install 'reqprof[cloud]'") from None
    try:
        files, path = url_to_fs(url)
        yield files, path
    except ReqprofError:
        raise
    except ImportError as error:  # "Install s3fs to access S3"
        raise UsageError(f"{url}: {said(error)}") from None
    except ValueError as error:  # "Protocol not known: s4"
        raise UsageError(f"{url}: {said(error)}") from None
    except Exception as error:  # each store has its own
        raise NotFound(f"{url}: cannot be reached: {said(error)}") from None


def said(error: BaseException) -> str:
    """What an error of a store says, in one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())


def sizes(files: Any, root: str) -> dict[str, int]:
    """The objects at or below ``root``, or what it matches, in order, and their bytes."""
    files.invalidate_cache()
    found: dict[str, Any] = {}
    for place in files.glob(root) if "*" in root else [root]:
        below = {place: files.info(place)} if files.isfile(place) else {}
        found |= below or files.find(place, detail=True)
    return {path: found[path]["size"] for path in sorted(found) if found[path]["type"] == "file"}


def ranges(files: Any, wanted: Iterable[tuple[str, Span]]) -> Iterator[bytes | Exception]:
    """The bytes of each, or why there are none, in order; few are held at a time."""
    rest = iter(wanted)
    while some := list(islice(rest, _AT_ONCE)):
        asked = [(path, span) for path, span in some if span.size]  # stores refuse an empty range
        paths = [path for path, _ in asked]
        starts, ends = [span.start for _, span in asked], [span.end for _, span in asked]
        found = iter(files.cat_ranges(paths, starts, ends, on_error="return") if paths else ())
        yield from (next(found) if span.size else b"" for _, span in some)


def put(files: Any, path: str, data: bytes) -> None:
    """Make an object, which is whole or not there."""
    if files.root_marker:  # a file system with folders; a bucket must be there
        files.makedirs(path.rpartition("/")[0], exist_ok=True)
    with files.transaction, files.open(path, "wb") as file:
        file.write(data)
