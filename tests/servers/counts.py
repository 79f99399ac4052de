"""What a profile of a test's app must hold: exactly its route's calls, in their places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conftest import callers, calls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reqprof.model import Profile, Request

Work = dict[str, int]
"""Calls by the names of functions, which end in ``_work`` and ``_leaf``."""


def check(profile: Profile, expected: Mapping[str, Work]) -> Request:
    """Compare one profile with the calls that ``expected`` has for its path; returns its facts."""
    request = profile.request
    assert request is not None
    assert request.path is not None
    assert not request.interrupted
    assert not request.partial
    counted = calls(profile)
    work = {name: number for name, number in counted.items() if name.endswith(("_work", "_leaf"))}
    assert work == expected[request.path]
    for name, number in work.items():
        if name.endswith("_leaf"):
            assert callers(profile, name) == {name.replace("_leaf", "_work"): number}
    return request


def check_all(found: list[Profile], expected: Mapping[str, Work]) -> list[Request]:
    """Compare every profile whose path is in ``expected``."""
    wanted = [p for p in found if p.request is not None and p.request.path in expected]
    return [check(profile, expected) for profile in wanted]
