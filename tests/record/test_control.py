"""What processes are told through their folder: orders and pauses, sound and hostile ones."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.model import Request
from reqprof.record.choice.armed import Armed
from reqprof.record.choice.arrival import Arrival
from reqprof.record.choice.control import Control, Told
from reqprof.record.counters import Counters
from reqprof.store import claims, control, orders
from reqprof.store.background import BACKGROUND
from reqprof.store.control import Order
from tests.conftest import need_module
from tests.record.test_recorder import Service, counts, facts, service, work

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Profiles

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("each_engine")]

_ = service  # the fixture of both doors
ID, OTHER = "0123456789ab", "ba9876543210"
NOW = 1_800_000_000.0
ORDER = Order(id=ID, number=2, until=NOW + 60)


class Process:
    """One process's look at a folder, at a time that the test sets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = NOW
        self.heard: list[Told] = []
        self.counters = Counters()
        folder.mkdir(exist_ok=True)
        self.control = Control(folder, self.counters, self.heard.append, clock=lambda: self.now)

    def look(self) -> Told:
        self.control.look()
        return self.control.told

    def orders(self) -> list[Order]:
        return [armed.order for armed in self.look().armed]

    def refused(self) -> int:
        return self.counters.as_dict().get("control_refused", 0)


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return Process(tmp_path / "profiles")


def ended(path: str = "/orders/17", **known: Any) -> Request:
    """A request that has ended, whose framework named its route."""
    usual: dict[str, Any] = {"method": "GET", "route": "/orders/{id}", "duration": 0.1}
    return Request(id=OTHER, path=path, **{**usual, **known})


def came(path: str, method: str = "GET", mounted: str = "") -> Arrival:
    return Arrival("http", method, path, None, mounted)


# What a folder says


def test_nothing_is_told_where_nothing_was_asked(process: Process) -> None:
    assert process.look() == Told()
    assert process.heard == [Told()]
    assert not process.control.look()
    assert process.heard == [Told()]


def test_an_order_is_followed_until_it_is_taken_back(process: Process) -> None:
    process.look()
    order = replace(ORDER, route="/orders/{id}", method="GET", slower_than=0.5)
    orders.place(process.folder, order)
    assert process.control.look()
    assert process.orders() == [order]
    orders.withdraw(process.folder, order)
    assert process.look() == Told()
    assert len(process.heard) == 3


def test_an_order_ends_with_its_time(process: Process) -> None:
    orders.place(process.folder, ORDER)
    process.now = ORDER.until - 0.001
    assert process.orders() == [ORDER]
    process.now = ORDER.until
    assert process.orders() == []
    assert process.control.take(ended()) is None


def test_one_that_ends_between_two_looks_is_not_served(process: Process) -> None:
    orders.place(process.folder, ORDER)
    process.look()
    process.now = ORDER.until
    assert process.control.take(ended()) is None


def test_several_orders_are_followed_at_once(process: Process) -> None:
    second = replace(ORDER, id=OTHER, route="/users")
    for order in (ORDER, second):
        orders.place(process.folder, order)
    assert process.orders() == [ORDER, second]


@pytest.mark.parametrize(
    ("until", "now", "paused"),
    [(None, NOW, True), (None, 9e9, True), (NOW + 1, NOW, True), (NOW, NOW, False)],
)
def test_a_pause_lasts_until_it_is_taken_back_or_over(
    process: Process, until: float | None, now: float, paused: bool
) -> None:
    if until is None:
        orders.pause(process.folder)
    else:
        orders.pause(process.folder, until)
    orders.place(process.folder, replace(ORDER, until=9.5e9))
    process.now = now
    assert process.look().paused is paused
    assert bool(process.control.told.armed) is not paused
    assert orders.resume(process.folder)
    assert not process.look().paused
    assert process.control.told.armed
    assert not orders.resume(process.folder)


