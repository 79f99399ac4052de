"""What holds a middleware to its budget: what it has spent, and what it may do next."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from reqprof.record.budget.budget import Budget
from reqprof.record.budget.expense import WHOLE, Expense
from reqprof.record.engines.choose import active
from reqprof.record.engines.unrecorded import UnrecordedSession
from reqprof.record.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.model import Request
    from reqprof.record.engines import Session
    from reqprof.record.recorder import Recorder


class Limit:
    """Of one recorder."""

    def __init__(self, recorder: Recorder, share: float) -> None:
        self._recorder = recorder
        self._expense = Expense()
        self._measuring: set[Recording] = set()
        rate = recorder.rate
        guess = WHOLE * (1.0 if rate is None else rate)
        self._budget = Budget(share, lambda: self._expense.used(recorder.engine), guess)

    @property
    def factor(self) -> float:
        """What the rate of sampling is to be multiplied by."""
        return self._budget.factor

    @property
    def spent(self) -> float | None:
        """See :attr:`Budget.spent`."""
        return self._budget.spent

    def turn(self, timing: float) -> float:
        """Take stock; the new factor. ``timing``: see :meth:`Recorder.hold`."""
        self._expense.timed(timing)
        self._budget.turn()
        return self._budget.factor

    def weigh(
        self, start: Callable[[Request], Recording | None], request: Request
    ) -> Recording | None:
        """What ``start`` makes of the request, which knows then what that has cost."""
        began = time.thread_time()
        recording = start(request)
        if recording is not None:
            recording.around = time.thread_time() - began
        return recording

    def measure(self, request: Request) -> Recording | None:
        """A recording that records nothing; None within a request that is recorded."""
        if active() is not None:
            return None
        recorder = self._recorder
        recorder.upkeep.begin()
        recording = Recording(
            *(request, recorder.in_flight, self._measured, _outlived, recorder.fault),
            follow=recorder.settings.follow,
        )
        recording.session = session = UnrecordedSession()
        session.owner = recording
        self._measuring.add(recording)
        return recording

    def ended(
        self,
        recording: Recording,
        session: Session,
        then: Callable[[Recording, Session], None],
        *,
        traced: bool,
    ) -> None:
        """A recording has ended, and ``then`` takes it."""
        cpu = session.cpu()
        cpu = session.ran() if cpu is None else cpu
        then(recording, session)
        recording.around += time.thread_time() - recording.closed
        if session.fault is None:
            self._expense.ended(recording, cpu, traced=traced)

    def reset(self) -> None:
        """In a forked child."""
        for recording in list(self._measuring):
            recording.disown()
        self._measuring.clear()
        self._expense.reset()
        self._budget.reset()

    def _measured(self, recording: Recording, session: Session) -> None:
        self._measuring.discard(recording)
        self._recorder.measured(recording, session)


def _outlived(recording: Recording) -> None:
    """Nobody stops a recording that records nothing."""
