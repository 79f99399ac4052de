"""The tram network's database, and what is asked of it."""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple

from . import timetable

SCHEMA = """
CREATE TABLE stops (id INTEGER PRIMARY KEY, name TEXT, x REAL, y REAL);
CREATE TABLE lines (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE calls (line_id INTEGER, position INTEGER, stop_id INTEGER);
CREATE TABLE departures (line_id INTEGER, stop_id INTEGER, minute INTEGER);
CREATE TABLE feedback (id INTEGER PRIMARY KEY, stop_id INTEGER, text TEXT, mood TEXT);
CREATE INDEX calls_of_line ON calls (line_id);
CREATE INDEX departures_of_stop ON departures (stop_id);
"""


class Stop(NamedTuple):
    """A stop and where it is, in kilometres from the market square."""

    id: int
    name: str
    x: float
    y: float


class Line(NamedTuple):
    """A line, known to its passengers by name."""

    id: int
    name: str


class Departure(NamedTuple):
    """A tram that leaves: its line, and when, in minutes after midnight."""

    line: str
    minute: int


def open_network() -> sqlite3.Connection:
    """Return a database in memory that holds the network. Threads may share it."""
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.executescript(SCHEMA)
    with db:
        db.executemany("INSERT INTO stops VALUES (?, ?, ?, ?)", timetable.stops())
        db.executemany("INSERT INTO lines VALUES (?, ?)", timetable.lines())
        db.executemany("INSERT INTO calls VALUES (?, ?, ?)", timetable.calls())
        db.executemany("INSERT INTO departures VALUES (?, ?, ?)", timetable.departures())
    return db


def stop_by_id(db: sqlite3.Connection, stop_id: int) -> Stop | None:
    """Return a stop, or nothing when there is no such stop."""
    row = db.execute("SELECT id, name, x, y FROM stops WHERE id = ?", (stop_id,)).fetchone()
    return Stop(*row) if row else None


def all_stops(db: sqlite3.Connection) -> list[Stop]:
    """Return every stop."""
    return [Stop(*row) for row in db.execute("SELECT id, name, x, y FROM stops ORDER BY id")]


def next_departures(
    db: sqlite3.Connection, stop_id: int, minute: int, limit: int = 8
) -> list[Departure]:
    """Return the trams that leave a stop from `minute` on."""
    rows = db.execute(
        "SELECT lines.name, minute FROM departures JOIN lines ON lines.id = line_id"
        " WHERE stop_id = ? AND minute >= ? ORDER BY minute, lines.id LIMIT ?",
        (stop_id, minute, limit),
    )
    return [Departure(*row) for row in rows]


def all_lines(db: sqlite3.Connection) -> list[Line]:
    """Return every line."""
    return [Line(*row) for row in db.execute("SELECT id, name FROM lines ORDER BY id")]


def line_by_id(db: sqlite3.Connection, line_id: int) -> Line | None:
    """Return a line, or nothing when there is no such line."""
    row = db.execute("SELECT id, name FROM lines WHERE id = ?", (line_id,)).fetchone()
    return Line(*row) if row else None


def stops_of_line(db: sqlite3.Connection, line_id: int) -> list[tuple[int, str]]:
    """Return the id and the name of the stops at which a line calls, in its order."""
    return db.execute(
        "SELECT stops.id, stops.name FROM calls JOIN stops ON stops.id = stop_id"
        " WHERE line_id = ? ORDER BY position",
        (line_id,),
    ).fetchall()


def minutes_at_stop(db: sqlite3.Connection, line_id: int, stop_id: int) -> list[int]:
    """Return when the trams of a line leave a stop, over the whole day."""
    rows = db.execute(
        "SELECT minute FROM departures WHERE stop_id = ? AND line_id = ? ORDER BY minute",
        (stop_id, line_id),
    )
    return [minute for (minute,) in rows]


def lines_stop_by_stop(db: sqlite3.Connection, minute: int) -> list[dict[str, Any]]:
    """Return every line with its stops and the next tram at each.

    One query for the lines, one more for each line's stops and one more for each of those stops.
    """
    return [
        {"line": line.name, "stops": stops_with_next_tram(db, line.id, minute)}
        for line in all_lines(db)
    ]


def stops_with_next_tram(db: sqlite3.Connection, line_id: int, minute: int) -> list[dict[str, Any]]:
    """Return the stops of one line, each with the minute of its next tram."""
    return [
        {"stop": name, "next": next_tram(db, line_id, stop_id, minute)}
        for stop_id, name in stops_of_line(db, line_id)
    ]


def next_tram(db: sqlite3.Connection, line_id: int, stop_id: int, minute: int) -> int | None:
    """Return when the next tram of a line leaves a stop."""
    row = db.execute(
        "SELECT min(minute) FROM departures WHERE line_id = ? AND stop_id = ? AND minute >= ?",
        (line_id, stop_id, minute),
    ).fetchone()
    found: int | None = row[0]
    return found


def add_feedback(db: sqlite3.Connection, stop_id: int, text: str, mood: str) -> None:
    """Keep what a passenger says of a stop."""
    with db:
        db.execute(
            "INSERT INTO feedback (stop_id, text, mood) VALUES (?, ?, ?)", (stop_id, text, mood)
        )
