"""A strict reader of the part of callgrind's grammar that we write."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

Function = tuple[str, str]
"""File and name, which is all that the format tells functions apart by."""

HEADER = re.compile(r"(version|creator|cmd|desc|positions|event|events|summary): (.*)")
POSITION = re.compile(r"(fl|fn|cfi|cfn)=\((\d+)\)(?: ([^ ].*))?")
CALLS = re.compile(r"calls=([1-9]\d*) (\d+)")
COST = re.compile(r"(\d+) (\d+)")


@dataclass
class Profile:
    """Times are nanoseconds. Edges have the calls and the time of caller and callee."""

    head: list[tuple[str, str]] = field(default_factory=list)
    own: dict[Function, int] = field(default_factory=dict)
    lines: dict[Function, int] = field(default_factory=dict)
    edges: dict[tuple[Function, Function], tuple[int, int]] = field(default_factory=dict)
    total: int = 0

    def add(self, caller: Function, callee: Function | None, calls: int, time: int) -> None:
        if callee is None:
            self.own[caller] = self.own.get(caller, 0) + time
        else:
            before = self.edges.get((caller, callee), (0, 0))
            self.edges[caller, callee] = before[0] + calls, before[1] + time


def read(text: str) -> Profile:
    """Raises AssertionError for what is no such file."""
    text.encode()
    first, *lines = text.removesuffix("\n").split("\n")
    assert first == "# callgrind format"
    profile = Profile()
    while lines[0]:
        match = HEADER.fullmatch(lines.pop(0))
        assert match
        profile.head.append((match[1], match[2]))
    last = re.fullmatch(r"totals: (\d+)", lines.pop())
    assert last
    profile.total = int(last[1])
    _body(profile, lines)
    assert ("summary", str(profile.total)) in profile.head
    assert sum(profile.own.values()) == profile.total
    return profile


def _body(profile: Profile, lines: list[str]) -> None:
    names: dict[tuple[str, str], str] = {}
    at: dict[str, str] = {}
    calls: tuple[int, int] | None = None
    for line in lines:
        if match := POSITION.fullmatch(line):
            kind, number, name = match.groups()
            key = ("file" if kind in ("fl", "cfi") else "function", number)
            assert (name is None) == (key in names)
            at[kind] = names.setdefault(key, name)
        elif match := CALLS.fullmatch(line):
            assert calls is None
            calls = int(match[1]), int(match[2])
        elif match := COST.fullmatch(line):
            _cost(profile, at, calls, int(match[1]), int(match[2]))
            calls = None
        else:
            assert not line
            at.clear()
    assert calls is None


def _cost(
    profile: Profile, at: dict[str, str], calls: tuple[int, int] | None, line: int, time: int
) -> None:
    caller = at["fl"], at["fn"]
    assert profile.lines.setdefault(caller, line) == line
    if calls is None:
        profile.add(caller, None, 0, time)
        return
    profile.add(caller, (at.pop("cfi"), at.pop("cfn")), calls[0], time)
