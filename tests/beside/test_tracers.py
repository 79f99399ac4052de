"""Tracers that follow requests into tasks and threads, as we do: Sentry, Datadog, OpenTelemetry.

What they see is compared with what they see beside a middleware that does nothing.
"""

from __future__ import annotations

import pytest

from tests.beside import Told, shop, told
from tests.conftest import need_module

pytestmark = pytest.mark.recording

MODULES = {
    "none": [],
    "sentry": ["sentry_sdk"],
    "ddtrace": ["ddtrace"],
    "opentelemetry": [
        *("opentelemetry.sdk", "opentelemetry.instrumentation.asgi"),
        *("opentelemetry.instrumentation.flask", "opentelemetry.instrumentation.asyncio"),
        "opentelemetry.instrumentation.threading",
    ],
}
TRACERS = [tool for tool in MODULES if tool != "none"]


def beside(tool: str, installed: str, middleware: str = "ours") -> Told:
    for module in ["starlette", "flask", *MODULES[tool]]:
        need_module(module.partition(".")[0])
        need_module(module)
    return told(tool, installed, middleware)


def check_counts(found: Told) -> None:
    """Each request, of apps wrapped in two places, left one whole profile."""
    times = len(found.answers) // len(shop.COUNTS)
    assert times >= 4
    assert found.counts == {path: [counts] * times for path, counts in shop.COUNTS.items()}
    assert found.interrupted == []
    assert set(found.counters) == {"profiled", "stored", "pruned"}
    assert found.counters["stored"] == len(found.answers)


def test_the_counts_are_right_with_no_tool() -> None:
    found = beside("none", "first")
    assert found.answers == beside("none", "first", "plain").answers
    check_counts(found)


@pytest.mark.parametrize("installed", ["first", "last"])
@pytest.mark.parametrize("tool", TRACERS)
class TestBeside:
    def test_the_app_answers_as_without_us(self, tool: str, installed: str) -> None:
        assert beside(tool, installed).answers == beside(tool, installed, "plain").answers

    def test_the_tool_sees_what_it_sees_without_us(self, tool: str, installed: str) -> None:
        assert beside(tool, installed).seen == beside(tool, installed, "plain").seen

    def test_nobody_complains_who_does_not_without_us(self, tool: str, installed: str) -> None:
        assert beside(tool, installed).said == beside(tool, installed, "plain").said

    def test_our_counts_are_exact_and_no_request_is_skipped(
        self, tool: str, installed: str
    ) -> None:
        check_counts(beside(tool, installed))

    def test_the_tool_saw_spans_in_tasks_and_threads_at_all(
        self, tool: str, installed: str
    ) -> None:
        """Or else the tests above compare nothing."""
        seen = repr(beside(tool, installed).seen[0])
        for name in ("task", "in a group", "asyncio's thread", "anyio's thread", "endpoint"):
            assert name in seen
        assert "first" in seen
        assert "'sampled': True" in seen or tool != "sentry"


def test_datadogs_profiler_and_error_tracking() -> None:
    """They may take the ids of sys.monitoring that we would: then requests are skipped, counted."""
    settings = ("DD_PROFILING_ENABLED", "1"), ("DD_ERROR_TRACKING_HANDLED_ERRORS", "all")
    for module in ("starlette", "flask", "ddtrace"):
        need_module(module)
    plain = told("ddtrace", "first", "plain", *settings)
    found = told("ddtrace", "first", "ours", *settings)
    assert (found.answers, found.seen) == (plain.answers, plain.seen)
    if "skipped_tools" in found.counters:
        assert found.counters == {"skipped_tools": len(found.answers)}
        assert found.counts == {}
    else:
        check_counts(found)
