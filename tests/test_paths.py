"""Patterns of paths, as a table of what they match."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqprof.paths import is_of, matcher, outline

pytestmark = pytest.mark.recording


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/orders", "/orders", True),
        ("/orders", "/orders/", False),
        ("/orders", "/Orders", False),
        ("/orders", "/orders\n", False),
        ("/orders/*", "/orders/1", True),
        ("/orders/*", "/orders/", True),
        ("/orders/*", "/orders/1/lines/2", True),
        ("/orders/*", "/orders", False),
        ("*", "/anything/at/all", True),
        ("*", "", True),
        ("*.css", "/static/a.css", True),
        ("/a?c", "/abc", True),
        ("/[ab]", "/b", True),
        ("/[!ab]", "/b", False),
        ("/a.c", "/abc", False),
        # templates, as Starlette, FastAPI, Django and Flask write them
        ("/orders/{id}", "/orders/17", True),
        ("/orders/{id}", "/orders/", False),
        ("/orders/{id}", "/orders/17/lines", False),
        ("/orders/{id:int}/lines", "/orders/17/lines", True),
        ("/files/{rest:path}", "/files/a/b/c", True),
        ("/files/{rest:path}", "/files/", False),
        ("/orders/<id>", "/orders/17", True),
        ("/orders/<int:id>", "/orders/17", True),
        ("/orders/<int:id>", "/orders/17/x", False),
        ("/files/<path:rest>/end", "/files/a/b/end", True),
        ("/<any(a,b):letter>", "/a", True),
        ("/{a}-{b}", "/x-y", True),
        ("/*/{id}/*", "/a/b/c", True),
        ("/*/{id}/x*", "/a/b/c", False),
        ("/{", "/{", True),
    ],
)
def test_a_pattern_matches_whole_paths(pattern: str, path: str, matches: bool) -> None:
    assert bool(matcher(pattern).fullmatch(path)) is matches


@pytest.mark.parametrize("bad", ["", "orders", " /orders", "^orders/$", "/\ue000", "/\ue001"])
def test_what_can_match_no_path_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="begins with / or") as caught:
        matcher(bad)
    assert repr(bad) in str(caught.value)


@given(st.text(), st.text())
def test_any_pattern_that_is_taken_can_be_asked(pattern: str, path: str) -> None:
    try:
        found = matcher("/" + pattern)
    except ValueError:
        return
    found.fullmatch(path)
    if not any(sign in pattern for sign in "*?[{<"):
        assert found.fullmatch("/" + pattern)


@pytest.mark.parametrize(
    ("route", "glob"),
    [
        ("/orders", "/orders"),
        ("/orders/{id}", "/orders/*"),
        ("/orders/{id}/lines", "/orders/*/lines"),
        ("/files/<path:rest>", "/files/*"),
        ("/orders/*.css", "/orders/*.css"),
        ("/a/*rest", "/a/*"),
        ("/orders/{id:\\d+}/x", "/orders/*"),
        ("/orders/(?P<pk>[0-9]+)/$", "/orders/*"),
        ("/orders?/(x)", "/order*"),
        ("/a.b/$", "/a*"),
        ("/$", "/*"),
        ("*", "*"),
    ],
)
def test_an_outline_fits_all_the_paths_of_a_route(route: str, glob: str) -> None:
    assert outline(route) == glob


@pytest.mark.parametrize(
    ("route", "path", "is_one"),
    [
        ("/orders", "/orders", True),
        ("/orders/{id}", "/orders/17", True),
        ("/orders/{id}", "/orders/", False),
        ("/orders/{id}", "/orders/17/lines", False),
        ("/{a}-{b}/<int:c>", "/x-y/7", True),
        ("/{a}-{b}/<int:c>", "/x/7", False),
        ("/files/{rest:path}", "/files/a/b", True),
        ("/files/{rest:path}", "/files", False),
        ("/files/<path:rest>/end", "/files/a/b/end", False),  # that cannot be told from the two
        ("/orders/(?P<pk>[0-9]+)/$", "/orders/17/", False),
        ("/orders/*", "/orders/17", False),
    ],
)
def test_a_path_is_of_a_template(route: str, path: str, is_one: bool) -> None:
    assert is_of(route, path) is is_one
