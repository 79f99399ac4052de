"""Lines of the index read quickly: what msgspec makes of them is what facts.py makes of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.model import Request
from reqprof.store import facts, quick
from tests.store.test_facts import REQUESTS

ID = "0123456789ab"

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from([0.0, -1.0, 1e9, 1.0000001e9, 1e12, 1e-12, 1e-13, 9999, 10000, 2**63, 2**32]),
    st.text(max_size=5),
    st.sampled_from([ID, ID + "\n", ID.upper(), "all", "All", "all\n", "\ud800", "x" * 70000]),
    st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.one_of(st.text(max_size=3), st.none()), max_size=2),
)


def slowly(line: bytes) -> Request | None:
    try:
        return facts.from_facts(facts.load_line(line))
    except ValueError:
        return None


def quickly(line: bytes) -> Request | None:
    try:
        return quick.request(line)
    except ValueError:
        return None


@given(REQUESTS)
@settings(deadline=None)
def test_a_request_as_it_was_written(request_: Request) -> None:
    line = facts.dump_line({"file": "a.prof", "size": 1, **facts.to_facts(request_)})
    found = quick.request(line)
    assert found == request_
    assert request_ == found
    assert (found.ran, found.untraced) == (request_.ran, request_.untraced)
    assert found.is_traced == request_.is_traced
    assert facts.to_facts(found) == facts.to_facts(request_)
    outline = quick.outline(line)
    for name in ("route", "path", "guessed", "host", "pid", "start", "total", "untraced"):
        assert getattr(outline, name) == getattr(request_, name)
    assert outline.is_traced == request_.is_traced
    ((glance, lines, number),) = quick.glances(line + b"\n")
    assert (glance.file, lines[number]) == ("a.prof", line)
    assert (glance.id, glance.start, glance.untraced) == (
        *(request_.id, request_.start),
        request_.untraced,
    )


@given(st.dictionaries(st.sampled_from(["file", "size", "other", *facts.CHECKS]), VALUES))
@settings(deadline=None, max_examples=500)
def test_both_take_the_same_values(values: dict[str, Any]) -> None:
    line = json.dumps({"file": "a.prof", "id": ID, **values}).encode()
    one, other = quickly(line), slowly(line)
    assert (one is None) == (other is None)
    assert one == other
    # A glance sees less, and so may take more; what it sees is right.
    seen = quick.glances(line)
    named = isinstance(values.get("file", ""), str)
    assert named or not seen
    if other is not None and named:
        assert [(glance.id, glance.untraced) for glance, *_ in seen] == [(other.id, other.untraced)]


@given(st.binary(max_size=30))
def test_both_refuse_what_is_no_line(line: bytes) -> None:
    assert quickly(line) is None
    assert slowly(line) is None
    with pytest.raises(ValueError, match=r"."):
        quick.outline(line)
    assert quick.glances(line) == []


WHOLE = [
    facts.dump_line({"file": f"{n}.prof", **facts.to_facts(Request(id=ID, calls=n))})
    for n in range(3)
]


@pytest.mark.parametrize(
    "bad",
    [
        *(WHOLE[1][:cut] for cut in range(0, 45, 7)),
        *(b"[]", b"\xff", b"{" * 9, b'{"a":' * 100_000, b'{"file":"a","id":7}'),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b""], ids=["whole", "torn"])
def test_the_lines_around_a_bad_one_are_read(bad: bytes, end: bytes) -> None:
    lines = b"\n".join([WHOLE[0], bad, WHOLE[2], bad]) + end
    found = [(glance.file, of_file[at]) for glance, of_file, at in quick.glances(lines)]
    assert found == [
        ("0.prof", WHOLE[0]),
        ("2.prof", WHOLE[2]),
    ]


def test_most_lines_are_read_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or it would be for nothing."""
    line = facts.dump_line(
        {"file": "a.prof", **facts.to_facts(Request(id=ID, path="/ü", labels={"a": "b"}, cpu=1.0))}
    )
    monkeypatch.setattr(quick, "_glance", None)
    monkeypatch.setattr(quick, "load_line", None)
    found = quick.glances(line + b"\n" + line + b"\n")
    assert [lines[number] for _, lines, number in found] == [line] * 2
    assert quick.request(line).labels == {"a": "b"}


def test_a_lone_surrogate_is_read_as_it_was_written() -> None:
    request = Request(id=ID, path="/\udcff", start=2.0)
    line = facts.dump_line({"file": "\udcfe.prof", **facts.to_facts(request)})
    assert quick.request(line) == request
    assert [(one.file, one.start) for one, *_ in quick.glances(line)] == [("\udcfe.prof", 2.0)]


def test_other_white_space_does_not_move_lines() -> None:
    ends = (b"", b"\r", b" ")
    one, two, three = spaced = [
        line.replace(b":", b":\r\t ", 3) + end for line, end in zip(WHOLE, ends, strict=True)
    ]
    for data in (b"\n".join(spaced), b"\n".join([one, b"", two, b" ", three, b""])):
        found = [(glance.file, lines[at]) for glance, lines, at in quick.glances(data)]
        assert found == [(f"{number}.prof", line) for number, line in enumerate(spaced)]
