"""What goes on beside the requests: they are tallied, and the process says how it is."""

from __future__ import annotations

import os
import platform
import time
from typing import TYPE_CHECKING, Any, Final

from reqprof.record.counters import told
from reqprof.record.engines import Unavailable
from reqprof.record.engines.choose import active, refuse_eventlet
from reqprof.record.pulse import Pulse
from reqprof.record.times import Profiled, Times
from reqprof.store.background import BACKGROUND
from reqprof.store.index import HOST
from reqprof.store.status import Status, StatusFile

if TYPE_CHECKING:
    from collections import deque

    from reqprof.model import Request
    from reqprof.record.counters import Counters
    from reqprof.record.recorder import Recorder
    from reqprof.store.writer import Writer

SAY_SECONDS: Final = 5.0
"""Between two reports of a process on itself."""


class Upkeep:
    """Of one recorder; begins with its first request. All but that is the background thread's."""

    def __init__(self, recorder: Recorder, writer: Writer) -> None:
        settings = recorder.settings
        self._recorder = recorder
        self._counters: Counters = recorder.counters
        self._writer = writer
        self._times = None
        if settings.timing:
            self._times = Times(
                settings.out_dir,
                recorder.counters,
                prepare=writer.prepare,
                grew=writer.grew,
                keeps_path=settings.store_path,
            )
        self._file = StatusFile(settings.out_dir)
        self._pulse = Pulse(self.beat)
        self._refused = False
        self.reset()
        BACKGROUND.before_drain(self.say)

    def reset(self) -> None:
        """In a forked child, whose life begins now."""
        self._started = time.time()
        self._said = time.monotonic()
        self._pulse.reset()
        if self._times is not None:
            self._times.reset()

    def begin(self) -> None:
        """A request has come: all this has to go on from now on, where a thread of ours can."""
        if self._pulse.beats or self._refused:
            return
        try:
            refuse_eventlet()
            self._pulse.start()
        except Unavailable as reason:
            self._refused, self._times = True, None
            self._counters.say("untimed", f"requests are not timed: {reason}")

    def waiting(self) -> deque[Any] | None:
        """Where a request that runs unprofiled is noted at its end; None where it is not timed."""
        if active() is not None:
            return None  # within a request that is profiled, nothing of ours is to be seen
        if not self._pulse.beats:
            self.begin()
        times = self._times
        return None if times is None else times.waiting

    def profiled(self, request: Request, *, is_stored: bool) -> None:
        """A profiled request has ended. From any thread."""
        if self._times is not None:
            self._times.waiting.append(Profiled(request, is_stored))

    def beat(self) -> None:
        """What is to be done each second."""
        began = time.thread_time()
        if self._times is not None:
            self._times.turn()
        is_new = self._recorder.control.look()
        self._recorder.hold(time.thread_time() - began)
        self._writer.tend()
        if is_new or time.monotonic() - self._said >= SAY_SECONDS:
            self.say()

    def say(self) -> None:
        """Write what is to be known of this process."""
        self._said = time.monotonic()
        if not self._pulse.beats:
            return
        if not (self._times is not None and self._times.count) and not self._counters.as_dict():
            return  # it does nothing, but for looking whether it is asked to
        try:
            self._writer.prepare()
            self._file.save(self._status())
        except OSError:
            return  # the tallies, and the profiles, tell of it
        except Exception as error:
            self._counters.trouble("failed_status", f"a fault in reqprof: {told(error)}")

    def _status(self) -> Status:
        recorder = self._recorder
        return Status(
            host=HOST,
            pid=os.getpid(),
            started=self._started,
            written=time.time(),
            python=platform.python_version(),
            engine=recorder.engine_name,
            rate=recorder.rate,
            paused=recorder.control.told.paused,
            cost=recorder.spent,
            timed=0 if self._times is None else self._times.count,
            in_flight=recorder.in_flight,
            stored_bytes=self._writer.stored_bytes,
            counters=self._counters.as_dict(),
            trouble=self._counters.last_trouble,
        )
