"""The tables of transient event subscriptions; each function is one transaction's worth of work.

Events are written down here only while a subscription lasts (`until` lies ahead), and only the
latest are kept. Each gets the next number: a reader that finds one missing has missed events.
"""

import json
import sqlite3
import time
from collections.abc import Sequence
from datetime import datetime

import msgspec

from blocks.adapters.routing import matches
from blocks.ports import Message

SCHEMA = """
CREATE TABLE IF NOT EXISTS hearers (
    owner TEXT NOT NULL,
    pattern TEXT NOT NULL,
    until REAL NOT NULL,
    PRIMARY KEY (owner, pattern)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS overheard (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    routing_key TEXT NOT NULL,
    body BLOB NOT NULL,
    timestamp TEXT NOT NULL,
    headers TEXT NOT NULL
);
"""

KEPT = 2_000


class Overheard(msgspec.Struct, frozen=True):
    """An event with its number."""

    seq: int
    message: Message


def patterns_subscribed(connection: sqlite3.Connection) -> list[str]:
    """The patterns of all present subscriptions."""
    rows = connection.execute(
        "SELECT DISTINCT pattern FROM hearers WHERE until > ?", (time.time(),)
    )
    return [pattern for (pattern,) in rows.fetchall()]


def write_down(connection: sqlite3.Connection, message: Message, patterns: Sequence[str]) -> None:
    """The event is available to subscriptions, if there are any; the oldest ones are deleted."""
    if not any(matches(pattern, message.routing_key) for pattern in patterns):
        return
    seq = connection.execute(
        "INSERT INTO overheard (id, routing_key, body, timestamp, headers) VALUES (?, ?, ?, ?, ?)",
        (
            message.id,
            message.routing_key,
            message.body,
            message.timestamp.isoformat(),
            json.dumps(dict(message.headers)),
        ),
    ).lastrowid
    connection.execute("DELETE FROM overheard WHERE seq <= ?", ((seq or 0) - KEPT,))


def begin(
    connection: sqlite3.Connection, owner: str, patterns: Sequence[str], seconds: float
) -> int:
    """Events are written down for this owner for this long; returns the last number before."""
    now = time.time()
    connection.execute("DELETE FROM hearers WHERE until <= ?", (now,))
    connection.executemany(
        "INSERT OR REPLACE INTO hearers VALUES (?, ?, ?)",
        [(owner, pattern, now + seconds) for pattern in patterns],
    )
    # Of this table alone: the numbers go on where they were, even when all events are gone.
    rows = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'overheard'").fetchall()
    return int(rows[0][0]) if rows else 0


def renew(connection: sqlite3.Connection, owner: str, seconds: float) -> bool:
    """Events go on being written down for this owner; False: its time was over before."""
    now = time.time()
    renewed = connection.execute(
        "UPDATE hearers SET until = ? WHERE owner = ? AND until > ?", (now + seconds, owner, now)
    )
    return renewed.rowcount > 0


def end(connection: sqlite3.Connection, owner: str) -> None:
    connection.execute("DELETE FROM hearers WHERE owner = ?", (owner,))


def after(connection: sqlite3.Connection, seq: int) -> list[Overheard]:
    """What was written down since, in order."""
    rows = connection.execute(
        "SELECT seq, id, routing_key, body, timestamp, headers FROM overheard WHERE seq > ? "
        "ORDER BY seq",
        (seq,),
    )
    return [
        Overheard(
            number,
            Message(
                id=id,
                routing_key=routing_key,
                body=body,
                timestamp=datetime.fromisoformat(timestamp),
                headers=json.loads(headers),
            ),
        )
        for number, id, routing_key, body, timestamp, headers in rows.fetchall()
    ]
