"""A strict reader of speedscope's evented files: what a viewer may rely on, nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

Frame = tuple[str, str, int]
"""Name, file and line; no file and line 0 where there are none."""

SCHEMA = "https://www.speedscope.app/file-format-schema.json"


@dataclass(frozen=True)
class Profile:
    """``times`` has the nanoseconds of each stack's innermost frame, ``opened`` all stacks."""

    name: str
    end: int
    times: dict[tuple[Frame, ...], int]
    opened: list[tuple[Frame, ...]]


@dataclass(frozen=True)
class File:
    name: str
    exporter: str
    frames: list[Frame]
    profiles: list[Profile]


def read(text: str) -> File:
    """Raises AssertionError for what is no such file."""
    found = json.loads(text.encode())
    assert found.keys() == {
        "$schema", "exporter", "name", "activeProfileIndex", "shared", "profiles",
    }  # fmt: skip
    assert found["$schema"] == SCHEMA
    assert found["activeProfileIndex"] == 0
    assert found["shared"].keys() == {"frames"}
    frames = [_frame(frame) for frame in found["shared"]["frames"]]
    profiles = [_profile(profile, frames) for profile in found["profiles"]]
    assert found["name"].isprintable()
    return File(found["name"], found["exporter"], frames, profiles)


def _frame(frame: dict[str, Any]) -> Frame:
    assert frame.keys() <= {"name", "file", "line", "col"}
    name, file, line = frame["name"], frame.get("file", ""), frame.get("line", 0)
    assert name
    assert (name + file).isprintable()
    assert type(line) is int
    return name, file, line


def _profile(found: dict[str, Any], frames: list[Frame]) -> Profile:
    assert found.keys() == {"type", "name", "unit", "startValue", "endValue", "events"}
    assert (found["type"], found["unit"], found["startValue"]) == ("evented", "nanoseconds", 0)
    assert found["name"].isprintable()
    times: dict[tuple[Frame, ...], int] = {}
    opened = []
    stack: list[int] = []
    now = 0
    for event in found["events"]:
        assert event.keys() == {"type", "frame", "at"}
        assert type(event["at"]) is int
        path = tuple(frames[place] for place in stack)
        times[path] = times.get(path, 0) + event["at"] - now
        now = event["at"]
        if event["type"] == "O":
            stack.append(event["frame"])
            opened.append(tuple(frames[place] for place in stack))
        else:
            assert event["type"] == "C"
            assert stack.pop() == event["frame"]
    assert not stack
    assert all(a["at"] <= b["at"] for a, b in pairwise(found["events"]))
    end = found["endValue"]
    assert now <= end
    times[()] = times.get((), 0) + end - now
    return Profile(found["name"], end, {path: ns for path, ns in times.items() if ns}, opened)
