"""Greenlets: gevent's take turns and keep their work apart; under eventlet nothing is recorded."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest

from tests.conftest import Profiles, callers, calls, need_module
from tests.servers import ROOT, served
from tests.servers.client import traffic, unwrapped
from tests.servers.counts import check_all

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("each_engine")]

REQUESTS = 80  # to each route


@pytest.fixture
def _gevent() -> None:
    need_module("gevent")
    try:
        import gevent  # noqa: F401
    except Exception as error:  # its C extensions were not built for this Python
        pytest.skip(f"gevent does not run on Python {platform.python_version()}: {error!r}")


@pytest.mark.usefixtures("_gevent")
@pytest.mark.parametrize("options", [[], ["--preload"], ["--preload", "--workers", "2"]])
def test_greenlets_that_take_turns_keep_their_work_apart(
    options: list[str], profiles: Profiles
) -> None:
    from tests.servers.greenlet_apps import STEPS, WORK

    paths = sorted(WORK)
    expected = unwrapped("gunicorn-gevent", "tests.servers.greenlet_apps:plain", paths)
    environ = {"TEST_PROFILES": str(profiles.folder)}
    app = "tests.servers.greenlet_apps:wrapped"
    with served("gunicorn-gevent", app, *options, environ=environ) as address:
        answered = traffic(address, REQUESTS * len(paths), paths)
    assert len(answered) == REQUESTS * len(paths)
    for path, response in answered:
        assert response == expected[path]
    found = profiles.read()
    seen = [request.path for request in check_all(found, WORK)]
    assert {path: seen.count(path) for path in paths} == dict.fromkeys(paths, REQUESTS)
    for profile in found:
        path = str(profile.request.path) if profile.request else ""
        for name, number in WORK.get(path, {}).items():
            if name.endswith("_work"):
                assert callers(profile, name) == {STEPS[path]: number}
        # What the server does for others, while this one sleeps, is none of its work.
        assert not {"handle_request", "run_callback", "__call__"} & {*calls(profile)}


@pytest.mark.parametrize("when", ["before", "after"])
def test_under_eventlet_the_app_is_served_and_nothing_recorded(
    when: str, profiles: Profiles
) -> None:
    need_module("eventlet")
    command = ["-m", "tests.servers.eventlet_process", when, str(profiles.folder)]
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        check=False,
        cwd=ROOT,
        # Its own DNS does not load where trio is installed.
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "EVENTLET_NO_GREENDNS": "yes"},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)
    assert told["answers"] == [[200, f"/{number}"] for number in range(20)]
    assert told["counters"] == {"skipped_eventlet": 20}
    assert {line.partition(":")[0] for line in told["log"]} == {
        *("WARNING skipped_eventlet", "WARNING untimed")
    }
    assert profiles.paths() == []
