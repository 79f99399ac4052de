"""What the app itself says of a request: ``reqprof.label(tenant="acme")``."""

from __future__ import annotations

from reqprof.record.engines.clock import unseen
from reqprof.record.follow import current

MAX_LABELS = 32
MAX_NAME = 64
MAX_VALUE = 256
"""Characters. All labels of a request together stay smaller than its other facts may get."""

_length = unseen(len)


class Labels:
    """Those of one request."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def add(self, name: str, value: object) -> None:
        """Keep ``value`` as a text, cut to its bound. One name too many, or too long, is left out.

        Names are not cut, as two of them might become one.
        """
        # In a stretch: nothing that a profile would show, but for a __str__ of the app's own.
        texts = self._texts
        if _length(name) > MAX_NAME or (name not in texts and _length(texts) >= MAX_LABELS):
            return
        try:
            texts[name] = str(value)[:MAX_VALUE]
        except Exception:
            return  # it cannot say what it is

    def facts(self) -> dict[str, str]:
        """A copy."""
        return dict(self._texts)


def label(**labels: object) -> None:
    """Label the profile of the request that this code works for, to be found by.

    ``reqprof.label(tenant="acme", plan=7)``, then ``reqprof slowest --label tenant=acme``. Works
    from anywhere in the request: its child tasks and its calls in pool threads too. Values become
    texts. A request has at most 32 labels, names have at most 64 characters: what is beyond is left
    out; values are cut after 256. A name given again gets the later value. Does nothing, at next to
    no cost, where no request is being profiled. Raises nothing.
    """
    recording = current()
    if recording is not None:
        for name in labels:  # items() would be seen
            recording.labels.add(name, labels[name])
