"""What passengers say of a stop, dealt with after they have their answer."""

from __future__ import annotations

import asyncio
import difflib
from typing import TYPE_CHECKING

from .network import add_feedback

if TYPE_CHECKING:
    import sqlite3

MOODS = {
    "clean": "glad",
    "friendly": "glad",
    "punctual": "glad",
    "crowded": "cross",
    "dirty": "cross",
    "late": "cross",
}


def file_feedback(db: sqlite3.Connection, stop_id: int, text: str) -> None:
    """Keep a text with its mood. Plain code, so it runs in the thread pool."""
    add_feedback(db, stop_id, text, mood_of(text))


def mood_of(text: str) -> str:
    """Return "glad", "cross" or "calm". Forgives small mistakes in spelling."""
    for word in text.lower().split():
        for known in difflib.get_close_matches(word.strip(".,!"), MOODS, n=1, cutoff=0.8):
            return MOODS[known]
    return "calm"


async def tell_operator(stop_id: int) -> None:
    """Let the operator know; here that takes a moment and does nothing."""
    await asyncio.sleep(0.01)
