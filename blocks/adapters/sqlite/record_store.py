"""The embedded record store: one table per container in one SQLite file, records as the JSON they
are in Cosmos DB.
"""

import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import msgspec

from blocks.adapters.older_documents import (
    decoded,
    is_only_older,
    matching,
    may_match,
    merged,
    narrowed,
)
from blocks.adapters.record_pages import key_before, page_of
from blocks.adapters.record_rules import (
    Wanted,
    ages,
    check_changeable,
    check_deletable,
    check_record,
    check_size,
    conditions,
    name,
    sort_key,
    tag,
)
from blocks.adapters.sqlite.file import SqliteFile
from blocks.adapters.unreadable_records import readable, record_of
from blocks.contracts.records import CONTAINERS, Record
from blocks.ports import (
    NO_CONDITION,
    AlreadyExists,
    Contains,
    NotAbove,
    NotFound,
    Page,
    Query,
    Stale,
    Stored,
    Where,
)

R = TypeVar("R", bound=Record)

_Row = tuple[str, str, str, str]
_ROW = "sort_key, id, body, etag"

OLDER = ""
"""In the column `kind`: a document of the older service, which has none."""


class SqliteRecordStore:
    """Records in one file, durable when awaited; several processes of one machine may share it.

    Lives as long as its `async with`. Every method raises `Unavailable` when the file is locked for
    long, full or gone.
    """

    def __init__(self, file: Path) -> None:
        self._file = SqliteFile(file, _SCHEMA)

    async def __aenter__(self) -> Self:
        await self._file.__aenter__()
        return self

    async def __aexit__(
        self, *exc: type[BaseException] | BaseException | TracebackType | None
    ) -> None:
        await self._file.__aexit__(*exc)

    async def provision(self) -> None:
        await self.ping()  # opening the file made the tables

    async def create(self, tenant_id: str, record: R) -> Stored[R]:
        [created] = await self.create_all(tenant_id, [record])
        if created is None:
            raise AlreadyExists(name(type(record), record.id))
        return created

    async def create_all(self, tenant_id: str, records: Sequence[R]) -> list[Stored[R] | None]:
        """In one transaction."""
        rows = [_row(tenant_id, record) for record in records]
        inserts = [
            f"INSERT INTO {record.container} VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
            for record in records
        ]

        def create(connection: sqlite3.Connection) -> list[bool]:
            return [
                connection.execute(insert, row).rowcount == 1
                for insert, row in zip(inserts, rows, strict=True)
            ]

        return [
            Stored(record, etag) if is_new else None
            for record, (_, _, _, etag, _, _), is_new in zip(
                records, rows, await self._file.run(create), strict=True
            )
        ]

    async def read(self, tenant_id: str, kind: type[R], id: str) -> Stored[R]:
        select = (
            f"SELECT body, etag, kind FROM {kind.container} "
            "WHERE tenant_id = ? AND id = ? AND kind IN (?, ?)"
        )
        key = (tenant_id, id, tag(kind), OLDER)
        row = await self._file.read(lambda connection: connection.execute(select, key).fetchone())
        if row is None:
            raise NotFound(name(kind, id))
        if row[2] != OLDER:
            return Stored(record_of(kind, row[0], tenant_id, id), row[1])
        record = decoded(kind, msgspec.json.decode(row[0]))
        if record is None:
            raise NotFound(name(kind, id))
        return Stored(record, row[1])

    async def replace(self, tenant_id: str, etag: str, record: R) -> Stored[R]:
        [replaced] = await self.replace_all(tenant_id, [Stored(record, etag)])
        if replaced is None:
            kind = type(record)
            await self.read(tenant_id, kind, record.id)  # or it is not there
            raise Stale(name(kind, record.id))
        return replaced

    async def replace_all(
        self, tenant_id: str, changed: Sequence[Stored[R]]
    ) -> list[Stored[R] | None]:
        """In one transaction."""
        updates = [_update(tenant_id, stored) for stored in changed]
        new_etags = [parameters[1] for _, parameters in updates]

        def replace(connection: sqlite3.Connection) -> list[bool]:
            return [connection.execute(*update).rowcount == 1 for update in updates]

        return [
            Stored(stored.record, etag) if is_done else None
            for stored, etag, is_done in zip(
                changed, new_etags, await self._file.run(replace), strict=True
            )
        ]

    async def delete(
        self, tenant_id: str, kind: type[R], id: str, *, etag: str | None = None
    ) -> None:
        check_deletable(kind)
        mine = f"FROM {kind.container} WHERE tenant_id = ? AND id = ? AND kind = ?"
        key = (tenant_id, id, tag(kind))

        def delete(connection: sqlite3.Connection) -> None:
            connection.execute(f"DELETE {mine} AND etag = coalesce(?, etag)", (*key, etag))
            if connection.execute(f"SELECT 1 {mine}", key).fetchone():
                raise Stale(name(kind, id))

        await self._file.run(delete)

    async def query(self, tenant_id: str, query: Query[R]) -> Page[R]:
        ours = [] if is_only_older(query.kind) else await self._ours(tenant_id, query)
        older = await self._older(tenant_id, query.kind, query.where)
        return page_of(tenant_id, query, merged(tenant_id, query, ours, older) if older else ours)

    async def _ours(self, tenant_id: str, query: Query[R]) -> list[Stored[R]]:
        """Those of a page and one more, if there are so many."""
        found: list[Stored[R]] = []
        after = key_before(tenant_id, query)
        while (missing := query.limit + 1 - len(found)) > 0:
            work = _select(tenant_id, query, after, missing)
            rows = await self._file.read(partial(_rows, select=work))
            found += readable(query, rows, partial(_stored, tenant_id, query.kind))
            if len(rows) < missing:
                break
            after = rows[-1][0]
        return found

    async def _older(self, tenant_id: str, kind: type[R], where: Where) -> list[Stored[R]]:
        """Records that documents of the older service stand for and that match; in no order."""
        if not may_match(kind, where):
            return []
        clauses, parameters = ["tenant_id = ?", "kind = ?"], [tenant_id, OLDER]
        for key, texts in narrowed(kind, where).items():
            clause, values = _clause(key, list(texts))
            clauses.append(f"({clause} OR json_type(body, '$.{key}') IS NOT 'text')")
            parameters += values
        select = f"SELECT body, etag FROM {kind.container} WHERE {' AND '.join(clauses)}"
        rows = await self._file.read(
            lambda connection: connection.execute(select, parameters).fetchall()
        )
        return matching(kind, where, ((msgspec.json.decode(body), etag) for body, etag in rows))

    async def count(self, tenant_id: str, kind: type[R], where: Where = NO_CONDITION) -> int:
        clauses, parameters = _clauses(tenant_id, kind, where)
        sql = f"SELECT count(*) FROM {kind.container} WHERE {' AND '.join(clauses)}"
        ours = await self._file.read(
            lambda connection: int(connection.execute(sql, parameters).fetchone()[0])
        )
        return ours + len(await self._older(tenant_id, kind, where))

    async def older_tenants(self, container: str) -> list[str]:
        select = f"SELECT DISTINCT tenant_id FROM {container} WHERE kind = ? ORDER BY tenant_id"
        rows = await self._file.read(
            lambda connection: connection.execute(select, (OLDER,)).fetchall()
        )
        return [tenant_id for (tenant_id,) in rows]

    async def older_documents(
        self, tenant_id: str, container: str, after: str = "", limit: int = 100
    ) -> list[dict[str, Any]]:
        select = (
            f"SELECT body FROM {container} WHERE tenant_id = ? AND kind = ? AND id > ? "
            "ORDER BY id LIMIT ?"
        )
        key = (tenant_id, OLDER, after, limit)
        rows = await self._file.read(lambda connection: connection.execute(select, key).fetchall())
        return [msgspec.json.decode(body) for (body,) in rows]

    async def ping(self) -> None:
        await self._file.run(lambda connection: connection.execute("SELECT 1"))


