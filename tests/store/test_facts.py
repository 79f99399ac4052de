"""A request's facts as JSON: nothing is lost, and nothing that is no fact gets in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.model import KEPT, Request
from reqprof.store import facts

pytestmark = pytest.mark.recording

ID = "0123456789ab"
TEXTS = st.text(st.characters(), max_size=30)  # lone surrogates too
SECONDS = st.floats(0, 1e9)
COUNTS = st.integers(0, 2**30)
MAYBE_SECONDS = st.none() | SECONDS
MAYBE_TEXTS = st.none() | TEXTS

REQUESTS = st.builds(
    Request,
    id=st.from_regex(r"[0-9a-f]{12}", fullmatch=True),
    kind=st.sampled_from(["http", "websocket", "job"]),
    method=TEXTS,
    path=MAYBE_TEXTS,
    route=MAYBE_TEXTS,
    guessed=st.booleans(),
    status=st.none() | st.integers(0, 9999),
    exception=MAYBE_TEXTS,
    start=st.floats(0, 2e11),
    duration=SECONDS,
    first_byte=MAYBE_SECONDS,
    total=SECONDS,
    cpu=MAYBE_SECONDS,
    waited=MAYBE_SECONDS,
    held=MAYBE_SECONDS,
    tasks=COUNTS,
    tasks_ran=SECONDS,
    tasks_waited=SECONDS,
    jobs=COUNTS,
    jobs_ran=SECONDS,
    jobs_cpu=SECONDS,
    left_running=COUNTS,
    cost=MAYBE_SECONDS,
    calls=st.integers(0, 2**60),
    neighbours=COUNTS,
    pid=st.integers(0, 2**31),
    host=TEXTS,
    thread=TEXTS,
    python=TEXTS,
    engine=TEXTS,
    builtins=st.booleans(),
    clock=st.sampled_from(["wall", "cpu"]),
    chosen=st.sampled_from(["sample", "trigger"]),
    kept=st.sampled_from(KEPT),
    weight=st.floats(1, 1e9),
    interrupted=st.booleans(),
    partial=st.booleans(),
    trace_id=MAYBE_TEXTS,
    labels=st.dictionaries(TEXTS, TEXTS, max_size=4),
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(REQUESTS)
@settings(deadline=None)
def test_a_request_survives_the_way_through_json(request_: Request) -> None:
    line = facts.dump_line(facts.to_facts(request_))
    assert line.isascii()
    assert b"\n" not in line
    assert facts.from_facts(facts.load_line(line)) == request_


def test_every_field_can_be_read_back() -> None:
    """A field added to Request and forgotten here would be dropped in silence."""
    assert set(facts.CHECKS) == set(Request.__slots__)


def test_a_field_with_its_default_takes_no_room() -> None:
    assert facts.to_facts(Request(id=ID)) == {"id": ID}


def test_a_value_equal_to_another_default_is_kept() -> None:
    request = Request(id=ID, cpu=0.0, status=0, path="", builtins=False)
    assert facts.from_facts(facts.to_facts(request)) == request
    assert set(facts.to_facts(request)) == {"id", "cpu", "status", "path", "builtins"}


def test_keys_of_a_later_version_are_ignored() -> None:
    assert facts.from_facts({"id": ID, "colour": [1]}) == Request(id=ID)


def test_whole_numbers_stand_for_seconds_too() -> None:
    duration = facts.from_facts({"id": ID, "duration": 3}).duration
    assert (duration, type(duration)) == (3.0, float)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", None),
        ("id", 7),
        ("id", "0123456789AB"),
        ("id", "../../etc/pw"),
        ("id", ID + "\n"),
        ("kind", None),
        ("method", 1),
        ("path", ["/"]),
        ("path", "x" * 100_000),
        ("guessed", 1),
        ("status", 200.0),
        ("status", True),
        ("status", -1),
        ("status", 10_000),
        ("start", -1),
        ("start", 1e12),
        ("start", None),
        ("duration", None),
        ("duration", "1"),
        ("duration", True),
        ("duration", -0.1),
        ("duration", 1e10),
        ("duration", 10**400),
        ("duration", float("nan")),
        ("duration", float("inf")),
        ("first_byte", float("-inf")),
        ("calls", 1.5),
        ("calls", 2**64),
        ("pid", -1),
        ("chosen", ""),
        ("chosen", None),
        ("kept", "A word"),
        ("kept", "x" * 21),
        ("weight", 0),
        ("weight", 1e13),
        ("labels", []),
        ("labels", None),
        ("labels", {"a": 1}),
    ],
)
def test_a_value_that_is_no_such_fact_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"its facts say {name} = "):
        facts.from_facts({"id": ID, name: value})


def test_facts_without_an_id_are_refused() -> None:
    with pytest.raises(ValueError, match="no id"):
        facts.from_facts({"duration": 1.0})


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"null",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1}{"b": 2}',
        b'{"a": "\xff"}',
        b'{"a":' * 50_000,
        b'{"a": ' + b"9" * 10_000 + b"}",
    ],
)
def test_a_line_that_is_no_json_object_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="its facts are"):
        facts.load_line(line)


@given(st.dictionaries(st.sampled_from(sorted(Request.__slots__)), JSON, max_size=6))
@settings(deadline=None)
def test_whatever_is_accepted_can_be_written_and_read_again(noise: dict[str, Any]) -> None:
    try:
        request = facts.from_facts({"id": ID, **noise})
    except ValueError:
        return
    again = facts.from_facts(json.loads(facts.dump_line(facts.to_facts(request))))
    assert again == request
