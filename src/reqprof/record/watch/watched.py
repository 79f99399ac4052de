"""A request that was sampled from outside: what is stored of it, as of one that was traced."""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING, Any

from reqprof.model import Timeline
from reqprof.record import route
from reqprof.record.notes import places
from reqprof.record.timed import Ended, status_code
from reqprof.record.watch.samples import Samples

if TYPE_CHECKING:
    from reqprof.model import Request
    from reqprof.record.notes import Frames


class Engine:
    """What the facts say of how it was measured."""

    name = "watch"
    builtins = False
    clock = "wall"


class Watched:
    """Does for the delivery what a :class:`reqprof.record.recording.Recording` does."""

    engine = Engine
    environ = None
    neighbours = 0

    def __init__(self, request: Request, thread: int, since: float) -> None:
        self.request = request
        # Not enumerate(), whose lock is the app's, or gevent's.
        known = threading._active.get(thread)  # type: ignore[attr-defined]
        self.thread = "" if known is None else known.name
        self.samples = Samples(since)
        self.partial = False
        self._ended: Ended | None = None
        self._stopped_at: Frames = []

    def stop(self, so_far: Ended, at: Frames) -> None:
        """It runs on, ``at`` this place, and what is known so far is to be stored."""
        self.partial = True
        self._stopped_at = at
        self._ended = so_far

    def end(self, ended: Ended) -> None:
        """It is over."""
        self._ended = ended

    def outlived(self, ended: Ended) -> Watched:
        """The same request at its end, after what was known of it has been stored."""
        whole = copy.copy(self)  # that one is perhaps being written right now
        whole._ended = ended
        return whole

    def seen(self, store_path: bool) -> dict[str, Any]:
        """The facts that its end has shown."""
        ended = self._ended
        assert ended is not None
        _, _, path, template = ended.known()
        guess = route.guess(path) if template is None and store_path else None
        return {
            "path": self.request.path if store_path else None,
            "route": guess if template is None else template,
            "guessed": template is None,
            "status": status_code(ended.status),
            "exception": ended.exception,
            "duration": ended.last - ended.began,
            "total": ended.ended - ended.began,
            "partial": self.partial,
        }

    def timeline(self) -> Timeline:
        """Where it was when what is known of it was stored, if it ran on."""
        return Timeline(stopped_at=places(self._stopped_at))

    def forget(self) -> None:
        """Nothing of the request is held."""
