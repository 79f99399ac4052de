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


def slowly(line: bytes) -> tuple[str, Request] | None:
    try:
        return quick._slowly(line)
    except ValueError:
        return None


def quickly(line: bytes) -> tuple[str, Request] | None:
    try:
        return quick.row(line)
    except ValueError:
        return None


@given(REQUESTS)
@settings(deadline=None)
def test_a_request_as_it_was_written(request_: Request) -> None:
    line = facts.dump_line({"file": "a.prof", "size": 1, **facts.to_facts(request_)})
    name, found = quick.row(line)
    assert name == "a.prof"
    assert found == request_
    assert request_ == found
    assert (found.ran, found.untraced, found.is_traced) == (
        *(request_.ran, request_.untraced),
        request_.is_traced,
    )
    assert facts.to_facts(found) == facts.to_facts(request_)


@given(st.dictionaries(st.sampled_from(["file", "size", "other", *facts.CHECKS]), VALUES))
@settings(deadline=None, max_examples=500)
def test_both_take_the_same_values(values: dict[str, Any]) -> None:
    line = json.dumps({"file": "a.prof", "id": ID, **values}).encode()
    one, other = quickly(line), slowly(line)
    assert (one is None) == (other is None)
    assert one == other


@given(st.binary(max_size=30))
def test_both_refuse_what_is_no_line(line: bytes) -> None:
    assert quickly(line) == slowly(line) is None


@pytest.mark.parametrize("cut", range(0, 50, 7))
def test_a_torn_line_is_refused(cut: int) -> None:
    line = facts.dump_line({"file": "a.prof", **facts.to_facts(Request(id=ID, method="GET"))})
    with pytest.raises(ValueError, match="JSON"):
        quick.row(line[:cut])


def test_most_lines_are_read_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or it would be for nothing."""
    line = facts.dump_line(
        {"file": "a.prof", **facts.to_facts(Request(id=ID, path="/ü", labels={"a": "b"}, cpu=1.0))}
    )
    monkeypatch.setattr(quick, "_slowly", None)
    assert quick.row(line)[1].labels == {"a": "b"}


def test_a_lone_surrogate_is_read_as_it_was_written() -> None:
    request = Request(id=ID, path="/\udcff")
    line = facts.dump_line({"file": "a.prof", **facts.to_facts(request)})
    assert quick.row(line) == ("a.prof", request)