def _row(tenant_id: str, record: Record) -> tuple[str, str, str, str, str, str]:
    check_record(tenant_id, record)
    kind, etag = tag(type(record)), uuid4().hex
    return tenant_id, record.id, kind, etag, sort_key(record), _body(record)


def _update(tenant_id: str, changed: Stored[Record]) -> tuple[str, tuple[str, ...]]:
    record = changed.record
    check_changeable(type(record))
    _, id, kind, etag, key, body = _row(tenant_id, record)
    return (
        f"UPDATE {record.container} SET kind = ?, etag = ?, sort_key = ?, body = ? "
        "WHERE tenant_id = ? AND id = ? AND kind IN (?, ?) AND etag = ?",
        (kind, etag, key, body, tenant_id, id, kind, OLDER, changed.etag),
    )


def _body(record: Record) -> str:
    body = msgspec.json.encode(record)
    check_size(body)
    return body.decode()


def _rows(connection: sqlite3.Connection, select: tuple[str, list[Any]]) -> list[_Row]:
    return connection.execute(*select).fetchall()


def _stored(tenant_id: str, kind: type[R], row: _Row) -> Stored[R]:
    _, id, body, etag = row
    return Stored(record_of(kind, body, tenant_id, id), etag)


def _select(
    tenant_id: str, query: Query[Record], after: str | None, limit: int
) -> tuple[str, list[Any]]:
    clauses, parameters = _clauses(tenant_id, query.kind, query.where)
    if after:
        clauses.append("sort_key < ?" if query.newest_first else "sort_key > ?")
        parameters.append(after)
    order = "DESC" if query.newest_first else "ASC"
    rows = f"SELECT {_ROW} FROM {query.kind.container} WHERE {' AND '.join(clauses)}"
    return f"{rows} ORDER BY sort_key {order} LIMIT ?", [*parameters, limit]


