"""Stacks in words: all of them into a pipe, what tells most on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqprof.cli import stack
from reqprof.cli.listing import cells
from reqprof.view.stack import ARROW

if TYPE_CHECKING:
    from pathlib import Path

    from reqprof.model import Place

SITE = "/venv/lib/python3.11/site-packages/"
PYTHON = "/usr/lib/python3.11/"


def library(path: str, name: str, line: int = 9) -> Place:
    return (SITE + path, 1, name, line)


def own(path: str, name: str, line: int = 9) -> Place:
    return (path, 1, name, line)


FRAMEWORK = (
    library("starlette/applications.py", "__call__"),
    library("starlette/routing.py", "app"),
)
VIEW = own("/app/shop/views.py", "checkout", 49)
FETCH = own("/app/shop/db.py", "fetch", 43)
SLEEP = (PYTHON + "asyncio/tasks.py", 593, "sleep", 605)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_whole_stack_has_every_frame_with_its_whole_path() -> None:
    assert stack.line(stack.whole((*FRAMEWORK, VIEW, SLEEP))) == (
        f"{SITE}starlette/applications.py:9 __call__ -> {SITE}starlette/routing.py:9 app"
        f" -> /app/shop/views.py:49 checkout -> {PYTHON}asyncio/tasks.py:605 sleep"
    )


@pytest.mark.parametrize(
    ("frames", "told"),
    [
        ((*FRAMEWORK, VIEW), "/app/shop/views.py:49 checkout"),
        (
            (*FRAMEWORK, VIEW, FETCH, SLEEP),
            "/app/shop/views.py:49 checkout -> db.py:43 fetch -> asyncio.tasks.sleep",
        ),
        (
            (*FRAMEWORK, VIEW, library("pg/pool.py", "acquire"), library("pg/pool.py", "_wait")),
            "/app/shop/views.py:49 checkout -> pg/pool.py:9 acquire -> pool.py:9 _wait",
        ),
        (
            (VIEW, library("pg/pool.py", "acquire"), *FRAMEWORK, SLEEP),
            "/app/shop/views.py:49 checkout -> pg/pool.py:9 acquire -> … -> asyncio.tasks.sleep",
        ),
        (
            (VIEW, *FRAMEWORK, FETCH),
            "/app/shop/views.py:49 checkout -> … -> /app/shop/db.py:43 fetch",
        ),
        ((VIEW, own("manage.py", "run")), "/app/shop/views.py:49 checkout -> manage.py:9 run"),
        (
            (own("run.py", "a"), own("run.py", "b")),
            "run.py:9 a -> run.py:9 b",
        ),
        ((), "(no Python frame)"),
    ],
)
def test_a_brief_one_has_own_frames_what_they_awaited_and_where_that_ended(
    frames: tuple[Place, ...], told: str
) -> None:
    assert stack.line(stack.brief(frames)) == told


def test_middlewares_of_the_apps_own_are_not_told() -> None:
    """Every request goes through them; so a wait that has nothing else is told by its end."""
    middleware = own("/app/shop/middleware.py", "__call__")
    assert stack.brief((middleware, *FRAMEWORK, middleware, VIEW)) == [
        "/app/shop/views.py:49 checkout"
    ]
    assert stack.brief((middleware, *FRAMEWORK, SLEEP)) == [
        "/app/shop/middleware.py:9 __call__",
        "starlette/applications.py:9 __call__",
        "routing.py:9 app",
        "asyncio.tasks.sleep",
    ]


def test_a_stack_without_own_frames_is_told_by_its_last() -> None:
    """So is that of an app which was installed as a package."""
    frames = [library("shop/deep.py", f"f{number}") for number in range(9)]
    assert stack.brief(frames) == [
        "shop/deep.py:9 f4",
        *(f"deep.py:9 f{number}" for number in range(5, 9)),
    ]


def test_of_many_own_frames_the_first_and_the_last_are_told() -> None:
    frames = [own("/app/shop/deep.py", f"f{number}") for number in range(99)]
    told = stack.brief((*frames, SLEEP))
    assert told[:3] == ["/app/shop/deep.py:9 f0", "…", "/app/shop/deep.py:9 f93"]
    assert told[-2:] == ["deep.py:9 f98", "asyncio.tasks.sleep"]
    assert len(told) == 9


def test_the_current_folder_goes_unsaid(tmp_path: Path) -> None:
    assert stack.brief([own(f"{tmp_path}/shop/views.py", "checkout")]) == [
        "shop/views.py:9 checkout"
    ]


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (f"{PYTHON}queue.py", "queue.get"),
        (f"{PYTHON}concurrent/futures/__init__.py", "concurrent.futures.get"),
        ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>:7 get"),
        ("<string>", "<string>:7 get"),
    ],
)
def test_a_function_of_pythons_own_is_told_by_its_module(file: str, told: str) -> None:
    assert stack.brief([(file, 1, "get", 7)]) == [told]


def test_hostile_names_are_made_harmless() -> None:
    (told,) = stack.brief([own("/app/\x1b[2J\udcff.py", "f")])
    assert told == "/app/\\x1b[2J\\udcff.py:9 f"


@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=12), st.integers(30, 100))
def test_lines_are_broken_before_arrows_where_they_would_be_too_long(
    frames: list[str], width: int
) -> None:
    lines = list(stack.wrapped(frames, width))
    assert all(cells(line) <= width for line in lines if line.count(ARROW) > 1)
    assert all(line.startswith("  -> ") for line in lines[1:])
    assert "".join([lines[0], *(line[1:] for line in lines[1:])]) == stack.line(frames)
    assert list(stack.wrapped(frames, None)) == [stack.line(frames)]
