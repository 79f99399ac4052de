"""speedscope's files: frames nest, no nanosecond is lost, and names say what can be trusted."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from reqprof import __version__
from reqprof.tree.build import build
from reqprof.tree.merge import merge
from reqprof.tree.node import ROOT, WAITING, Node
from reqprof.tree.prune import prune
from reqprof.view import names
from reqprof.view.speedscope import render
from tests.tree.oracle import Event, truth
from tests.tree.strategies import TRACES
from tests.tree.tables import NAMES, deep, function, load, wide
from tests.view.read_speedscope import Frame, Profile, read
from tests.view.strategies import ANYTHING, broken, odd

F, G, H = (("/srv/shop.py", i, name) for i, name in enumerate("fgh", 1))


def alone(tree: Node) -> Profile:
    """The one profile of a tree's file."""
    (profile,) = read(render(tree, title="GET /cart")).profiles
    return profile


def frame(node: Node) -> Frame:
    file, line, _ = node.function
    known = file not in ("", "~")
    return names.label(node.function), names.clean(file) if known else "", line if known else 0


def check(profile: Profile, tree: Node) -> None:
    """The profile has the tree's stacks, and the time of each within a nanosecond a frame."""
    expected: dict[tuple[Frame, ...], list[float]] = {}
    path: list[Frame] = []
    for depth, node in tree.walk():
        if depth:
            path[depth - 1 :] = [frame(node)]
        expected.setdefault(tuple(path), []).append(node.self_time * 1e9)
    assert profile.end == sum(profile.times.values()) == pytest.approx(tree.total * 1e9, abs=0.51)
    assert profile.times.keys() <= expected.keys()
    for stack, times in expected.items():
        assert profile.times.get(stack, 0) == pytest.approx(sum(times), abs=len(times) + 1e-3)
    assert len(profile.opened) == sum(1 for _ in tree.walk()) - 1


@pytest.mark.parametrize("name", NAMES)
def test_recorded_inputs_come_back(name: str) -> None:
    tree = build(load(name))
    check(alone(tree), prune(tree, max_depth=500))


@settings(max_examples=100, deadline=None)
@given(TRACES)
def test_any_calls_come_back(trace: list[Event]) -> None:
    tree = build(truth(trace).stats)
    check(alone(tree), tree)


def test_odd_names_come_back() -> None:
    tree = build(odd())
    check(alone(tree), tree)


@settings(max_examples=100, deadline=None)
@given(ANYTHING, ANYTHING, ANYTHING)
def test_names_can_do_no_harm(name: str, file: str, title: str) -> None:
    tree = build({(file, 1, name): (1, 1, 1.0, 1.0, {})})
    found = read(render(tree, title=title, notes=[name], routes={file: tree}))
    assert [profile.end for profile in found.profiles] == [10**9]


def test_nothing_and_no_time_are_profiles_too() -> None:
    for tree in (merge([]), build({}), build(load("zero.prof"))):
        assert alone(tree).end == 0


def test_absurd_numbers_can_do_no_harm() -> None:
    alone(build(broken()))
    endless = Node(ROOT, 1, 0.0, 1e300, children={F: Node(F, 1, 1e300, 1e300)})
    assert alone(endless).end == 10**18


def test_time_of_the_root_itself_is_kept() -> None:
    assert alone(Node(ROOT, 0, 1.0, 1.0)).times == {(): 10**9}


def small() -> Node:
    tree = Node(ROOT, 4, 0.0, 1.0)
    tree.children = {F: Node(F, 1, 0.1, 0.25), G: Node(G, 2, 0.75, 0.75)}
    tree.children[F].children[WAITING] = Node(WAITING, 1, 0.15, 0.15)
    return tree


def test_siblings_stand_widest_first_and_own_time_last() -> None:
    found = json.loads(render(small(), title="x"))
    shared = found["shared"]["frames"]
    assert shared == [
        {"name": "shop.g", "file": "/srv/shop.py", "line": 2},
        {"name": "shop.f", "file": "/srv/shop.py", "line": 1},
        {"name": "waiting"},
    ]
    (profile,) = found["profiles"]
    events = [(event["type"], event["frame"], event["at"]) for event in profile["events"]]
    assert events == [
        ("O", 0, 0),
        ("C", 0, 750_000_000),
        ("O", 1, 750_000_000),
        ("O", 2, 750_000_000),
        ("C", 2, 900_000_000),
        ("C", 1, 1_000_000_000),
    ]


def test_routes_are_profiles_greatest_first_and_share_frames() -> None:
    cart, home = small(), build({G: (1, 1, 3.0, 3.0, {}), H: (1, 1, 1.0, 1.0, {})})
    routes = {"GET /cart": cart, "GET /": home}
    found = read(render(merge(routes.values()), title="shop", notes=["5 s."], routes=routes))
    assert [(profile.name, profile.end) for profile in found.profiles] == [
        ("GET /", 4 * 10**9),
        ("GET /cart", 10**9),
    ]
    assert [name for name, _, _ in found.frames] == ["shop.g", "shop.h", "shop.f", "waiting"]
    assert found.name == "shop — 5 s. All stacks are exact."
    assert found.exporter == f"reqprof@{__version__}"


def test_one_route_names_the_profile() -> None:
    (profile,) = read(render(small(), title="shop", routes={"GET /cart": small()})).profiles
    assert profile.name == "GET /cart"


def test_reconstructed_stacks_are_called_so() -> None:
    guessed = small()
    (node,) = [node for _, node in guessed.walk() if node.function == G]
    node.exact, node.guessed = False, 0.75
    found = read(render(guessed, title="shop", routes={"GET /": small(), "GET /cart": guessed}))
    assert "the others are reconstructed from caller-callee edges" in found.name
    assert [profile.name for profile in found.profiles] == [
        "GET /",
        "GET /cart (75.0 % on reconstructed stacks)",
    ]


def frames_shown(text: str) -> list[int]:
    return [len(profile["events"]) // 2 for profile in json.loads(text)["profiles"]]


def test_the_file_is_bounded() -> None:
    (shown,) = frames_shown(render(wide(60_000), title="x"))
    assert 40_000 < shown < 50_000
    routes = dict.fromkeys([f"GET /{number}" for number in range(100)], wide(900))
    assert all(
        400 < shown < 500 for shown in frames_shown(render(wide(2), title="", routes=routes))
    )
    assert max(map(len, alone(deep()).opened)) == 501


def test_more_routes_than_frames_keep_their_time() -> None:
    tree = build({function("f"): (1, 1, 1.0, 1.0, {}), function("g"): (1, 1, 2.0, 2.0, {})})
    found = json.loads(render(tree, title="x", routes=dict.fromkeys(map(str, range(26_000)), tree)))
    assert found["shared"]["frames"] == [{"name": "…"}]
    assert {profile["endValue"] for profile in found["profiles"]} == {3 * 10**9}
