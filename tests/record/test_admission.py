"""What a throw of the dice decides before anything else is looked at."""

from __future__ import annotations

import math
import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from reqprof import wsgi
from reqprof.record.choice import dice
from reqprof.record.choice.admission import COMPARED, Admission
from reqprof.record.choice.arrival import Arrival, Incoming
from reqprof.record.choice.control import Told
from reqprof.record.counters import Counters
from reqprof.record.options import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from reqprof.model import Request
    from tests.conftest import Profiles

pytestmark = pytest.mark.recording

TRACED = {"traceparent": "00-" + "0" * 18 + "f" * 14 + "-b7ad6b7169203331-01"}


def made(folder: Path, **options: Any) -> Admission:
    return Admission(Settings(out_dir=folder, **options), Counters())


def arrival(headers: dict[str, str]) -> Arrival:
    return Arrival("http", "GET", "/", headers.get("traceparent"))


def header(headers: dict[str, str], name: str) -> str | None:
    return headers.get(name)


def admitted(admission: Admission, throw: float, **headers: str) -> Request | None:
    return admission.admit(Incoming(arrival, header, headers, throw))


@pytest.mark.parametrize(
    ("options", "reach"),
    [
        ({"sample": 0.25}, 0.25),
        ({"sample": 1.0}, 1.0),
        ({"sample": 0.0}, 0.0),
        ({"sample": 0.01, "budget": 0.02}, 0.01 + COMPARED * 0.01),
        ({"sample": 0.25, "trigger": b"sixteen bytes it has"}, math.inf),
        ({"sample": lambda request: 0.25}, math.inf),
    ],
    ids=["rate", "all", "none", "budget", "trigger", "callable"],
)
def test_how_far_the_rate_alone_decides(
    tmp_path: Path, options: dict[str, Any], reach: float
) -> None:
    admission = made(tmp_path, **options)
    assert admission.reach == math.inf  # nobody knows yet what the process is told
    admission.heed(Told())
    assert admission.reach == pytest.approx(reach)
    admission.heed(Told(paused=True))
    assert admission.reach == math.inf
    admission.heed(Told())
    admission.lower(0.1)
    assert admission.reach == pytest.approx(reach * 0.1)  # what is compared goes by the rate too
    admission.renew()
    assert admission.reach == math.inf


def test_one_throw_tells_who_is_profiled_who_is_compared_and_who_is_neither(
    tmp_path: Path,
) -> None:
    admission = made(tmp_path, sample=0.1, budget=0.02)
    admission.heed(Told())
    found = [
        (
            admitted(admission, throw) is not None,
            admission.compared(Incoming(arrival, header, {}, throw)) is not None,
            throw >= admission.reach,
        )
        for throw in (0.0, 0.0999, 0.1, 0.1999, 0.2, 0.9)
    ]
    profiled, compared, neither = (True, False, False), (False, True, False), (False, False, True)
    assert found == [profiled, profiled, compared, compared, neither, neither]


def test_a_trace_decides_whatever_the_throw(tmp_path: Path) -> None:
    admission = made(tmp_path, sample=0.1)
    admission.heed(Told())
    for throw in (0.0, 0.9):
        assert admitted(admission, throw, **TRACED) is not None
        other = TRACED["traceparent"].replace("f" * 14, "0" * 13 + "1")
        assert admitted(admission, throw, traceparent=other) is None


def serve(served: wsgi.ProfilerMiddleware, times: int) -> None:
    for _ in range(times):
        body: Any = served({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: lambda _: None)
        body.close()


def app(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"x"]


def test_the_random_numbers_of_an_app_are_left_alone(profiles: Profiles) -> None:
    served = wsgi.ProfilerMiddleware(
        app, profiles.folder, sample=0.5, baseline=0.5, worst_per_route=2, budget=0.5
    )
    random.seed(17)
    state = random.getstate()
    serve(served, 50)
    assert served.flush(60)
    assert served.counters["profiled"] > 0
    assert random.getstate() == state


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_throws_dice_of_its_own() -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, repr([dice.throw() for _ in range(5)]).encode())
        os._exit(0)
    mine = [dice.throw() for _ in range(5)]
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(reader, 1000).decode() != repr(mine)
    os.close(reader)
    os.close(writer)
