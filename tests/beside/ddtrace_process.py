"""Datadog's automatic instrumentation, without an agent: its spans are kept and not sent."""

from __future__ import annotations

import os
import sys

os.environ.update(
    DD_TRACE_AGENT_URL="http://127.0.0.1:1",
    DD_INSTRUMENTATION_TELEMETRY_ENABLED="false",
    DD_REMOTE_CONFIGURATION_ENABLED="false",
    DD_TRACE_STARTUP_LOGS="false",
)
if __name__ == "__main__" and sys.argv[1] == "first":
    import ddtrace.auto  # noqa: F401  it asks to be imported before all else

from typing import Any

from tests.beside import serving, shop


class Datadog(serving.Tool):
    def __init__(self) -> None:
        import ddtrace
        from ddtrace.trace import TraceFilter, tracer

        ddtrace.patch(asyncio=True, futures=True, starlette=True, flask=True)
        spans: dict[Any, tuple[Any, str]] = {}
        self._spans = spans

        class Kept(TraceFilter):
            def process_trace(self, trace: Any) -> None:
                for span in trace:
                    name = f"{span.name} {span.resource} {span.error}"
                    spans[span.span_id] = (span.parent_id, name)

        tracer.configure(trace_processors=[Kept()])
        shop.hooks.span = tracer.trace

    def seen(self) -> Any:
        return serving.forest(self._spans)

    def remove(self) -> None:
        self._spans.clear()


if __name__ == "__main__":
    serving.main(Datadog)
