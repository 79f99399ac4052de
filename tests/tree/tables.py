"""Tables that break naive tree builders, and the folder of recorded ones."""

from __future__ import annotations

import marshal
import random
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from reqprof.tree.build import build
from reqprof.tree.node import ROOT, Node

if TYPE_CHECKING:
    from reqprof.model import Edge, Function, Stats

FOLDER = Path(__file__).parent.parent / "data" / "calltree"
NAMES = sorted(path.name for path in FOLDER.glob("*.prof"))


def load(name: str) -> Stats:
    return cast("Stats", marshal.loads((FOLDER / name).read_bytes()))


def time(stats: Stats) -> float:
    """The sum of self seconds, which every tree and picture must keep."""
    return sum(row[2] for row in stats.values())


def function(name: str) -> Function:
    return (f"/srv/{name}.py", 1, name)


def chain(length: int) -> Stats:
    """Functions that call one another in a line, a millisecond each."""
    stats: Stats = {}
    for i in range(length):
        below = (length - i) / 1000
        caller: dict[Function, Edge] = {function(f"f{i - 1}"): (1, 1, 0.001, below)} if i else {}
        stats[function(f"f{i}")] = (1, 1, 0.001, below, caller)
    return stats


@cache
def deep() -> Node:
    """The tree of a chain of 100,000; building it takes seconds, so tests share it."""
    return build(chain(100_000))


def ring(length: int) -> Stats:
    """A chain whose last function calls its first."""
    stats = chain(length)
    first, last = function("f0"), function(f"f{length - 1}")
    primitive, _, own, total, _ = stats[first]
    stats[first] = (primitive, 2, own, total, {last: (1, 0, own / 2, own / 2)})
    return stats


def without_rest(root: Node) -> dict[tuple[Function, ...], float]:
    """Self seconds by stack, the time of callees not expanded given to their caller."""
    times: dict[tuple[Function, ...], float] = {}
    path: list[Function] = []
    for depth, node in root.walk():
        if depth and not node.is_rest:
            path[depth - 1 :] = [node.function]
        stack = tuple(path[: depth - node.is_rest])
        times[stack] = times.get(stack, 0.0) + node.self_time
    return {stack: time for stack, time in times.items() if stack}


def wide(frames: int) -> Node:
    """A random tree of so many frames, each having taken up to a second itself."""
    chance = random.Random(1)
    root = Node(ROOT)
    nodes = [root]
    while len(nodes) < frames:
        f = function(f"f{len(nodes)}")
        node = Node(f, 1, chance.random(), exact=False)
        nodes[chance.randrange(len(nodes) * 9 // 10, len(nodes))].children[f] = node
        nodes.append(node)
    for node in reversed(nodes):
        node.total = node.self_time + sum(child.total for child in node.children.values())
    return root