def test_a_look_is_one_stat_until_something_is_asked(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.place(process.folder, ORDER)
    for _ in range(5):
        process.look()
    stats: list[object] = []
    real = os.stat

    def counted(*given: Any, **named: Any) -> os.stat_result:
        stats.append(given)
        return real(*given, **named)

    monkeypatch.setattr(os, "stat", counted)
    monkeypatch.setattr(control, "read", lambda folder: pytest.fail("read"))
    for _ in range(3):
        assert not process.control.look()
    assert len(stats) == 3


def test_a_change_within_one_tick_of_the_file_systems_clock_is_seen(process: Process) -> None:
    place = process.folder / control.FOLDER
    orders.place(process.folder, ORDER)
    os.utime(place, (NOW, NOW))
    assert process.orders() == [ORDER]
    orders.place(process.folder, replace(ORDER, id=OTHER))
    os.utime(place, (NOW, NOW))
    assert len(process.orders()) == 2


def test_a_look_that_fails_is_counted(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: str) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(control, "stamp", fail)
    assert not process.control.look()
    assert process.counters.as_dict() == {"failed_control": 1}


# Hostile and malformed ones


GOOD = {"number": 2, "until": NOW + 60}


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"number": 2},
        {"until": NOW + 60},
        {**GOOD, "number": 0},
        {**GOOD, "number": -1},
        {**GOOD, "number": 1001},
        {**GOOD, "number": 10**30},
        {**GOOD, "number": 2.0},
        {**GOOD, "number": "2"},
        {**GOOD, "number": True},
        {**GOOD, "number": None},
        {**GOOD, "until": "tomorrow"},
        {**GOOD, "until": -1},
        {**GOOD, "until": 1e300},
        {**GOOD, "until": False},
        {**GOOD, "until": None},
        {**GOOD, "route": 7},
        {**GOOD, "route": ["/a"]},
        {**GOOD, "route": ""},
        {**GOOD, "route": "orders"},
        {**GOOD, "route": "/" + "a" * 1000},
        {**GOOD, "method": 7},
        {**GOOD, "method": ""},
        {**GOOD, "method": "get"},
        {**GOOD, "method": "GET\n"},
        {**GOOD, "method": "A" * 65},
        {**GOOD, "slower_than": "800ms"},
        {**GOOD, "slower_than": -1},
        {**GOOD, "slower_than": True},
    ],
    ids=str,
)
def test_an_order_that_makes_no_sense_is_counted_and_ignored(
    process: Process, facts: dict[str, Any]
) -> None:
    refuse(process, json.dumps(facts).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"{",
        b"[]",
        b"null",
        b"7",
        b"\xff\xfe",
        b"\0" * 100,
        b"[" * 10_000,
        b'{"a":' * 3_000,
        b'{"number": 2, "until": NaN}',
        b'{"number": 2, "until": Infinity}',
        b'{"number": 2, "until": 1e999}',
        b'{"number": ' + b"9" * 10_000 + b', "until": 2e9}',
        json.dumps(GOOD).encode() + b" " * 20_000,
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_is_no_order_at_all_is_counted_and_ignored(process: Process, data: bytes) -> None:
    refuse(process, data)


def refuse(process: Process, data: bytes) -> None:
    """The file is refused as an order and as a pause, once each, and the good one is followed."""
    orders.place(process.folder, ORDER)
    place = process.folder / control.FOLDER
    (place / f"{OTHER}.order").write_bytes(data)
    assert process.orders() == [ORDER]
    assert process.refused() == 1
    if b"until" not in data:
        (place / "pause").write_bytes(data)
        assert not process.look().paused
        assert process.refused() == 2
    for _ in range(4):
        process.look()
    assert process.refused() <= 2


@pytest.mark.parametrize("name", ["pause", f"{OTHER}.order"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "link", "loop", "dangling", "device"])
def test_what_is_no_plain_file_is_counted_and_never_waited_for(
    process: Process, tmp_path: Path, name: str, kind: str
) -> None:
    orders.place(process.folder, ORDER)
    path = process.folder / control.FOLDER / name
    target = tmp_path / "target"
    target.write_text(json.dumps({**GOOD, "until": None} if name == "pause" else GOOD))
    makers: dict[str, Callable[[], object]] = {
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "link": lambda: path.symlink_to(target),
        "loop": lambda: path.symlink_to(path),
        "dangling": lambda: path.symlink_to(tmp_path / "nowhere"),
        "device": lambda: path.symlink_to("/dev/zero"),
    }
    makers[kind]()
    told = process.look()
    assert [armed.order for armed in told.armed] == [ORDER]
    assert not told.paused
    assert process.refused() == 1


def test_orders_beyond_a_hundred_are_refused(process: Process) -> None:
    for number in range(103):
        orders.place(process.folder, replace(ORDER, id=f"{number:012x}"))
    assert len(process.orders()) == control.MOST_ORDERS
    assert process.refused() == 3


@pytest.mark.parametrize("place", [control.FOLDER, ".reqprof"])
def test_a_link_in_the_place_of_its_folder_is_not_followed(
    process: Process, tmp_path: Path, place: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    orders.place(elsewhere, ORDER)
    link = process.folder / place
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(elsewhere / place)
    assert process.look() == Told()
    assert process.refused() == 1
    with pytest.raises(OSError, match="is a symbolic link"):
        orders.place(process.folder, ORDER)


def test_a_file_in_the_place_of_its_folder_is_refused(process: Process) -> None:
    (process.folder / ".reqprof").mkdir()
    (process.folder / control.FOLDER).write_text("x")
    assert process.look() == Told()
    assert process.refused() == 1


def test_other_names_mean_nothing(process: Process) -> None:
    orders.place(process.folder, ORDER)
    for name in ("README", "pause-1234abcd", f"{ID}.order-1234abcd", f"{ID}.0", f"{ID}.1x", "a.1"):
        (process.folder / control.FOLDER / name).write_text("{}")
    assert process.orders() == [ORDER]
    assert process.refused() == 0


def test_why_one_is_refused_is_in_the_log(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "reqprof"):
        refuse(process, b'{"number": 1, "until": "x"}')
    (line,) = caplog.messages
    assert f"{OTHER}.order: until = 'x'" in line


# Which requests an order is for


ROUTES = [
    # the order's route, the path, the route that the framework named, whether it may be, and is
    ("/orders/{id}", "/orders/17", "/orders/{id}", True, True),
    ("/orders/{id}", "/orders/new", "/orders/new", True, False),
    ("/orders/{id}", "/orders/17/lines", "/orders/{id}/lines", True, False),
    ("/orders/{id}", "/orders/17", "/orders/<int:id>", True, False),
    ("/orders/{id}", "/users/17", "/users/{id}", False, False),
    ("/orders/{id}", "/orders/", "/orders/", True, False),
    ("/orders", "/orders", "/orders", True, True),
    ("/orders", "/orders/", "/orders/", False, False),
    ("/orders/17", "/orders/17", "/orders/{id}", True, True),
    ("/orders/17", "/orders/18", "/orders/{id}", False, False),
    # Starlette's names do not tell that a parameter is of several segments
    ("/files/{rest}", "/files/a/b/c", "/files/{rest}", True, True),
    ("/files/{rest:path}", "/files/a/b/c", "/files/{rest:path}", True, True),
    ("/static/{path}", "/static/css/a.css", "/static/{path}", True, True),
    # Flask's, Django's and Bottle's
    ("/orders/<int:id>", "/orders/17", "/orders/<int:id>", True, True),
    ("/files/<path:rest>", "/files/a/b", "/files/<path:rest>", True, True),
    ("/files/<rest:path>", "/files/a/b", "/files/<rest:path>", True, True),
    ("/tags/<slug:tag>/", "/tags/a-b/", "/tags/<slug:tag>/", True, True),
    ("/<any(a,b):letter>", "/a", "/<any(a,b):letter>", True, True),
    ("/a/<x:re:[a-z]+>", "/a/bc", "/a/<x:re:[a-z]+>", True, True),
    # expressions of Django, Pyramid and Falcon
    ("/orders/(?P<pk>[0-9]+)/$", "/orders/17/", "/orders/(?P<pk>[0-9]+)/$", True, True),
    ("/orders?/(\\d+)", "/order/17", "/orders?/(\\d+)", True, True),
    ("/robots\\.txt$", "/robots.txt", "/robots\\.txt$", True, True),
    ("/reports/$", "/reports/", "/reports/$", True, True),
    ("/reports/$", "/users/", "/users/$", False, False),
    ("/orders/{id:\\d+}", "/orders/17", "/orders/{id:\\d+}", True, True),
    ("/a/*rest", "/a/b/c", "/a/*rest", True, True),
    ("/at/{when:dt('%Y')}", "/at/2026", "/at/{when:dt('%Y')}", True, True),
    # globs, of routes and of paths
    ("/orders/*", "/orders/17/lines", "/orders/{id}/lines", True, True),
    ("*/lines", "/orders/17/lines", "/orders/{id}/lines", True, True),
    ("/orders/{id}*", "/orders/17/lines", "/orders/{id}/lines", True, True),
    ("/orders/?", "/orders/7", "/orders/{id}", True, True),
    ("/orders/[78]", "/orders/9", "/orders/{id}", False, False),
    ("*", "", None, True, True),
]


@pytest.mark.parametrize(("wanted", "path", "named", "may_be", "is_one"), ROUTES)
def test_which_requests_an_order_takes(
    wanted: str, path: str, named: str | None, may_be: bool, is_one: bool
) -> None:
    armed = Armed(replace(ORDER, route=wanted))
    assert armed.may_take(came(path)) is may_be
    assert armed.takes(ended(path, route=named)) is is_one


@pytest.mark.parametrize(
    ("path", "mounted", "may_be"),
    [
        ("/api/orders/17", "/api", True),
        ("/api/orders/17", "", False),
        ("/orders/17", "/api", True),  # of a server that does not put the mount before the path
        ("/api/users/17", "/api", False),
    ],
)
def test_a_route_below_a_servers_mount_is_named_without_it(
    path: str, mounted: str, may_be: bool
) -> None:
    armed = Armed(replace(ORDER, route="/orders/{id}"))
    assert armed.may_take(came(path, mounted=mounted)) is may_be
    assert armed.takes(ended(path))


def test_each_other_route_is_recorded_in_vain_but_once() -> None:
    armed = Armed(replace(ORDER, route="/orders/{id}"))
    armed.learn(ended("/orders/17/lines", route="/orders/{id}/lines"))
    armed.learn(ended("/orders/new", route="/orders/new"))
    armed.learn(ended("/orders/17", route="/orders/<int:id>"))  # by its path it could be both
    assert not armed.may_take(came("/orders/18/lines"))
    assert not armed.may_take(came("/orders/new"))
    assert armed.may_take(came("/orders/new", "POST"))
    assert armed.may_take(came("/orders/18"))
    assert armed.may_take(came("/orders/18/items"))


def test_a_guess_teaches_nothing() -> None:
    armed = Armed(replace(ORDER, route="/orders/{id}"))
    armed.learn(ended("/orders/new", route="/orders/new", guessed=True))
    armed.learn(ended("/orders/new", route=None))
    assert armed.may_take(came("/orders/new"))


@pytest.mark.parametrize(
    ("rules", "request_", "is_one"),
    [
        ({}, ended(), True),
        ({"method": "GET"}, ended(), True),
        ({"method": "GET"}, ended(method="get"), True),
        ({"method": "POST"}, ended(), False),
        ({"slower_than": 0.1}, ended(), False),
        ({"slower_than": 0.0999}, ended(), True),
        ({"route": "/orders/{id}"}, ended(route="/orders/{id}", guessed=True), True),
        ({"route": "/orders/<id>"}, ended(guessed=True), False),
        # one that is stuck before its framework has told its route
        ({"route": "/orders/<id>"}, ended(guessed=True, partial=True), True),
        ({"route": "/orders/<id>"}, ended(partial=True), False),
        ({"route": "/orders/<id>"}, ended("/x", route="/x", guessed=True, partial=True), False),
    ],
    ids=str,
)
def test_all_of_an_order_must_be_met(rules: Any, request_: Request, is_one: bool) -> None:
    assert Armed(replace(ORDER, **rules)).takes(request_) is is_one


def test_another_method_is_not_even_recorded() -> None:
    armed = Armed(replace(ORDER, method="POST"))
    assert armed.may_take(came("/", "post"))
    assert not armed.may_take(came("/"))


@pytest.mark.parametrize("route", ["/{a}" + "-{a}" * 200, "/" + "*a" * 400, "/[" * 400])
def test_no_pattern_takes_long(route: str) -> None:
    armed = Armed(replace(ORDER, route=route))
    for path in ("/" + "-" * 2000, "/" + "a" * 2000 + "b", "/[" * 1000):
        armed.learn(ended(path, route="/{a}-{b}-{c}-{d}-{e}"))
        armed.may_take(came(path))
        armed.takes(ended(path, guessed=True, partial=True))


# How many are taken


def test_each_place_is_taken_once(process: Process) -> None:
    orders.place(process.folder, ORDER)
    process.look()
    first, second = process.control.take(ended()), process.control.take(ended())
    assert first is not None
    assert second is not None
    assert (first.number, second.number) == (1, 2)
    assert process.control.told.armed == ()  # at once, without another look
    assert process.control.take(ended()) is None
    second.release()
    assert process.orders() == [ORDER]
    third = process.control.take(ended())
    assert third is not None
    assert third.number == 2


def test_what_others_have_taken_is_seen(process: Process) -> None:
    orders.place(process.folder, ORDER)
    process.look()
    other = Process(process.folder)
    other.look()
    assert [bool(other.control.take(ended())) for _ in range(3)] == [True, True, False]
    assert process.control.told.armed
    assert process.orders() == []


def test_nothing_is_taken_for_an_order_that_was_taken_back(process: Process) -> None:
    orders.place(process.folder, ORDER)
    process.look()
    orders.withdraw(process.folder, ORDER)
    assert process.control.take(ended()) is None
    assert list((process.folder / control.FOLDER).iterdir()) == []


def test_a_request_that_one_order_does_not_take_is_left_to_the_next(process: Process) -> None:
    orders.place(process.folder, replace(ORDER, route="/users"))
    orders.place(process.folder, replace(ORDER, id=OTHER, route="/orders/{id}"))
    process.look()
    claim = process.control.take(ended())
    assert claim is not None
    assert OTHER in claim.path


def test_a_folder_that_takes_no_claim_is_counted(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: str, order: Order) -> None:
        raise PermissionError(13, "no")

    orders.place(process.folder, ORDER)
    process.look()
    monkeypatch.setattr(claims, "claim", fail)
    assert process.control.take(ended()) is None
    assert process.refused() == 1


def test_many_processes_take_exactly_as_many_as_were_asked_for(tmp_path: Path) -> None:
    order = replace(ORDER, number=50, until=9e9)
    orders.place(tmp_path, order)
    program = f"""
    from reqprof.store import claims, control
    order = control.Order(id={ID!r}, number=50, until=9e9)
    folder = {str(tmp_path / control.FOLDER)!r}
    taken = [claims.claim(folder, order) for _ in range(60)]
    print(*(claim.number for claim in taken if claim))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) for _ in range(4)
    ]
    said = [process.communicate(timeout=60)[0].split() for process in running]
    assert sorted(int(number) for numbers in said for number in numbers) == list(range(1, 51))


def test_sweeping_leaves_what_is_in_force(tmp_path: Path) -> None:
    (tmp_path / ".reqprof").mkdir()
    over = replace(ORDER, id=OTHER, until=NOW)
    for order in (ORDER, over):
        orders.place(tmp_path, order)
        assert claims.claim(str(tmp_path / control.FOLDER), order)
    orders.pause(tmp_path, NOW + 1)
    place = tmp_path / control.FOLDER
    (place / "aaaaaaaaaaaa.3").touch()
    (place / "bbbbbbbbbbbb.order").write_text("{")
    (place / "README").touch()
    orders.sweep(tmp_path, NOW)
    kept = {f"{ID}.order", f"{ID}.1", "bbbbbbbbbbbb.order", "README"}
    assert {path.name for path in place.iterdir()} == {*kept, "pause"}
    orders.sweep(tmp_path, NOW + 1)
    assert {path.name for path in place.iterdir()} == kept


# What it does to requests


def arm(profiles: Profiles, **rules: Any) -> Order:
    order = Order(id=ID, **{"number": 2, "until": time.time() + 600, **rules})
    orders.place(profiles.folder, order)
    return order


def look(served: Any) -> None:
    """What happens each second."""
    served.middleware._recorder.control.look()


@pytest.mark.parametrize(
    "options",
    [
        {"sample": 0},
        {"sample": 0, "timing": False},
        {"sample": 1e-12},
        {"sample": lambda request: False},
        {"sample": 1, "exclude": "*"},
        {"sample": 1, "include": "/other"},
        {"sample": 0, "slower_than": "1h"},
        {"sample": 0, "keep": lambda request: False, "baseline": 1.0},
    ],
    ids=str,
)
def test_so_many_are_profiled_and_kept_whatever_the_options_say(
    service: Service, profiles: Profiles, options: Any
) -> None:
    served = service(work, profiles.folder, **options)
    served.get("/orders/1")
    arm(profiles, route="/orders/{id}")
    look(served)
    for number in range(3):
        served.get(f"/orders/{number}")
        served.get("/users/1")
        assert served.middleware.flush()
    known = [profile.request for profile in profiles.read()]
    assert sorted(str(one and one.path) for one in known) == ["/orders/0", "/orders/1"]
    assert {(one.chosen, one.kept, one.weight) for one in known if one} == {("arm", "arm", 1.0)}
    assert counts(served)["profiled"] == counts(served)["stored"] == 2


def test_the_first_request_of_a_process_is_taken(service: Service, profiles: Profiles) -> None:
    arm(profiles, number=1)
    served = service(work, profiles.folder, sample=0)
    served.get("/orders/1")
    assert counts(served) == {"profiled": 1, "stored": 1}
    assert facts(profiles).kept == "arm"


def test_what_an_order_does_not_take_is_judged_as_ever(
    service: Service, profiles: Profiles
) -> None:
    arm(profiles, number=1, slower_than=0)
    served = service(work, profiles.folder, sample=1, keep=lambda request: request.path == "/b")
    for path in ("/a", "/b", "/c"):
        served.get(path)
        assert served.middleware.flush()
    kept = {one.path: (one.chosen, one.kept) for p in profiles.read() if (one := p.request)}
    assert kept == {"/a": ("sample", "arm"), "/b": ("sample", "keep")}
    assert counts(served) == {"profiled": 3, "stored": 2, "not_kept": 1}


def test_with_slower_than_the_fast_ones_leave_nothing(service: Service, profiles: Profiles) -> None:
    arm(profiles, slower_than=60)
    served = service(work, profiles.folder, sample=0)
    served.get()
    assert counts(served) == {"profiled": 1, "not_kept": 1}
    assert not claims.find(profiles.folder / control.FOLDER, replace(ORDER, id=ID))


def test_whoever_asked_learns_what_came(service: Service, profiles: Profiles) -> None:
    order = arm(profiles)
    served = service(work, profiles.folder, sample=0)
    served.get("/orders/1", "PUT")
    assert served.middleware.flush()
    found = claims.find(profiles.folder / control.FOLDER, order)
    taken = claims.read(found[1])
    assert taken is not None
    assert taken.request == facts(profiles)
    assert [profiles.folder / taken.file] == profiles.paths()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"id":"0123456789ab"}',
        b'{"id":"0123456789ab","file":7}',
        b'{"id":"0123456789ab","file":""}',
        b'{"id":"0123456789ab","file":"../x.prof"}',
        b'{"id":"0123456789ab","file":"a\\\\b.prof"}',
        b'{"id":"x","file":"x.prof"}',
        b'{"file":"x.prof"}',
    ],
)
def test_what_tells_of_no_profile_is_nothing_that_came(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / f"{ID}.1"
    path.write_bytes(data)
    assert claims.read(path) is None


def test_a_profile_that_cannot_be_stored_takes_no_place(
    service: Service, profiles: Profiles
) -> None:
    order = arm(profiles)
    served = service(work, profiles.folder, sample=0, min_free=0.999999)
    served.get()
    assert counts(served) == {"profiled": 1, "unwritten": 1}
    assert not claims.find(profiles.folder / control.FOLDER, order)


def test_while_paused_nothing_is_profiled_and_everything_is_timed(
    service: Service, profiles: Profiles
) -> None:
    arm(profiles)
    orders.pause(profiles.folder)
    served = service(work, profiles.folder, sample=1)
    for _ in range(3):
        assert served.get() == b"ok"
    assert counts(served) == {"skipped_paused": 3}
    assert profiles.paths() == []
    assert served.middleware._recorder.upkeep._status().paused
    assert served.middleware._recorder.upkeep._times.count == 3
    orders.resume(profiles.folder)
    look(served)
    served.get()
    assert counts(served) == {"skipped_paused": 3, "profiled": 1, "stored": 1}
    assert not served.middleware._recorder.upkeep._status().paused


def test_while_paused_nothing_is_watched(service: Service, profiles: Profiles) -> None:
    orders.pause(profiles.folder)
    options: Any = {"sample": 0, "watch_after": "1ms", "watch_rate": 100}
    served = service(lambda: time.sleep(0.3), profiles.folder, **options)
    served.get()
    assert counts(served) == {}
    orders.resume(profiles.folder)
    look(served)
    deadline = time.monotonic() + 30
    while "watched" not in counts(served):
        assert time.monotonic() < deadline
        served.get()


def test_only_what_would_have_been_profiled_is_skipped(
    service: Service, profiles: Profiles
) -> None:
    orders.pause(profiles.folder)
    served = service(work, profiles.folder, sample=1e-12)
    served.get()
    assert counts(served) == {}


def test_what_is_being_profiled_when_the_pause_begins_is_stored_as_it_is(
    service: Service, profiles: Profiles
) -> None:
    served = service(work, profiles.folder)
    end = served.open("/a")
    orders.pause(profiles.folder)
    look(served)
    assert BACKGROUND.submit(served.middleware._recorder._in_flight._look, sys.maxsize)
    assert BACKGROUND.drain(10)
    end()
    assert counts(served)["stored"] == 1
    assert facts(profiles).partial


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("look_first", [False, True])
def test_a_forked_child_finds_out_for_itself(tmp_path: Path, look_first: bool) -> None:
    program = f"""
    import os
    from pathlib import Path
    from reqprof import wsgi
    from reqprof.store import orders
    def app(environ, start_response):
        start_response("200 OK", [])
        return [str(sum(range(3))).encode()]
    def get():
        body = served({{"REQUEST_METHOD": "GET", "PATH_INFO": "/"}}, lambda *_: lambda _: None)
        list(body); body.close()
        assert served.flush()
    folder = Path({str(tmp_path / "profiles")!r})
    served = wsgi.ProfilerMiddleware(app, folder)
    if {look_first}:
        get()
    folder.mkdir(exist_ok=True)
    orders.pause(folder)
    child = os.fork()
    if not child:
        get()
        os._exit(served.counters.get("skipped_paused") != 1)
    assert os.waitpid(child, 0)[1] == 0
    """
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        check=True,
        env=environ,
        timeout=60,
    )


@pytest.mark.parametrize("framework", ["flask", "starlette"])
def test_the_true_route_decides(framework: str, profiles: Profiles) -> None:
    need_module(framework)
    served, wanted = (flask if framework == "flask" else starlette)(profiles)
    arm(profiles, number=10, route=wanted)
    # The first one finds out what is asked: in an event loop too late for itself.
    for path in ("/orders/new", "/orders/1", "/orders/1/lines", "/orders/2", "/orders/3/lines"):
        served(path)
    known = [profile.request for profile in profiles.read()]
    assert [(one.path, one.route) for one in known if one] == [
        ("/orders/1", wanted),
        ("/orders/2", wanted),
    ]


def flask(profiles: Profiles) -> tuple[Callable[[str], None], str]:
    from flask import Flask

    import reqprof

    app = Flask(__name__)
    for number, rule in enumerate(("/orders/<int:id>", "/orders/new", "/orders/<int:id>/lines")):
        app.add_url_rule(rule, str(number), lambda **_: "ok")
    wrapped = reqprof.wsgi.ProfilerMiddleware(app.wsgi_app, profiles.folder, sample=0)
    app.wsgi_app = wrapped  # type: ignore[method-assign]

    def get(path: str) -> None:
        assert app.test_client().get(path).status_code == 200
        assert wrapped.flush()

    return get, "/orders/<int:id>"


def starlette(profiles: Profiles) -> tuple[Callable[[str], None], str]:
    import asyncio

    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    from reqprof import asgi
    from tests.client import ask

    async def end(request: Any) -> PlainTextResponse:
        return PlainTextResponse("ok")

    paths = ("/new", "/{id}", "/{id}/lines")
    app = Starlette(routes=[Mount("/orders", routes=[Route(path, end) for path in paths])])
    wrapped = asgi.ProfilerMiddleware(app, profiles.folder, sample=0)

    def get(path: str) -> None:
        sent: list[Any] = []
        asyncio.run(ask(wrapped, path, sent))
        assert sent[0]["status"] == 200
        assert wrapped.flush()

    return get, "/orders/{id}"
