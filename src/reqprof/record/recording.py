"""A request while it is profiled: its session, its moments, and the end that comes only once."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from reqprof.record import pools, route
from reqprof.record.engines.clock import cpu_now, now
from reqprof.record.labels import Labels
from reqprof.record.notes import Notes
from reqprof.record.steps import ENDED, Steps
from reqprof.store.background import BACKGROUND

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reqprof.model import Request, Timeline
    from reqprof.record.company import Company
    from reqprof.record.engines import Engine, Session
    from reqprof.record.notes import Frames


class Recording:
    """One request while it is profiled; its door tells it what happens.

    ``ended`` is called with it and its session when it is over, ``outlived`` with it where it was
    over for the profile before, and ``fault`` with what goes wrong.
    ``enter`` and ``leave`` are the session's: see :class:`reqprof.record.engines.Session`.
    """

    session: Session = ENDED
    engine: Engine  # what the session is of
    ended = False
    announces = False  # its response tells its id: see announce.py
    marked = False  # a span tells its id: see spans.py
    suspends = False  # an async request: time outside its stretches is waiting
    environ: Mapping[str, Any] | None = None  # for a filename_format that is a callable
    exception: str | None = None
    template: str | None = None  # the route, where a framework named it
    partial = False
    around = 0.0  # CPU seconds of reqprof's own, before its stretches and after them
    closed = 0.0  # CPU seconds of the thread that has ended it, by then
    steps: Steps | None = None  # of an async request
    company: Company | None = None  # of an async request

    def __init__(
        self,
        request: Request,
        neighbours: int,
        ended: Callable[[Recording, Session], None],
        outlived: Callable[[Recording], None],
        fault: Callable[[str, BaseException], None],
        *,
        follow: bool,
    ) -> None:
        self.request = request
        self.neighbours = neighbours
        self.status: int | None = None
        self.thread = threading.current_thread().name
        self.total = 0.0
        self.notes = Notes()
        self.labels = Labels()
        self._hand_on = ended
        self._outlived: Callable[[Recording], None] | None = outlived
        self._fault = fault
        self._follows = follow
        self._noted: dict[str, Any] = {}
        self._missing = pools.unseen_so_far()
        self._stopped_at: Frames = []
        self._held_by: dict[str, float] = {}
        self.find_template: Callable[[], str | None] = lambda: None
        self._began = time.perf_counter()
        self._first: float | None = None
        self._last: float | None = None
        self._open = [True]

    # In a stretch: nothing that a profile would show.
    def first_byte(self) -> None:
        """The response begins now, unless it has begun."""
        if self._first is None:
            self._first = now()

    def last_byte(self) -> None:
        """The response ends now, unless it has ended."""
        if self._last is None:
            self._last = now()

    def end(self, error: BaseException | None = None) -> None:
        """The app is done with the request. Only the first call counts."""
        try:
            if self._close():
                if error is not None:
                    self.exception = type(error).__name__
                self._hand_over()
            elif self.partial and self._outlived is not None:
                outlived, self._outlived = self._outlived, None
                self.total = time.perf_counter() - self._began
                outlived(self)
        except Exception as fault:
            self._fault("failed_end", fault)

    def stop(self) -> None:
        """It runs on, and what it has done so far is to be stored. From any thread."""
        try:
            if self._close():
                self.partial = True
                try:
                    self._note_where()
                finally:
                    self._hand_over()
        except Exception as fault:
            self._fault("failed_end", fault)

    def _note_where(self) -> None:
        """What it waits in, and has waited for so far, or else what its thread is at."""
        suspended = None if self.steps is None else self.steps.waiting()
        if suspended is None:
            self._stopped_at = self.session.frames()
        else:
            self._stopped_at, since = suspended
            self.notes.wait(self._stopped_at, max(0.0, time.perf_counter() - since))

    def _close(self) -> bool:
        """Whether this call has ended it."""
        try:
            self._open.pop()  # atomic: a closing server, a finaliser and a look may meet here
        except IndexError:
            return False
        self.total = time.perf_counter() - self._began
        self.closed = cpu_now()
        self.ended = True
        return True

    def _hand_over(self) -> None:
        # Whoever is in a stretch has the session, and leaves it; nobody enters it any more.
        session, self.session = self.session, ENDED
        try:
            self._noted = self.notes.facts()
            if self._missing != pools.unseen_so_far():
                session.cut_short()  # imported meanwhile; what its threads did was not followed
            if self.company is not None:
                held, self._held_by = self.company.leave()
                self._noted["held"] = min(held, self.notes.waited)
            with suppress(Exception):  # an object of the app's that only looks like a route
                self.template = self.find_template()
        except Exception as fault:
            session.fault = fault
        finally:
            session.close()
            self._hand_on(self, session)

    def age(self) -> float:
        """Seconds since it began."""
        return now() - self._began  # in a stretch, where it is announced

    def streams(self) -> bool:
        """Whether it may well go on for hours: a websocket, or a response that has begun."""
        return self.request.kind == "websocket" or self._first is not None

    def follows(self) -> bool:
        """Whether what it starts counts for it."""
        return self._follows and not self.ended

    def disown(self) -> None:
        """In a forked child, which is not the request, even if it returns through the app."""
        self._open.clear()
        self._outlived = None
        self.ended = True
        self.session = ENDED

    def abandon(self) -> None:
        """End it later: finalisers may interrupt anything, in any thread."""
        if self._open:
            BACKGROUND.submit(self.end, sys.maxsize)

    def seen(self, store_path: bool) -> dict[str, Any]:
        """The facts that this request's end has shown."""
        last = self.total if self._last is None else self._last - self._began
        path = self.request.path
        status = self.status
        guess = route.guess(path) if path is not None and store_path else None
        return {
            "path": path if store_path else None,
            "route": guess if self.template is None else self.template,
            "guessed": self.template is None,
            "status": status if type(status) is int and 0 < status < 1000 else None,
            "exception": self.exception,
            "duration": last,
            "first_byte": None if self._first is None else self._first - self._began,
            "total": self.total,
            "partial": self.partial,
            "waited": min(self.notes.waited, self.total) if self.suspends else None,
            "labels": self.labels.facts(),
            **self._noted,
        }

    def timeline(self) -> Timeline:
        """What its table cannot hold."""
        return self.notes.timeline(self._held_by, self._stopped_at)

    def forget(self) -> None:
        """Keep nothing large: a task or a thread that outlived the request may keep this."""
        self.environ = self.steps = self.company = None
        self.find_template = lambda: None
        self.notes = Notes()
