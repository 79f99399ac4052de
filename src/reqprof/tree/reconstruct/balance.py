"""Matrices that meet given sums of rows and of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Matrix = list[list[float]]

# Half or twice as many move .01 % of the time of recorded stacks: the rounding meets the sums.
_ROUNDS = 8


def balance(matrix: Matrix, rows: Sequence[float], columns: Sequence[float]) -> Matrix:
    """The matrix scaled so that its rows and columns add up to the given sums.

    Sinkhorn's iteration, then the rounding of Altschuler, Weed and Rigollet (2017, algorithm 2),
    which meets the sums exactly however far the iteration got. Where the two sums differ, the
    columns win and the rows keep their proportions.
    """
    whole = sum(columns)
    given = sum(rows)
    if whole <= 0 or given <= 0:
        return [list(columns) for _ in rows]
    wanted = [row * whole / given for row in rows]
    for _ in range(_ROUNDS):
        matrix = [_scaled(line, row) for line, row in zip(matrix, wanted, strict=True)]
        sums = [sum(line) for line in zip(*matrix, strict=True)]
        factors = [
            column / part if part > 0 else 0.0 for column, part in zip(columns, sums, strict=True)
        ]
        matrix = [[x * z for x, z in zip(line, factors, strict=True)] for line in matrix]
    return _rounded(matrix, wanted, columns)


def _scaled(line: list[float], wanted: float) -> list[float]:
    whole = sum(line)
    return [x * wanted / whole for x in line] if whole > 0 else line


def _rounded(matrix: Matrix, rows: Sequence[float], columns: Sequence[float]) -> Matrix:
    """Shrink what is too much, then spread what is missing."""
    matrix = [
        _scaled(line, row) if sum(line) > row else line
        for line, row in zip(matrix, rows, strict=True)
    ]
    short = [max(0.0, row - sum(line)) for line, row in zip(matrix, rows, strict=True)]
    missing = [
        max(0.0, column - sum(line))
        for column, line in zip(columns, zip(*matrix, strict=True), strict=True)
    ]
    whole = sum(missing)
    if whole <= 0:
        return matrix
    return [
        [x + lack * part / whole for x, part in zip(line, missing, strict=True)]
        for line, lack in zip(matrix, short, strict=True)
    ]
