"""The tables of the embedded event bus; each function is one transaction's worth of work.

A delivery is one message in one queue. `due_at` is when a consumer may take it: 0 is now, otherwise
the end of a lease (`owner` set) or of a retry delay (`owner` null). What is due goes back to 0, in
its old place in the queue.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from blocks.adapters.consuming import BEGINNING_BYTES, dead_letter
from blocks.adapters.routing import matches
from blocks.adapters.sqlite import subscription_tables
from blocks.clock import utc_now
from blocks.ports import (
    MESSAGE_BYTES_MAX,
    Accept,
    Delivery,
    Message,
    NotFound,
    Queue,
    QueueView,
    Reject,
    Retry,
    Unroutable,
    Verdict,
)

SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS queues (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bindings (
    queue TEXT, pattern TEXT, PRIMARY KEY (queue, pattern)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    id TEXT NOT NULL,
    routing_key TEXT NOT NULL,
    body BLOB NOT NULL,
    timestamp TEXT NOT NULL,
    headers TEXT NOT NULL,
    due_at REAL NOT NULL DEFAULT 0,
    owner TEXT,
    attempt INTEGER NOT NULL DEFAULT 1,
    losses INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS deliveries_by_queue ON deliveries (queue, due_at, seq);
CREATE TABLE IF NOT EXISTS signals (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS taken_signals (
    seq INTEGER, "group" TEXT, PRIMARY KEY (seq, "group")
) WITHOUT ROWID;
"""
    + subscription_tables.SCHEMA
)

_SIGNALS_KEPT = 10_000
_MESSAGE = "id, routing_key, body, timestamp, headers"

# SQLite knows the length of a body without reading it, and reads only what the CASE yields.
_CUT = """
    id, routing_key, CASE WHEN length(body) <= ? THEN body END, timestamp, headers,
    CASE WHEN length(body) > ? THEN length(body) END, seq
"""


class Claim(msgspec.Struct, frozen=True):
    """A delivery leased to one consumer. `losses` counts the consumers that vanished with it."""

    seq: int
    delivery: Delivery
    losses: int


def declare(connection: sqlite3.Connection, queues: Sequence[Queue]) -> None:
    names = [(name,) for queue in queues for name in (queue.name, queue.dead_letters)]
    connection.executemany("INSERT OR IGNORE INTO queues VALUES (?)", names)
    bindings = [(queue.name, pattern) for queue in queues for pattern in queue.bindings]
    connection.executemany("INSERT OR IGNORE INTO bindings VALUES (?, ?)", bindings)


def publish(connection: sqlite3.Connection, messages: Sequence[Message], required: bool) -> None:
    """Every message is in every queue that is bound for it. With `required`, `Unroutable` undoes
    all of them.
    """
    bindings = connection.execute("SELECT queue, pattern FROM bindings").fetchall()
    overheard = subscription_tables.patterns_subscribed(connection)
    for message in messages:
        bound = {queue for queue, pattern in bindings if matches(pattern, message.routing_key)}
        if required and not bound:
            raise Unroutable(f"no queue is bound for {message.routing_key}")
        for queue in bound:
            _insert(connection, queue, message)
        subscription_tables.write_down(connection, message, overheard)


def has_due(connection: sqlite3.Connection, queue: str) -> bool:
    found = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM deliveries WHERE queue = ? AND due_at <= ?)",
        (queue, time.time()),
    ).fetchall()
    return bool(found[0][0])


def deliver(connection: sqlite3.Connection, queue: str, messages: Sequence[Message]) -> None:
    """Every message is in this queue. Raises `Unroutable` if it was not declared."""
    try:
        _check_declared(connection, queue)
    except NotFound as error:
        raise Unroutable(str(error)) from None
    for message in messages:
        _insert(connection, queue, message)


def claim(
    connection: sqlite3.Connection,
    queue: str,
    owner: str,
    limit: int,
    lease_seconds: float,
    max_bytes: int = MESSAGE_BYTES_MAX,
) -> list[Claim]:
    """The oldest deliveries that are due, leased to `owner`."""
    now = time.time()
    connection.execute(
        "UPDATE deliveries SET due_at = 0, losses = losses + (owner IS NOT NULL), owner = NULL"
        " WHERE queue = ? AND due_at > 0 AND due_at <= ?",
        (queue, now),
    )
    rows = connection.execute(
        f"SELECT {_CUT}, attempt, losses FROM deliveries WHERE queue = ? AND due_at = 0 ORDER "
        "BY seq LIMIT ?",
        (max_bytes, max_bytes, queue, limit),
    ).fetchall()
    connection.executemany(
        "UPDATE deliveries SET due_at = ?, owner = ? WHERE seq = ?",
        [(now + lease_seconds, owner, seq) for *_, seq, _, _ in rows],
    )
    messages = [_cut_message(connection, row) for *row, _, _ in rows]
    return [
        Claim(
            seq,
            Delivery(message=message, queue=queue, attempt=attempt, redelivered=losses > 0),
            losses,
        )
        for message, (*_, seq, attempt, losses) in zip(messages, rows, strict=True)
    ]


def renew(
    connection: sqlite3.Connection, claims: Sequence[Claim], owner: str, lease_seconds: float
) -> None:
    """The leases of these claims last as long as if they had just been taken."""
    end = time.time() + lease_seconds
    connection.executemany(
        "UPDATE deliveries SET due_at = ? WHERE seq = ? AND owner = ?",
        [(end, claim.seq, owner) for claim in claims],
    )


