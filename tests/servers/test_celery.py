"""Celery's tasks, decorated as docs/jobs.md says, in a worker of each kind of pool."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Profiles, calls, need_module
from tests.servers import ROOT
from tests.servers.client import written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("each_engine")]

APP = "tests.servers.celery_app"
TIMES = [2, 3, 13, 5]


@pytest.fixture
def app(
    profiles: Profiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Any, dict[str, str]]]:
    """The app, to send tasks by, and the environment that its worker needs."""
    need_module("celery")
    environ = {"TEST_BROKER": str(tmp_path), "TEST_PROFILES": str(profiles.folder)}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, APP, raising=False)  # that of another test's folder
    celery_app = importlib.import_module(APP)
    yield celery_app, {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    celery_app.app.close()


def check(profiles: Profiles) -> None:
    """Each task left a profile of its own work."""
    found = {}
    for profile in profiles.read():
        request = profile.request
        assert request is not None
        assert (request.kind, request.route) == ("job", "invoices")
        assert request.exception == ("ValueError" if request.labels["times"] == "13" else None)
        found[int(request.labels["times"])] = calls(profile)["leaf"]
        assert calls(profile)["send_invoices"] == 1
    assert found == {times: times for times in TIMES}


@pytest.mark.parametrize(
    "pool",
    [
        ("--pool", "prefork", "--concurrency", "2"),
        ("--pool", "prefork", "--concurrency", "1", "--max-tasks-per-child", "1"),
        ("--pool", "solo"),
        ("--pool", "threads", "--concurrency", "2"),
    ],
    ids=["prefork", "prefork, a child for each", "solo", "threads"],
)
def test_a_worker_leaves_a_profile_of_each_task(
    pool: tuple[str, ...], app: tuple[Any, dict[str, str]], profiles: Profiles
) -> None:
    module, environ = app
    results = [module.send_invoices.delay(times) for times in TIMES]
    command = [sys.executable, "-m", "celery", "-A", APP, "worker", *pool]
    worker = subprocess.Popen(
        [*command, "--loglevel", "ERROR", "--without-gossip", "--without-mingle"],
        cwd=ROOT,
        env=environ,
        process_group=0,
    )
    try:
        for result, times in zip(results, TIMES, strict=True):
            assert result.get(timeout=60, propagate=False, interval=0.05) == times or times == 13
        written(profiles, len(TIMES))
    finally:
        worker.send_signal(signal.SIGTERM)
        try:
            worker.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
            raise
    check(profiles)


def test_eager_tasks_too(app: tuple[Any, dict[str, str]], profiles: Profiles) -> None:
    module, _ = app
    for times in TIMES:
        result = module.send_invoices.apply(args=[times])
        assert result.successful() == (times != 13)
    assert module.profiled.flush()
    check(profiles)
