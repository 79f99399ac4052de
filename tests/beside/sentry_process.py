"""Sentry's SDK, tracing and profiling, with a transport that keeps what would be sent."""

from __future__ import annotations

import sys
import time
from typing import Any

from tests.beside import serving, shop

# Sentry asks whether eventlet is at work by importing it, which fails where trio is there too.
sys.modules["eventlet"] = None  # type: ignore[assignment]

_SAMPLED_SECONDS = 0.3  # for two samples of a sampler at 101 Hz


class Sentry(serving.Tool):
    def __init__(self) -> None:
        import sentry_sdk
        from sentry_sdk.integrations.asyncio import AsyncioIntegration
        from sentry_sdk.transport import Transport

        items: list[tuple[str, Any]] = []
        self._items = items

        class Kept(Transport):
            def capture_envelope(self, envelope: Any) -> None:
                items.extend((item.type, item.payload.json) for item in envelope.items)

        sentry_sdk.init(
            dsn="http://key@localhost/1",
            transport=Kept,
            traces_sample_rate=1.0,
            profiles_sample_rate=1.0,
            integrations=[AsyncioIntegration()],
        )
        shop.hooks.span = lambda name: sentry_sdk.start_span(op="shop", name=name)
        shop.hooks.linger = _linger_once

    def seen(self) -> Any:
        import sentry_sdk

        sentry_sdk.flush()
        kinds = {kind: [item for of, item in self._items if of == kind] for kind, _ in self._items}
        return {
            "transactions": sorted(map(_transaction, kinds["transaction"])),
            "errors": sorted(map(_error, kinds["event"])),
            "sampled": any(map(_sampled, kinds["profile"])),
        }


def _linger_once() -> None:
    time.sleep(_SAMPLED_SECONDS)
    shop.hooks.linger = shop.Hooks.linger


def _transaction(event: Any) -> Any:
    trace = event["contexts"]["trace"]
    spans = {
        span["span_id"]: (span["parent_span_id"], f"{span['op']} {span['description']}")
        for span in [trace, *event["spans"]]
    }
    return [event["transaction"], trace["status"], serving.forest(spans)]


def _error(event: Any) -> Any:
    """The exceptions, each with its traceback but for the frames of either middleware."""
    return [
        [
            error["type"],
            error["mechanism"]["type"],
            [
                frame["function"]
                for frame in error["stacktrace"]["frames"]
                if not frame["module"].startswith(("reqprof.", serving.__name__))
            ],
        ]
        for error in event["exception"]["values"]
    ]


def _sampled(event: Any) -> bool:
    return any("plain_view" in frame["function"] for frame in event["profile"]["frames"])


if __name__ == "__main__":
    serving.main(Sentry)