def give_back(connection: sqlite3.Connection, queue: str, owner: str) -> None:
    """All that this owner still holds is free for others, at once."""
    connection.execute(
        "UPDATE deliveries SET due_at = 0, owner = NULL, losses = losses + 1"
        " WHERE queue = ? AND due_at > 0 AND owner = ?",
        (queue, owner),
    )


def settle(
    connection: sqlite3.Connection,
    verdicts: Sequence[tuple[Claim, Verdict | None]],
    owner: str,
    queue: Queue,
) -> None:
    """The verdicts are carried out, except where a lease was lost to another consumer meanwhile."""
    accepted = [(claim.seq, owner) for claim, verdict in verdicts if isinstance(verdict, Accept)]
    connection.executemany("DELETE FROM deliveries WHERE seq = ? AND owner = ?", accepted)
    for claim, verdict in verdicts:
        _settle(connection, claim, verdict, owner, queue)


def _settle(
    connection: sqlite3.Connection, claim: Claim, verdict: Verdict | None, owner: str, queue: Queue
) -> None:
    held = (claim.seq, owner)
    match verdict:
        case Reject():
            letter = dead_letter(claim.delivery, verdict, utc_now())
            connection.execute(
                "UPDATE deliveries SET queue = ?, headers = ?, due_at = 0, owner = NULL, "
                "attempt = 1, losses = 0"
                " WHERE seq = ? AND owner = ?",
                (queue.dead_letters, json.dumps(dict(letter.headers)), *held),
            )
        case Retry(delay_seconds=delay, counts=counts):
            due_at = time.time() + (queue.retry_delay_seconds if delay is None else delay)
            connection.execute(
                "UPDATE deliveries SET due_at = ?, owner = NULL, attempt = attempt + ? WHERE "
                "seq = ? AND owner = ?",
                (due_at, int(counts), *held),
            )
        case None:
            connection.execute(
                "UPDATE deliveries SET due_at = 0, owner = NULL WHERE seq = ? AND owner = ?", held
            )


def depth(connection: sqlite3.Connection, queue: str) -> int:
    _check_declared(connection, queue)
    counted = connection.execute(
        "SELECT count(*) FROM deliveries WHERE queue = ? AND due_at <= ?", (queue, time.time())
    ).fetchone()
    return int(counted[0])


def view(connection: sqlite3.Connection, queue: str) -> QueueView:
    leased = connection.execute(
        "SELECT count(*) FROM deliveries WHERE queue = ? AND due_at > ? AND owner IS NOT NULL",
        (queue, time.time()),
    ).fetchone()
    return QueueView(ready=depth(connection, queue), in_hand=int(leased[0]))


def peek(connection: sqlite3.Connection, queue: str, limit: int) -> list[Message]:
    _check_declared(connection, queue)
    rows = connection.execute(
        f"SELECT {_CUT} FROM deliveries WHERE queue = ? AND due_at <= ? ORDER BY seq LIMIT ?",
        (MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX, queue, time.time(), limit),
    )
    return [_cut_message(connection, row) for row in rows.fetchall()]


def broadcast(connection: sqlite3.Connection, topic: str, body: bytes) -> None:
    signal = (
        connection.execute(
            "INSERT INTO signals (topic, body) VALUES (?, ?)", (topic, body)
        ).lastrowid
        or 0
    )
    for table in ("signals", "taken_signals"):
        connection.execute(f"DELETE FROM {table} WHERE seq <= ?", (signal - _SIGNALS_KEPT,))


def take_signal(connection: sqlite3.Connection, seq: int, group: str) -> bool:
    """Whether it is the caller's; it is of the first of its group that asks."""
    taken = connection.execute("INSERT OR IGNORE INTO taken_signals VALUES (?, ?)", (seq, group))
    return taken.rowcount == 1


def last_signal(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM signals").fetchall()[0][0])


def signals_after(connection: sqlite3.Connection, seq: int) -> list[tuple[int, str, bytes]]:
    """Number, topic and body of what was broadcast since."""
    return connection.execute(
        "SELECT seq, topic, body FROM signals WHERE seq > ? ORDER BY seq", (seq,)
    ).fetchall()


def _insert(connection: sqlite3.Connection, queue: str, message: Message) -> None:
    connection.execute(
        f"INSERT INTO deliveries (queue, {_MESSAGE}) VALUES (?, ?, ?, ?, ?, ?)",
        (
            queue,
            message.id,
            message.routing_key,
            message.body,
            message.timestamp.isoformat(),
            json.dumps(dict(message.headers)),
        ),
    )


def _cut_message(connection: sqlite3.Connection, row: Iterable[Any]) -> Message:
    id, routing_key, body, timestamp, headers, cut_from, seq = row
    return Message(
        id=id,
        routing_key=routing_key,
        body=body if cut_from is None else _beginning(connection, seq),
        timestamp=datetime.fromisoformat(timestamp),
        headers=json.loads(headers),
        cut_from=cut_from,
    )


def _beginning(connection: sqlite3.Connection, seq: int) -> bytes:
    with connection.blobopen("deliveries", "body", seq, readonly=True) as body:
        return body.read(BEGINNING_BYTES)


def _check_declared(connection: sqlite3.Connection, queue: str) -> None:
    if not connection.execute("SELECT 1 FROM queues WHERE name = ?", (queue,)).fetchone():
        raise NotFound(f"no queue {queue} was declared")
