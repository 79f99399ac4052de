"""What this process was told through its folder, by ``reqprof arm``, ``pause`` and ``resume``."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from reqprof.record.choice.armed import Armed
from reqprof.record.counters import told
from reqprof.store import claims, control

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reqprof.model import Request
    from reqprof.record.counters import Counters
    from reqprof.store.claims import Claim
    from reqprof.store.control import Order

_MORE_LOOKS: Final = 2
"""After a change: some file systems tell times apart by two seconds only."""


class Told(NamedTuple):
    """What is to be done: nothing at all, or what these orders ask for besides the usual."""

    paused: bool = False
    armed: tuple[Armed, ...] = ()


class Control:
    """Of one recorder. ``heed`` is called with what the process was told when that changes.

    ``unread`` says that this process has not looked yet. ``clock`` gives seconds since 1970.
    """

    def __init__(
        self,
        folder: Path,
        counters: Counters,
        heed: Callable[[Told], object],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.told = Told()
        self._folder = os.path.join(folder, control.FOLDER)  # noqa: PTH118
        self._counters = counters
        self._heed = heed
        self._clock = clock
        self._armed: dict[Order, Armed] = {}
        self._complained: set[tuple[str, str]] = set()
        self._asked = control.Asked()
        self.renew()

    def renew(self) -> None:
        """In a forked child, whose parent may have been in the midst of a look."""
        self.unread = True
        self._stamp: tuple[int, ...] | None = None
        self._more_looks = 0

    def look(self) -> bool:
        """Find out what is asked; whether that is something else. Raises nothing.

        That is one stat; the files are read where it shows a change. For one thread at a time,
        but for a process's first look.
        """
        try:
            self._read_changed()
            return self._tell()
        except Exception as error:
            self._counters.trouble("failed_control", f"a fault in reqprof: {told(error)}")
            return False
        finally:
            self.unread = False

    def take(self, request: Request) -> Claim | None:
        """A place among those asked for, for a request that has ended; None where it gets none.

        On the background thread. The place is to be filled or released.
        """
        for armed in self.told.armed:
            if not armed.takes(request):
                armed.learn(request)
            elif self._clock() < armed.order.until:
                claim = self._claim(armed.order)
                if claim is not None:
                    return claim
        return None

    def _claim(self, order: Order) -> Claim | None:
        try:
            claim = claims.claim(self._folder, order)
        except OSError as error:
            self._counters.trouble("control_refused", f"nothing can be taken for an order: {error}")
            return None
        if claim is None or claim.number == order.number:
            self._asked.taken[order.id] = order.number  # others need not be recorded for it
            self._tell()
        return claim

    def _read_changed(self) -> None:
        stamp = control.stamp(self._folder)
        if stamp == self._stamp and not self._more_looks:
            return
        self._more_looks = self._more_looks - 1 if stamp == self._stamp else _MORE_LOOKS
        self._stamp = stamp
        self._asked = control.Asked() if stamp is None else control.read(self._folder)
        self._arm()

    def _arm(self) -> None:
        """Make of the orders what is needed to follow them; complain of each bad file once."""
        refused = set(self._asked.refused)
        armed = {}
        for order in self._asked.orders:
            try:
                armed[order] = self._armed.get(order) or Armed(order)
            except ValueError as error:
                refused.add((f"{order.id}.order", str(error)))
        for name, why in sorted(refused - self._complained):
            self._counters.trouble("control_refused", f"{self._folder}: {name}: {why}")
        self._armed, self._complained = armed, refused

    def _tell(self) -> bool:
        now, asked = self._clock(), self._asked
        armed = tuple(
            one
            for order, one in self._armed.items()
            if order.until > now and asked.taken.get(order.id, 0) < order.number
        )
        paused = asked.paused_until > now
        found = Told(paused, () if paused else armed)
        if found == self.told and not self.unread:
            return False
        self.told = found
        self._heed(found)
        return True
