"""Stacks in a line: the app's own frames first, and never wider than the room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqprof.view.fit import columns
from reqprof.view.stack import callers, line, telling

SITE = "/venv/lib/python3.11/site-packages/"


def stack(words: str) -> list[tuple[str, int, str]]:
    """Of words such as ``own.f`` and ``flask.app``, the first of which are the app's own."""
    functions = []
    for word in words.split():
        package, _, name = word.partition(".")
        functions.append(
            (f"/srv/{package}.py" if package == "own" else f"{SITE}{package}.py", 1, name)
        )
    return functions


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("own.f own.g", "own.f"),
        ("flask.a flask.b own.view own.f orm.get", "own.view own.f"),
        ("flask.a own.view orm.a orm.b orm.c db.execute", "own.view orm.a …"),
        ("flask.a own.view orm.a own.hook orm.b db.execute", "own.view … own.hook orm.b"),
        ("own.__call__ flask.a own.view orm.a orm.b db.execute", "own.view orm.a …"),
        ("own.__call__ flask.a flask.b", "own.__call__ flask.a"),
        ("a.a b.b c.c d.d e.e f.f g.g", "c.c d.d e.e f.f"),
        ("flask.a flask.b own.view", "flask.b"),
        ("own.view", ""),
        ("", ""),
        ("own.a own.b own.c own.d own.e own.f own.g own.h own.i own.j",
         "own.a … own.d own.e own.f own.g own.h own.i"),
    ],
)  # fmt: skip
def test_who_called(words: str, told: str) -> None:
    assert callers(stack(words)) == told.split()


def test_what_is_in_the_middle_goes_first() -> None:
    frames = ["own.first", "own.second", "own.third", "orm.get", "…"]
    assert line(frames, 60) == "own.first -> own.second -> own.third -> orm.get -> …"
    assert line(frames, 45) == "own.first -> … -> own.third -> orm.get -> …"
    assert line(frames, 35) == "own.first -> … -> orm.get -> …"
    assert line(frames, 15) == "own.first -> …"[:14] + "…"
    assert line([], 20) == ""


@given(
    st.lists(st.sampled_from(["…", "a.f", "名.名名", "module.function"]), max_size=9),
    st.integers(1, 80),
)
def test_a_line_has_its_width(frames: list[str], room: int) -> None:
    assert columns(line(frames, room)) <= room
    assert line(frames, 200) == " -> ".join(frames)


@given(st.lists(st.sampled_from(["own.f", "own.__call__", "flask.g"]), max_size=40))
def test_what_tells_most_is_a_part_in_order(words: list[str]) -> None:
    frames = stack(" ".join(words))
    kept = telling(frames)
    assert kept == sorted(set(kept))
    assert set(kept) <= set(range(len(frames)))
    assert len(kept) <= 8
    assert not frames or kept[-1] == len(frames) - 1
