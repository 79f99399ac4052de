"""OpenTelemetry's spans tell which profile their request leaves, where the app has them.

Whose middleware is the outer one is the app's choice: a span may be there before the request
begins for us, or only inside of it. So it is looked for at the beginning, and again where the
response begins.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from reqprof.record.engines.choose import aside

if TYPE_CHECKING:
    from reqprof.record.recording import Recording

ATTRIBUTE = "reqprof.id"

_API = "opentelemetry.trace"  # which the app has imported, or not: it is never for us to import
_modules = sys.modules


def mark(recording: Recording) -> None:
    """Give the span that is current here the recording's id, unless another one has it."""
    # Perhaps in a stretch: nothing that a profile would show.
    if not recording.marked and _API in _modules:
        aside(partial(_mark, recording))


def _mark(recording: Recording) -> None:
    try:
        span = _modules[_API].get_current_span()
        if span.is_recording():
            span.set_attribute(ATTRIBUTE, recording.request.id)
            recording.marked = True
    except Exception:
        return  # a stand-in, or half imported: not the app's trouble, nor worth a counter
