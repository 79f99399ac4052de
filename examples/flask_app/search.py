"""The search in the books' blurbs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_QUERY = 40


class Found(NamedTuple):
    """A book whose blurb holds the query, and the words that lead up to it."""

    book_id: int
    title: str
    snippet: str


def search_blurbs(query: str, books: Iterable[tuple[int, str, str]]) -> list[Found]:
    """Return the books, given as id, title and blurb, in whose blurb the query occurs."""
    pattern = re.compile(rf"(?:\w+[\s,;']+)*{re.escape(query[:LONGEST_QUERY])}", re.IGNORECASE)
    found = []
    for book_id, title, blurb in books:
        snippet = snippet_by_backtracking(pattern, blurb)
        if snippet:
            found.append(Found(book_id, title, snippet))
    return found


def snippet_by_backtracking(pattern: re.Pattern[str], text: str) -> str:
    """Return the text from its first word to the query, or "" when the query is not in it.

    A repeat inside a repeat: without a match it is tried from every letter of the text, each
    time running to the end and all the way back, so the time grows with the length squared.
    """
    match = pattern.search(text)
    return match.group() if match else ""
