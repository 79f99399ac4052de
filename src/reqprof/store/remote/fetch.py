"""The bytes of profiles that are elsewhere, in as few requests as may be."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from reqprof.store.remote.objects import Span, ranges, reached

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reqprof.model import RemoteFile

_GAP = 1 << 16  # bytes between two profiles of a bundle that cost less than a request of their own


def fetch(files: Iterable[RemoteFile]) -> dict[RemoteFile, bytes | Exception]:
    """Each as it is there, or why it is not to be had; raises as :func:`objects.reached`."""
    found: dict[RemoteFile, bytes | Exception] = {}
    ordered = sorted(files, key=lambda file: (file.url, file.start or 0))
    for _, some in groupby(ordered, lambda file: file.url.partition("://")[0]):
        runs = list(_runs(list(some)))
        with reached(runs[0][0].url) as (objects, _):
            wanted = [(run[0].url, _span(run)) for run in runs]
            for run, data in zip(runs, ranges(objects, wanted), strict=True):
                found.update((file, _part(file, run, data)) for file in run)
    return found


def _runs(files: Sequence[RemoteFile]) -> Iterator[list[RemoteFile]]:
    """Those of an object that are next to each other, in order."""
    run: list[RemoteFile] = []
    for file in files:
        if run and not _is_near(run[-1], file):
            yield run
            run = []
        run.append(file)
    yield run


def _is_near(one: RemoteFile, other: RemoteFile) -> bool:
    if one.url != other.url or one.start is None or other.start is None:
        return False
    return other.start - (one.start + one.size) <= _GAP


def _span(run: Sequence[RemoteFile]) -> Span:
    start = run[0].start or 0
    return Span(start, max((file.start or 0) + file.size for file in run) - start)


def _part(
    file: RemoteFile, run: Sequence[RemoteFile], data: bytes | Exception
) -> bytes | Exception:
    if isinstance(data, Exception) or file.start is None:
        return data
    at = file.start - (run[0].start or 0)
    return data[at : at + file.size]
