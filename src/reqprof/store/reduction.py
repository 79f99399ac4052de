"""Many profiles added up: here, or on other processes and machines, whose sums are joined."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from reqprof.errors import BadProfile, NotFound
from reqprof.store.anywhere import Reader
from reqprof.store.stats import collector_paused, pstats_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor, Future

    from reqprof import model
    from reqprof.model import Profile

CHUNK = 200
"""Profiles that one task adds up: of fewer the task itself would take most of the time."""

_FAN_IN = 8  # sums that one task joins


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
) -> Reduced[S, File]:
    """Add up what ``read`` gives for each file, in the order of ``pstats.Stats(*files)``.

    On an ``executor`` chunks of :data:`CHUNK` are added up, and their sums joined as a tree, so
    that times may differ in their last digits; all arguments but the last two are pickled.
    ``empty`` makes a sum of nothing. ``done`` is told how many more files were seen to.
    Raises what ``read`` raises, but for BadProfile and NotFound, and what the executor does.
    """
    if executor is None:
        return _add_up(files, empty, read, done)
    order = pstats_order(files)
    chunks = [order[start : start + CHUNK] for start in range(0, len(order), CHUNK)]
    tasks = deque(executor.submit(_add_up_in_order, chunk, empty, read) for chunk in chunks)
    sizes = map(len, chunks)
    sums = _results(tasks, lambda: done(next(sizes)))
    while len(tasks) > _FAN_IN:
        # Each sum is let go once it is on its way, though the queue holds it behind all chunks.
        groups = range(-(-len(tasks) // _FAN_IN))
        tasks = deque(executor.submit(_join, list(islice(sums, _FAN_IN))) for _ in groups)
        sums = _results(tasks)
    return _join([Reduced(empty()), *sums])


def _results(
    tasks: deque[Future[Reduced[S, File]]], done: Callable[[], None] = lambda: None
) -> Iterator[Reduced[S, File]]:
    """What the tasks give, in order, each task forgotten."""
    while tasks:
        result = tasks.popleft().result()
        done()
        yield result


def _join(parts: Sequence[Reduced[S, File]]) -> Reduced[S, File]:
    first, *others = parts
    with collector_paused():
        for other in others:
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
