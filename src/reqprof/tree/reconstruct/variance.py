"""How much calls of a function differ in time, by what they call and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reqprof.tree.reconstruct.graph import Graph

# The standard deviation of a call's own time, as a share of it: supposed, for no table tells. Half
# or twice as much moves .1 % of the time of recorded stacks, at most.
_OWN = 0.5

_MOST = 1e100  # so that what no clock can have told stays a number


def variances(graph: Graph) -> list[float]:
    """The variance of one call's total time, in seconds squared, by function.

    A callee called once for every call adds what it varies itself; one that is called for every
    second call makes half of the calls long and half of them short. Calls in a cycle vary by as
    much as they take.
    """
    found = [0.0] * len(graph.functions)
    for function in sorted(range(len(found)), key=graph.component.__getitem__):
        calls = max(1, graph.calls[function])
        if graph.cyclic[function]:
            found[function] = (graph.total[function] / calls) ** 2
            continue
        variance = (_OWN * graph.self_time[function] / calls) ** 2
        for e in graph.out[function]:
            often = max(1, graph.edge_calls[e])
            each = graph.edge_total[e] / often
            variance += of_count(often, calls) * each**2
            variance += often / calls * of_edge(graph, e, found)
        found[function] = min(variance, _MOST)
    return found


def of_edge(graph: Graph, edge: int, by_function: list[float]) -> float:
    """The variance of one call by an edge: its callee's, in proportion to what a call takes."""
    callee = graph.callee[edge]
    usual = graph.total[callee] / max(1, graph.calls[callee])
    each = graph.edge_total[edge] / max(1, graph.edge_calls[edge])
    return by_function[callee] * (each / usual) ** 2 if usual > 0 else 0.0


def of_count(often: int, calls: int) -> float:
    """The variance of how often one of ``calls`` calls makes any of ``often`` calls.

    None where they divide evenly. Else the remainder falls to some and not to others, and what is
    not regular may well be less so than that.
    """
    if often % calls == 0:
        return 0.0
    whole, part = divmod(often / calls, 1)
    return part * (1 - part) + (0.25 * often / calls if whole else 0.0)
