"""From a door's arguments to its recorder, or to none where there is to be none."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Unpack

from reqprof.record.options import Options, Settings, folder
from reqprof.record.recorder import Recorder
from reqprof.store.background import BACKGROUND

if TYPE_CHECKING:
    from os import PathLike
    from types import FrameType

    from reqprof.record.delivery import Finished
    from reqprof.store.naming import NameMaker

logger = logging.getLogger("reqprof")

_CALLS = ({"environ", "start_response"}, {"scope", "receive", "send"})


class Door:
    """What both middlewares offer besides serving."""

    _recorder: Recorder | None = None

    @property
    def counters(self) -> dict[str, int]:
        """What happened to requests: see :class:`reqprof.record.counters.Counters`."""
        return {} if self._recorder is None else self._recorder.counters.as_dict()

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until what has ended is on disk; False where ``timeout`` seconds were too few."""
        return BACKGROUND.drain(timeout)


def recorder(
    out_dir: str | PathLike[str],
    *,
    template: str | NameMaker | None = None,
    finished: Finished | None = None,
    **options: Unpack[Options],
) -> Recorder | None:
    """The recorder of one middleware; ``None`` with ``REQPROF_ENABLED=0``.

    Raises TypeError or ValueError for a bad argument, also where it is switched off.
    """
    settings = Settings(out_dir=folder(out_dir), **options)
    return Recorder(settings, template=template, finished=finished) if enabled() else None


def enabled() -> bool:
    """Whether the environment leaves profiling switched on."""
    off = {"0", "false", "no", "off"}
    return os.environ.get("REQPROF_ENABLED", "").strip().lower() not in off


def serving() -> bool:
    """Whether an app is being called right now, further up the stack.

    Starlette builds its middleware inside its first call. An error in an argument must not reach
    the app there.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if any(
            names <= set(frame.f_code.co_varnames[: frame.f_code.co_argcount]) for names in _CALLS
        ):
            return True
        frame = frame.f_back
    return False


def off(error: Exception) -> None:
    """Say that a middleware built while serving does nothing, and why."""
    with suppress(Exception):  # of a handler that the app has set up
        logger.error("nothing is profiled: %s", error)
