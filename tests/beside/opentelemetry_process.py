"""OpenTelemetry's automatic instrumentation, with an exporter that keeps the spans."""

from __future__ import annotations

import os
import sys
from typing import Any

from tests.beside import serving, shop


class OpenTelemetry(serving.Tool):
    def __init__(self) -> None:
        os.environ["OTEL_PYTHON_ASYNCIO_COROUTINE_NAMES_TO_TRACE"] = "child,failing_child"
        os.environ["OTEL_PYTHON_ASYNCIO_TO_THREAD_FUNCTION_NAMES_TO_TRACE"] = "job,failing_job"
        os.environ["OTEL_PYTHON_ASYNCIO_FUTURE_TRACE_ENABLED"] = "true"
        from opentelemetry import trace
        from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
        from opentelemetry.instrumentation.auto_instrumentation import initialize
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        trace.set_tracer_provider(provider)
        initialize()
        shop.hooks.span = trace.get_tracer("shop").start_as_current_span
        shop.hooks.middleware = OpenTelemetryMiddleware

    def seen(self) -> Any:
        spans = {
            span.context.span_id: (
                span.parent and span.parent.span_id,
                f"{span.name} {span.status.status_code.name}",
            )
            for span in self._exporter.get_finished_spans()
        }
        return serving.forest(spans)

    def remove(self) -> None:
        from opentelemetry.instrumentation.asyncio import AsyncioInstrumentor
        from opentelemetry.instrumentation.flask import FlaskInstrumentor
        from opentelemetry.instrumentation.threading import ThreadingInstrumentor

        self._exporter.clear()
        AsyncioInstrumentor().uninstrument()
        FlaskInstrumentor().uninstrument()
        if sys.argv[1] == "last":
            # It takes itself out of ThreadPoolExecutor.submit only where nobody has wrapped that
            # after it, as we and Sentry do.
            ThreadingInstrumentor().uninstrument()


if __name__ == "__main__":
    serving.main(OpenTelemetry)
