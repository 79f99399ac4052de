"""The exact engine's bytes: what is written is read, and nothing else is believed."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqprof.store import calltree
from reqprof.tree.node import ROOT
from reqprof.tree.recorded import MAX_SIZE, decode

if TYPE_CHECKING:
    from reqprof.tree.node import Node

FUNCTIONS = [("a.py", 1, "view"), ("a.py", 5, "query"), ("~", 0, "<built-in method len>")]
EXAMPLE = bytes.fromhex("00 00 01 00 00 e8 07 00 01 02 00 00 64")  # docs/format.md explains it

COSTS = {"python": (1e-8, 2e-8), "resumption": (3e-9, 4e-9), "c": (5e-9, 6e-9)}


def section(*parts: calltree.Part) -> bytes:
    return calltree.encode(parts, COSTS)


def numbers(*values: int) -> bytes:
    """As docs/format.md says."""
    written = bytearray()
    for value in values:
        while value > 127:
            written.append(value & 127 | 128)
            value >>= 7
        written.append(value)
    return bytes(written)


def shown(tree: Node) -> list[tuple[int, str, float, float]]:
    return [
        (depth, node.function[2], node.calls, round(node.self_time * 1e9))
        for depth, node in tree.walk()
    ]


def test_the_example_of_the_document() -> None:
    tree = decode(section(calltree.Part("MainThread", FUNCTIONS, EXAMPLE)))
    assert shown(tree) == [(0, ROOT[2], 3, 0), (1, "view", 1, 1000), (2, "query", 2, 100)]
    assert tree.total == pytest.approx(1100e-9)
    assert all(node.exact for _, node in tree.walk())


def test_nodes_go_up_as_many_levels_as_they_say() -> None:
    nodes = numbers(
        *(0, 0, 1, 0, 0, 10),
        *(0, 1, 1, 0, 0, 20),
        *(0, 2, 3, 0, 0, 30),
        *(2, 2, 1, 0, 0, 40),
        *(2, 1, 1, 0, 0, 50),
    )
    tree = decode(section(calltree.Part("", FUNCTIONS, nodes)))
    assert shown(tree)[1:] == [
        (1, "view", 1, 10),
        (2, "query", 1, 20),
        (3, "<built-in method len>", 3, 30),
        (2, "<built-in method len>", 1, 40),
        (1, "query", 1, 50),
    ]


def test_a_function_that_calls_itself_stands_below_itself() -> None:
    nodes = numbers(*(0, 0, 1, 0, 0, 1) * 3000)
    depth = max(depth for depth, _ in decode(section(calltree.Part("", FUNCTIONS, nodes))).walk())
    assert depth == 3000


def test_threads_are_added_and_functions_of_one_name_too() -> None:
    twins = [FUNCTIONS[1], FUNCTIONS[1]]
    tree = decode(
        section(
            calltree.Part("MainThread", FUNCTIONS, numbers(0, 1, 1, 0, 0, 5)),
            calltree.Part("pool", twins, numbers(0, 0, 2, 0, 0, 5, 1, 1, 4, 0, 0, 5), beyond=3),
        )
    )
    assert shown(tree)[1:] == [(1, "query", 7, 15)]


def test_no_thread_at_all_is_an_empty_tree() -> None:
    assert shown(decode(section())) == [(0, ROOT[2], 0, 0)]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no nodes"),
        (b"{}", "no nodes"),
        (b"[]\n", "no JSON object"),
        (b"{\n", "no JSON"),
        (b"{}\n", "list of functions"),
        (b'{"functions":[]}\n', "list of parts"),
        (b'{"functions":[["a",1]],"parts":[]}\n', "a function"),
        (b'{"functions":[["a",-1,"f"]],"parts":[]}\n', "a function"),
        (b'{"functions":[["a",true,"f"]],"parts":[]}\n', "a function"),
        (b'{"functions":[],"parts":[["t",0,0]]}\n', "a thread's part"),
        (b'{"functions":[],"parts":[],"costs":{"c":[0.1]}}\n', "a cost"),
        (b'{"functions":[],"parts":[],"costs":{"c":[0.1,"a"]}}\n', "a cost"),
        (b'{"functions":[],"parts":[],"costs":{"c":[0.1,NaN]}}\n', "JSON"),
        (b'{"functions":[],"parts":[],"costs":{"c":[0.1,-0.1]}}\n', "a cost"),
        (b'{"functions":[],"parts":[["t",-1,0,0]]}\n', "a place or a size"),
        (b'{"functions":[],"parts":[["t",0,1e9,0]]}\n', "a place or a size"),
        (b'{"functions":[],"parts":[["t",0,9,0]]}\n\0', "do not fill"),
        (b'{"functions":[],"parts":[]}\n\0', "do not fill"),
        (section(calltree.Part("", FUNCTIONS, numbers(1, 0, 1, 0, 0, 0))), "hangs nowhere"),
        (section(calltree.Part("", FUNCTIONS, numbers(0, 3, 1, 0, 0, 0))), "of no function"),
        (section(calltree.Part("", FUNCTIONS, numbers(0, 0, 1, 0, 0))), "within a node"),
        (section(calltree.Part("", FUNCTIONS, b"\0\0\0\0\0\x80")), "within a number"),
        (section(calltree.Part("", FUNCTIONS, b"\xff" * 10 + b"\x01")), "beyond 64 bits"),
    ],
)
def test_what_is_no_tree_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        decode(data)


def test_one_of_endless_size_is_refused_unread() -> None:
    with pytest.raises(ValueError, match="more than"):
        decode(bytes(MAX_SIZE + 1))


@given(st.binary(max_size=200))
def test_any_nodes_make_a_tree_or_a_reason(nodes: bytes) -> None:
    with suppress(ValueError):
        assert decode(section(calltree.Part("", FUNCTIONS, nodes))).total >= 0


@given(st.data())
def test_a_changed_section_makes_a_tree_or_a_reason(data: st.DataObject) -> None:
    whole = bytearray(section(calltree.Part("MainThread", FUNCTIONS, EXAMPLE)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ValueError):
        assert decode(bytes(whole)).total >= 0


def test_the_head_is_one_line_of_ascii() -> None:
    line = section(calltree.Part("Fädchen", [("é.py", 1, "f\ud800")], b"")).partition(b"\n")[0]
    assert line.isascii()
    assert json.loads(line)["parts"] == [["Fädchen", 0, 0, 0]]


def test_what_recording_took_is_told_for_each_frame() -> None:
    nodes = numbers(*(0, 0, 1, 10, 0, 900), *(0, 1, 2, 0, 0, 90), *(1, 2, 4, 0, 0, 9))
    costs = {**COSTS, "uncounted": (0.0, 1e-6)}
    tree = decode(calltree.encode([calltree.Part("", FUNCTIONS, nodes)], costs))
    view = tree.children[FUNCTIONS[0]]
    assert tree.overhead == 0
    assert view.overhead == pytest.approx(1e-8 + 10 * 3e-9 + 2 * 2e-8 + 4 * 6e-9)
    assert view.children[FUNCTIONS[1]].overhead == pytest.approx(2 * 1e-8)
    assert view.children[FUNCTIONS[2]].overhead == pytest.approx(4 * 5e-9)
    nodes = numbers(0, 0, 1, 0, 3, 900)
    tree = decode(calltree.encode([calltree.Part("", FUNCTIONS, nodes)], costs))
    assert tree.children[FUNCTIONS[0]].overhead == pytest.approx(1e-8 + 3e-6)


def test_the_first_call_of_a_python_function_cost_its_caller_more() -> None:
    functions = [("a.py", n, f"f{n}") for n in range(3)] + [("~", 0, "len")]
    nodes = numbers(
        *(0, 0, 1, 0, 0, 900),  # f0
        *(0, 1, 1, 0, 0, 90),  # calls f1,
        *(0, 2, 1, 0, 0, 9),  # which calls f2
        *(1, 3, 1, 0, 0, 9),  # and len,
        *(2, 2, 5, 0, 0, 9),  # and then f2 itself
    )
    costs = {"first": (0.0, 1e-6), "node": (0.0, 1e-6)}
    view = decode(calltree.encode([calltree.Part("", functions, nodes)], costs)).children[
        functions[0]
    ]
    assert view.overhead == pytest.approx(1e-6)
    assert view.children[functions[1]].overhead == pytest.approx(1e-6)
    assert view.children[functions[2]].overhead == 0
