"""Many profiles added up: here, or on other processes and machines, whose sums are joined."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from reqprof.errors import BadProfile, NotFound
from reqprof.store.anywhere import Reader
from reqprof.store.stats import collector_paused, pstats_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
    from concurrent.futures import Executor, Future

    from reqprof import model
    from reqprof.model import Profile

CHUNK = 200
"""Profiles that one task adds up: of fewer the task itself would take most of the time."""

_FAN_IN = 8  # sums that one task joins
_FEW = 32  # chunks under way whose sums this process can join as they come
_WORKERS = 32  # of an executor that does not tell how many it has


class Sum(Protocol):
    """What profiles are added up to. Between processes it travels by pickle."""

    def add(self, profile: Profile, /) -> None:
        """Add one profile, which does not change and does not become part of the sum."""

    def join(self, other: Any, /) -> None:
        """Add another sum of the kind, which may become part of this one."""


File = TypeVar("File")
S = TypeVar("S", bound=Sum)


@dataclass(slots=True)
class Reduced(Generic[S, File]):
    """The sum of the profiles that could be read; the bad ones; those deleted meanwhile."""

    total: S
    bad: list[BadProfile] = field(default_factory=list)
    gone: list[File] = field(default_factory=list)


def reduce(
    files: Sequence[File],
    empty: Callable[[], S],
    read: Callable[[File], Profile],
    executor: Executor | None = None,
    done: Callable[[int], None] = lambda count: None,
    workers: int | None = None,
) -> Reduced[S, File]:
    """Add up what ``read`` gives for each file, in the order of ``pstats.Stats(*files)``.

    On an ``executor`` chunks of :data:`CHUNK` are added up, and their sums joined, so that times
    may differ in their last digits: here as they come, and where it has many ``workers``, as a
    tree. Memory follows those, not the files. ``files``, ``empty`` and ``read`` are pickled.
    ``empty`` makes a sum of nothing. ``done`` is told how many more files were seen to.
    Raises what ``read`` raises, but for BadProfile and NotFound, and what the executor does.
    """
    if executor is None:
        return _add_up(files, empty, read, done)
    order = pstats_order(files)
    chunks = [order[start : start + CHUNK] for start in range(0, len(order), CHUNK)]
    # Of those that are not told, the pools of the standard library say how many they have.
    at_once: int = 2 * (workers or getattr(executor, "_max_workers", None) or _WORKERS)
    tasks = (executor.submit(_add_up_in_order, chunk, empty, read) for chunk in chunks)
    sums = _told(_results(tasks, at_once), chunks, done)
    count = len(chunks) if at_once > _FEW else 0
    while count > _FAN_IN:
        at_once = max(1, at_once // _FAN_IN)
        sums = _results(_joining(sums, executor), at_once)
        count = -(-count // _FAN_IN)
    return _join(chain([Reduced(empty())], sums))


def _results(tasks: Iterator[Future[Reduced[S, File]]], at_once: int) -> Iterator[Reduced[S, File]]:
    """What the tasks give, in order; no more of them are begun than are at work at once."""
    begun = deque(islice(tasks, at_once))
    while begun:
        result = begun.popleft().result()  # and forget the task
        begun.extend(islice(tasks, 1))
        yield result


def _joining(
    sums: Iterator[Reduced[S, File]], executor: Executor
) -> Iterator[Future[Reduced[S, File]]]:
    while some := list(islice(sums, _FAN_IN)):
        yield executor.submit(_join, some)


def _told(
    sums: Iterator[Reduced[S, File]], chunks: Sequence[Sized], done: Callable[[int], None]
) -> Iterator[Reduced[S, File]]:
    for chunk, result in zip(chunks, sums, strict=True):
        done(len(chunk))
        yield result


def _join(parts: Iterable[Reduced[S, File]]) -> Reduced[S, File]:
    each = iter(parts)
    first = next(each)
    for other in each:
        with collector_paused():
            first.total.join(other.total)
        first.bad += other.bad
        first.gone += other.gone
    return first


def _add_up(
    files: Sequence[File],
    empty: Callable[[], S],
    read: Callable[[File], Profile],
    done: Callable[[int], None],
) -> Reduced[S, File]:
    reduced: Reduced[S, File] = Reduced(empty())
    with collector_paused():
        for profile in readable(files, read, reduced.bad.append, reduced.gone.append, done):
            reduced.total.add(profile)
    return reduced


def _add_up_in_order(
    files: Sequence[File], empty: Callable[[], S], read: Callable[[File], Profile]
) -> Reduced[S, File]:
    return _add_up(pstats_order(files), empty, read, lambda count: None)


def readable(
    files: Sequence[File],
    read: Callable[[File], Profile],
    bad: Callable[[BadProfile], object],
    gone: Callable[[File], object],
    done: Callable[[int], None] = lambda count: None,
) -> Iterator[Profile]:
    """The profiles of those files that can be read, in the order in which pstats adds them up.

    The others are given to ``bad`` or ``gone``.
    """

    def profile_of(file: File) -> Profile | None:
        try:
            return read(file)
        except BadProfile as error:
            bad(error)
        except NotFound:
            gone(file)
        finally:
            done(1)
        return None

    if isinstance(read, Reader):
        read.expect(pstats_order(cast("Sequence[model.File]", files)))
    rest = list(files)
    first = None
    while rest and (first := profile_of(rest[0])) is None:
        rest.pop(0)  # pstats begins with the first file, which must be one that can be read
    if first is not None:
        yield first
    for file in pstats_order(rest)[1:]:
        if (profile := profile_of(file)) is not None:
            yield profile