def _clauses(tenant_id: str, kind: type[Record], where: Where) -> tuple[list[str], list[Any]]:
    clauses, parameters = ["tenant_id = ?", "kind = ?"], [tenant_id, tag(kind)]
    for key, wanted in conditions(kind, where).items():
        clause, values = _clause(key, wanted)
        clauses.append(clause)
        parameters += values
    for comparison, bound in ages(where):
        clauses.append(f"sort_key {comparison} ?")
        parameters.append(bound)
    return clauses, parameters


def _clause(key: str, wanted: Wanted) -> tuple[str, list[Any]]:
    if isinstance(wanted, NotAbove):
        return f"{_number(key)} <= ?", [wanted.value]
    if isinstance(wanted, Contains):
        any_one = f"value IN ({', '.join('?' * len(wanted.any_of))})"
        items = f"SELECT 1 FROM json_each(body, '$.{key}')"
        return f"EXISTS ({items} WHERE {any_one})", [*wanted.any_of]
    value = "id" if key == "id" else _extract(key)
    values = [one for one in wanted if one is not None]
    any_of = [f"{value} IN ({', '.join('?' * len(values))})"] if values else []
    missing = [f"{value} IS NULL"] if None in wanted else []
    return f"({' OR '.join(any_of + missing) or 'FALSE'})", values


def _extract(key: str) -> str:
    """A JSON field in SQL; an index serves a query only if both spell it the same."""
    return f"json_extract(body, '$.{key}')"


def _number(key: str) -> str:
    """A number in SQL; without a value, it is below all others."""
    return f"coalesce({_extract(key)}, -9e999)"


# Which field of which table has an index, and how many records of a tenant share one value,
# roughly.
_INDEXED = (
    ("workflow_executions", "subject", 3),
    ("workflow_executions", "status", 100),
    ("workflow_executions", "workflow", 5000),
    ("workflow_steps", "executionId", 4),
    ("hitl_approvals", "status", 100),
    ("hitl_approvals", "executionId", 1),
    ("workflow_dead_letters", "status", 100),
    ("workflow_dead_letters", "letterId", 2),
    ("workflow_claims", "executionId", 20),
    ("workflow_claims", "syncId", 20),
    ("workflow_claims", "userId", 100),
    ("workflow_claims", "status", 1000),
)

_TABLES = [
    f"""
    CREATE TABLE IF NOT EXISTS {table} (
        tenant_id TEXT, id TEXT, kind TEXT NOT NULL,
        etag TEXT NOT NULL, sort_key TEXT NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (tenant_id, id)
    );
    CREATE INDEX IF NOT EXISTS {table}_by_age ON {table} (tenant_id, kind, sort_key);
    """
    for table in CONTAINERS
]

_INDEXES = [
    (
        f"CREATE INDEX IF NOT EXISTS {table}_by_{key} ON {table} (tenant_id, kind, "
        f"{_extract(key)}, sort_key);"
    )
    for table, key, _ in _INDEXED
]

# Executions whose end is not announced: those that run, and the few whose announcement is due.
_UNANNOUNCED = f"""
    CREATE INDEX IF NOT EXISTS workflow_executions_unannounced
    ON workflow_executions (tenant_id, kind, sort_key)
    WHERE {_extract("announcedAt")} IS NULL;
"""

# Approvals that need work, by when: the pending, and the few whose decision is not followed up.
_UNSETTLED = f"""
    DROP INDEX IF EXISTS hitl_approvals_unsettled;
    CREATE INDEX IF NOT EXISTS hitl_approvals_due
    ON hitl_approvals (tenant_id, kind, {_number("nextAt")})
    WHERE {_extract("settledAt")} IS NULL;
"""

# SQLite plans with statistics of the data; without any it answers "any of these ids" by scanning
# all records. So they are given, in rows as ANALYZE writes them:
# https://sqlite.org/fileformat2.html#stat1tab
_SHAPES = [
    *((table, f"sqlite_autoindex_{table}_1", "1000000 10000 1") for table in CONTAINERS),
    *((table, f"{table}_by_age", "1000000 10000 10000 1") for table in CONTAINERS),
    *(
        (table, f"{table}_by_{key}", f"1000000 10000 10000 {sharing} 1")
        for table, key, sharing in _INDEXED
    ),
    ("workflow_executions", "workflow_executions_unannounced", "10000 100 100 1"),
    ("hitl_approvals", "hitl_approvals_due", "1000 10 10 1"),
]

_SCHEMA = f"""
    BEGIN IMMEDIATE;
    {"".join((*_TABLES, *_INDEXES, _UNANNOUNCED, _UNSETTLED))}
    ANALYZE sqlite_schema;
    DELETE FROM sqlite_stat1;
    INSERT INTO sqlite_stat1 VALUES {", ".join(str(shape) for shape in _SHAPES)};
    COMMIT;
    ANALYZE sqlite_schema;
"""
