"""A timeline as bytes: nothing is lost, what is written can be read, and nonsense is refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reqprof.model import Job, Timeline, Wait
from reqprof.store.timeline import MAX_SIZE, MAX_STACK, decode, encode

pytestmark = pytest.mark.recording

DOCUMENT = Path(__file__).parents[2] / "docs" / "format.md"

TEXTS = st.text(st.characters(), max_size=8)  # lone surrogates and control characters too
SECONDS = st.floats(0, 1e9)
COUNTS = st.integers(0, 2**53)
LINES = st.integers(0, 2**31)
STACKS = st.lists(st.tuples(TEXTS, LINES, TEXTS, LINES), max_size=5).map(tuple)
TIMELINES = st.builds(
    Timeline,
    waits=st.lists(
        st.builds(Wait, STACKS, COUNTS, SECONDS, SECONDS, st.booleans()), max_size=4
    ).map(tuple),
    jobs=st.lists(
        st.builds(Job, st.tuples(TEXTS, LINES, TEXTS), TEXTS, COUNTS, SECONDS, SECONDS), max_size=3
    ).map(tuple),
    held_by=st.dictionaries(st.from_regex(r"[0-9a-f]{12}", fullmatch=True), SECONDS, max_size=3),
    stopped_at=STACKS,
)

VIEW = ("/app/shop/views.py", 31, "checkout")
FETCH = ("/app/shop/db.py", 38, "fetch")
EXAMPLE = Timeline(
    waits=(
        Wait(((*VIEW, 49), (*FETCH, 43)), 37, 0.0712, 0.0043),
        Wait(((*FETCH, 43),), 3, 0.0151, 0.0102, child=True),
    ),
    jobs=(Job(("/app/shop/pdf.py", 12, "render"), "AnyIO worker thread", 1, 0.0102, 0.0029),),
    held_by={"7f3a09c41be2": 0.002},
    stopped_at=((*VIEW, 52),),
)


@given(TIMELINES)
@settings(deadline=None)
def test_a_timeline_survives_the_way_through_bytes(timeline: Timeline) -> None:
    # JSON takes the two halves of a pair for the one character that they make.
    assume(not re.search("[\ud800-\udbff][\udc00-\udfff]", repr_of_texts(timeline)))
    data = encode(timeline)
    assert data.isascii()
    assert b"\n" not in data
    assert decode(data) == timeline


def repr_of_texts(timeline: Timeline) -> str:
    stacks = [*(wait.stack for wait in timeline.waits), timeline.stopped_at]
    texts = [text for stack in stacks for place in stack for text in (place[0], place[2])]
    texts += [text for job in timeline.jobs for text in (*job.function[::2], job.thread)]
    return " ".join(texts)


def test_surrogates_and_control_characters_in_names_survive() -> None:
    stack = (("/app/\udcff\x00.py", 1, "a\n\x1b[2J\ud800b", 2),)
    timeline = Timeline((Wait(stack, 1, 1.0, 1.0),), stopped_at=stack)
    assert decode(encode(timeline)) == timeline


def test_a_function_is_written_once() -> None:
    found = json.loads(encode(EXAMPLE))
    assert len(found["functions"]) == 3
    assert found["waits"][0][4] == [[0, 49], [1, 43]]
    assert found["waits"][1][4] == [[1, 43]]


def test_what_is_empty_takes_no_room() -> None:
    assert encode(Timeline()) == b"{}"
    assert set(json.loads(encode(Timeline(held_by={"0" * 12: 1.0})))) == {"held_by"}


def test_the_document_shows_the_example() -> None:
    (text,) = re.findall(r"```json\n(\{\"functions\".*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert decode(text.encode()) == EXAMPLE
    assert json.loads(text) == json.loads(encode(EXAMPLE))


def test_the_document_names_every_key() -> None:
    section = DOCUMENT.read_text().split("### `waits`")[1].split("\n##")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [*json.loads(encode(EXAMPLE))]


def test_whole_numbers_stand_for_seconds_too() -> None:
    wait = decode(b'{"waits":[[false,1,2,2,[]]]}').waits[0]
    assert (wait, type(wait.seconds)) == (Wait((), 1, 2.0, 2.0), float)


def test_keys_of_a_later_version_are_ignored() -> None:
    assert decode(b'{"colour":[1]}') == Timeline()


ONE = '{"functions":[["a.py",1,"f"]],'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "its waits are no JSON"),
        ("{", "its waits are no JSON"),
        ("[]", "its waits are no JSON object"),
        ("null", "its waits are no JSON object"),
        ("[" * 100_000, "its waits are"),
        ('{"waits":' + "[" * 900 + "]" * 900 + "}", "in place of a wait of 5 parts"),
        ('{"waits":3}', "3 in place of a list of waits"),
        ('{"waits":[3]}', "3 in place of a wait of 5 parts"),
        ('{"waits":[[false,1,1,1]]}', "in place of a wait of 5 parts"),
        ('{"waits":[[0,1,1,1,[]]]}', "0 in place of true or false"),
        ('{"waits":[[false,-1,1,1,[]]]}', "-1 in place of a whole number from 0 to"),
        ('{"waits":[[false,1.5,1,1,[]]]}', "1.5 in place of a whole number"),
        ('{"waits":[[false,true,1,1,[]]]}', "True in place of a whole number"),
        ('{"waits":[[false,1e300,1,1,[]]]}', "1e.300 in place of a whole number"),
        ('{"waits":[[false,1,-1,1,[]]]}', r"-1 in place of a number from 0 to 1e\+09"),
        ('{"waits":[[false,1,NaN,1,[]]]}', "NaN is no number"),
        ('{"waits":[[false,1,1,Infinity,[]]]}', "Infinity is no number"),
        ('{"waits":[[false,1,1,1e999,[]]]}', "inf in place of a number"),
        ('{"waits":[[false,1,1,"1",[]]]}', "'1' in place of a number"),
        ('{"waits":[[false,1,1,1,null]]}', "None in place of a stack"),
        ('{"waits":[[false,1,1,1,[[0,1]]]]}', "0 in place of one of its 0 functions"),
        (ONE + '"stopped_at":[[1,1]]}', "1 in place of one of its 1 functions"),
        (ONE + '"stopped_at":[[-1,1]]}', "-1 in place of one of its 1 functions"),
        (ONE + '"stopped_at":[[false,1]]}', "False in place of one of"),
        (ONE + '"stopped_at":[[0,-1]]}', "-1 in place of a whole number"),
        (ONE + '"stopped_at":[[0]]}', "in place of a frame of 2 parts"),
        (ONE + '"stopped_at":{}}', "in place of a stack of at most 1000 frames"),
        ('{"functions":{}}', "in place of a list of functions"),
        ('{"functions":[["a.py",1]]}', "in place of a function of 3 parts"),
        ('{"functions":[["a.py","1","f"]]}', "'1' in place of a whole number"),
        ('{"functions":[[null,1,"f"]]}', "None in place of a text"),
        ('{"functions":[["%s",1,"f"]]}' % ("x" * 70_000), "in place of a text"),
        ('{"jobs":[[0,"t",1,1,1]]}', "0 in place of one of its 0 functions"),
        (ONE + '"jobs":[[0,"t",1,1]]}', "in place of a job of 5 parts"),
        (ONE + '"jobs":[[0,7,1,1,1]]}', "7 in place of a text"),
        ('{"held_by":[]}', "in place of seconds by id"),
        ('{"held_by":{"../etc":1}}', "in place of seconds by id"),
        ('{"held_by":{"7f3a09c41be2":null}}', "None in place of a number"),
    ],
)
def test_what_is_no_timeline_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        decode(text.encode())
    assert len(str(caught.value)) < 200


def test_a_stack_beyond_all_depth_is_refused_on_both_sides() -> None:
    stack = ((*VIEW, 49),) * MAX_STACK
    assert decode(encode(Timeline(stopped_at=stack))).stopped_at == stack
    with pytest.raises(ValueError, match="at most 1000 frames"):
        encode(Timeline(stopped_at=(*stack, (*VIEW, 49))))


def test_a_timeline_beyond_all_size_is_refused_on_both_sides() -> None:
    waits = EXAMPLE.waits * 60_000
    with pytest.raises(ValueError, match=f"more than {MAX_SIZE}"):
        encode(Timeline(waits))
    with pytest.raises(ValueError, match=f"more than {MAX_SIZE}"):
        decode(b" " * (MAX_SIZE + 1))


@pytest.mark.parametrize("number", [-1.0, float("nan"), float("inf"), None, "1", True])
@pytest.mark.parametrize("field", ["seconds", "longest", "count"])
def test_what_could_not_be_read_is_not_written(field: str, number: Any) -> None:
    wait = replace(EXAMPLE.waits[0], **{field: number})
    with pytest.raises(ValueError, match="its waits hold"):
        encode(Timeline((wait,)))


def mutated(data: bytes, changes: list[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for place, byte in changes:
        changed[place % len(changed)] = byte
    return bytes(changed)


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6))
@settings(deadline=None, max_examples=500)
def test_changed_bytes_give_a_timeline_or_a_reason(changes: list[tuple[int, int]]) -> None:
    check(mutated(encode(EXAMPLE), changes))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=20,
)
KEYS = st.sampled_from(["functions", "waits", "jobs", "held_by", "stopped_at", "other"])


@given(st.dictionaries(KEYS, JSON, max_size=5), st.data())
@settings(deadline=None, max_examples=300)
def test_changed_values_give_a_timeline_or_a_reason(noise: dict[str, Any], data: Any) -> None:
    parts = {**json.loads(encode(EXAMPLE)), **noise}
    rows = data.draw(st.sampled_from([parts, *(one for one in parts.values() if one)]))
    if isinstance(rows, list):
        rows[data.draw(st.integers(0, len(rows) - 1))] = data.draw(JSON)
    check(json.dumps(parts).encode())


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_no_bytes_make_decode_fail_otherwise(noise: bytes) -> None:
    check(noise)


def check(data: bytes) -> None:
    try:
        timeline = decode(data)
    except ValueError:
        return
    assert decode(encode(timeline)) == timeline
