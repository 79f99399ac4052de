"""BlockBuster finds no call of ours that blocks the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.beside import run, shop
from tests.conftest import need_module

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.recording


def serve(middleware: str, folder: Path) -> Any:
    for name in ("blockbuster", "starlette", "flask"):
        need_module(name)
    return run("tests.beside.blockbuster_process", middleware, str(folder))[0]


def test_requests_with_child_tasks_and_pool_threads(tmp_path: Path) -> None:
    plain, ours = serve("plain", tmp_path), serve("ours", tmp_path)
    assert [function for function, *_ in plain["blocked"]] == ["time.sleep"]  # of the test's own
    assert [function for function, *_ in ours["blocked"]] == ["time.sleep"], ours["blocked"]
    assert ours["answers"] == plain["answers"]
    assert ours["counts"] == {path: [shop.COUNTS[path]] * 4 for path in shop.ASYNC}
    assert set(ours["counters"]) == {"profiled", "stored", "pruned"}
