"""What was recorded of a request, or sampled, on its way to the disk and to who is to be told."""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from reqprof.record.choice.keeping import File, Verdict
from reqprof.record.counters import told
from reqprof.record.options import MAX_QUEUE
from reqprof.record.telling import listening
from reqprof.store.background import BACKGROUND
from reqprof.store.index import HOST
from reqprof.store.native import usual_signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.model import Request, Stats
    from reqprof.record.choice.control import Control
    from reqprof.record.counters import Counters
    from reqprof.record.engines import Session
    from reqprof.record.options import Settings
    from reqprof.record.recording import Recording
    from reqprof.record.upkeep import Upkeep
    from reqprof.record.watch.samples import Samples
    from reqprof.record.watch.watched import Watched
    from reqprof.store.claims import Claim
    from reqprof.store.writer import Writer

    Finished = Callable[[Stats, Request], None]

_PYTHON = platform.python_version()


class Delivery:
    """Of one middleware. ``finished`` is what else is to be done with each profile.

    From :meth:`queue` on, everything happens on the background thread.
    """

    def __init__(
        self,
        settings: Settings,
        counters: Counters,
        writer: Writer,
        upkeep: Upkeep,
        control: Control,
        finished: Finished | None,
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._writer = writer
        self._upkeep = upkeep
        self._control = control
        self._claim: Claim | None = None  # of the profile that is being stored
        self._finished = finished
        self._keeping = settings.keeping(self._keep_failed)

    def queue(self, recording: Recording | Watched, session: Session | Samples) -> None:
        """Take a recording that has ended. From any thread."""
        if not BACKGROUND.submit(partial(self._finish, recording, session), MAX_QUEUE):
            waiting = f"{BACKGROUND.backlog} profiles wait to be written already"
            full = BACKGROUND.backlog >= MAX_QUEUE
            self._counters.trouble("dropped", waiting if full else "no thread can be started")
            self._tally(recording, None)
            _forget(recording, session)

    def outlived(self, recording: Recording | Watched) -> None:
        """A recording has ended that was stored before, as it was then."""
        self._upkeep.profiled(self._bare(recording), is_stored=True)

    def unprofiled(self, recording: Recording, session: Session) -> None:
        """Tally a request that has ended and was not recorded. From any thread."""
        if not BACKGROUND.submit(partial(self._tally_unprofiled, recording, session), MAX_QUEUE):
            self._tally_unprofiled(recording, session)

    def _tally_unprofiled(self, recording: Recording, session: Session) -> None:
        self._upkeep.profiled(replace(self._bare(recording), engine=""), is_stored=False)
        _forget(recording, session)

    def renew(self) -> None:
        """In a forked child: the slowest of its parent are not its own."""
        self._keeping.renew()

    def _finish(self, recording: Recording | Watched, session: Session | Samples) -> None:
        try:
            self._store(recording, session)
        finally:
            if self._claim is not None:  # there is no profile to fill it with
                self._claim.release()
                self._claim = None
            _forget(recording, session)

    def _store(self, recording: Recording | Watched, session: Session | Samples) -> None:
        """The stats, the file, and what else is to be done."""
        try:
            if session.fault is not None:
                raise session.fault
            ended = replace(recording.request, **recording.seen(store_path=True))
            verdict = self._verdict(ended)
            if verdict is None:
                self._counters.add("not_kept")
                self._tally(recording, None)
                return
            stats = session.finish()
            if not stats and not recording.partial:  # where it is stuck is worth a file
                self._counters.add("empty")
                self._tally(recording, None)
                return
            request = self._described(recording, session, stats, verdict)
            timeline, tree = recording.timeline(), session.calltree()
        except Exception as error:
            self._counters.trouble("failed_stats", f"a fault in reqprof: {told(error)}")
            self._tally(recording, None)
            return
        if request.interrupted:
            self._counters.add("interrupted")
        is_stored = False
        try:
            gone = self._writer.write(stats, request, recording.environ, timeline, tree)
            self._counters.add("pruned", gone)
            self._counters.add("stored")
            is_stored = True
            self._deliver(request)
            self._displace(ended, request)
            self._tell(request)
        except OSError as error:
            folder = self._settings.out_dir
            self._counters.trouble("unwritten", f"{folder} takes no profile: {error}")
        except BaseException as error:  # a filename_format may even try to exit
            self._counters.trouble("failed_write", f"a fault in reqprof: {told(error)}")
        self._tally(recording, request, is_stored=is_stored)
        if self._finished is not None:
            try:
                self._finished(stats, request)
            except BaseException as error:
                self._counters.trouble("failed_print", f"stream= took no report: {told(error)}")

    def _verdict(self, ended: Request) -> Verdict | None:
        """Why it is kept: for an order, or by the usual rules if they are what chose it."""
        if ended.chosen in ("sample", "arm"):  # a trigger's is somebody else's
            self._claim = self._control.take(ended)
        if self._claim is not None:
            return Verdict("arm", 1.0)
        return None if ended.chosen == "arm" else self._keeping.verdict(ended)

    def _deliver(self, request: Request) -> None:
        """Tell who has asked for it, if anybody has."""
        if self._claim is not None:
            self._claim.fill(request, self._writer.last_name)
            self._claim = None

    def _tell(self, request: Request) -> None:
        """What the user wants done with each profile, now that it is stored."""
        path = self._settings.out_dir / self._writer.last_name
        listening.tell(request, path)
        if self._settings.on_profile is None:
            return
        try:
            with usual_signals():
                self._settings.on_profile(request, path)
        except BaseException as error:  # it must not end the thread that all profiles need
            self._counters.trouble("failed_on_profile", f"on_profile= raised {told(error)}")

    def _displace(self, ended: Request, request: Request) -> None:
        """Delete the profile that the one just stored has pushed out of its route's slowest."""
        gone = self._keeping.stored(ended, request.kept, File(self._writer.last_name, request.id))
        if gone is not None:
            self._counters.add("displaced", self._writer.remove(*gone))

    def _keep_failed(self, error: BaseException) -> None:
        why = f"keep= raised, the other rules decide: {told(error)}"
        self._counters.trouble("failed_keep", why)

    def _tally(
        self, recording: Recording | Watched, request: Request | None, *, is_stored: bool = False
    ) -> None:
        """Count a recording that has ended, unless it runs on."""
        if not recording.partial:
            self._upkeep.profiled(request or self._bare(recording), is_stored=is_stored)

    def _bare(self, recording: Recording | Watched) -> Request:
        """What is known without the stats."""
        seen = recording.seen(self._settings.store_path)
        return replace(recording.request, **seen, pid=os.getpid(), host=HOST)

    def _described(
        self,
        recording: Recording | Watched,
        session: Session | Samples,
        stats: Stats,
        verdict: Verdict,
    ) -> Request:
        engine = recording.engine
        return replace(
            self._bare(recording),
            kept=verdict.kept,
            weight=verdict.weight,
            cpu=session.cpu(),
            cost=session.cost(stats),
            calls=session.calls(stats),
            beyond=session.beyond(),
            neighbours=recording.neighbours,
            thread=recording.thread,
            python=_PYTHON,
            engine=engine.name,
            builtins=engine.builtins,
            clock=engine.clock,
            interrupted=session.interrupted(),
        )


def _forget(recording: Recording | Watched, session: Session | Samples) -> None:
    recording.forget()
    session.drop()
