"""A profile on disk, before it is read: its name, and what is known of its request."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from reqprof.store import anywhere, quick

if TYPE_CHECKING:
    from reqprof.model import File, Request


class Stored(msgspec.Struct, eq=False):
    """The profile ``name`` in ``folder``, a Path or a :class:`reqprof.store.remote.Directory`.

    ``known`` are its facts, None for a file of another tool. Where it has a line of the index, that
    of this ``number`` among ``lines``, they are a :class:`quick.Glance` until :attr:`request` is
    asked for: of 100,000 profiles a listing shows twenty.
    """

    folder: Any
    name: str
    known: Any
    lines: quick.Lines | None = None
    number: int = 0

    @property
    def path(self) -> File:
        """The file."""
        return self.folder / self.name  # type: ignore[no-any-return]

    @property
    def request(self) -> Request | None:
        """All of its facts.

        Where its line makes no sense they are read from the trailer. Raises as
        :func:`anywhere.facts` where that is damaged too, or gone.
        """
        if self.lines is not None:
            try:
                self.known = quick.request(self.lines[self.number])
            except ValueError:
                self.known = anywhere.facts(self.path)
            self.lines = None
        return self.known  # type: ignore[no-any-return]

    @property
    def outline(self) -> Request | None:
        """Those of its facts that the tally of its route is made of; raises as :attr:`request`."""
        if self.lines is not None:
            with suppress(ValueError):
                return quick.outline(self.lines[self.number])
        return self.request

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Stored):
            return NotImplemented
        return (self.path, self.request) == (other.path, other.request)

    __hash__ = None  # type: ignore[assignment]
