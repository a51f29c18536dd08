"""The record store on Azure Cosmos DB: a container per kind of work, partitioned by tenant."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from uuid import uuid4

import msgspec
from azure.core import MatchConditions
from azure.core.credentials_async import AsyncTokenCredential
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy
from azure.cosmos.exceptions import CosmosResourceExistsError

from blocks.adapters.cosmos.call_time import limited
from blocks.adapters.cosmos.client import cosmos_client
from blocks.adapters.cosmos.container_policies import EXPIRES_PER_RECORD, indexing_policy
from blocks.adapters.cosmos.errors import translated
from blocks.adapters.older_documents import (
    decoded,
    is_only_older,
    matching,
    may_match,
    merged,
    narrowed,
)
from blocks.adapters.record_pages import LIMIT_MAX, key_before, page_of
from blocks.adapters.record_rules import (
    Wanted,
    ages,
    check_changeable,
    check_deletable,
    check_record,
    check_size,
    conditions,
    is_storable,
    name,
    sort_key,
    tag,
)
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
    Throttled,
    Unavailable,
    Where,
)
from blocks.processes.ending import closing

R = TypeVar("R", bound=Record)
Document = Mapping[str, Any]

BATCH_MAX = 100
"""Operations of a transactional batch."""

_BATCH_BYTES = 1_500_000
"""Less than the 2 MB of a request: an operation has more around it than its document."""


class CosmosRecordStore:
    """Records in the containers of one database, durable when awaited.

    A document holds the record and fields of this file's own: `sortKey`, by which records are
    listed, `writeId`, by which a write whose answer was lost is recognised, and `ttl`, after which
    the database deletes what nothing needs any more.

    Lives as long as its `async with`. Opening it makes no request; every method raises
    `Unavailable` when Cosmos DB does not answer, refuses the key or was not provisioned,
    `Throttled` above the request limit. Share one store per process: at the usual session
    consistency only the client that wrote is sure to read what it wrote at once.
    """

    def __init__(
        self,
        endpoint: str,
        credential: str | AsyncTokenCredential,
        *,
        database: str,
        ca_file: str | None = None,
        containers: Mapping[str, str] | None = None,
    ) -> None:
        """`credential` is the account's key, or an identity's; `containers` has the names in the
        account, without it they are those of `CONTAINERS`.
        """
        self._endpoint, self._credential, self._ca_file = endpoint, credential, ca_file
        self._database_id = database
        self._names = containers or {name: name for name in CONTAINERS}
        self._opened = AsyncExitStack()
        self._knows_the_account = False
        self._asking_the_account = asyncio.Lock()

    async def __aenter__(self) -> Self:
        # The SDK logs every request at INFO.
        logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(
            logging.WARNING
        )
        async with AsyncExitStack() as opening:
            if not isinstance(self._credential, str):
                opening.push_async_callback(self._credential.close)
            self._client = cosmos_client(self._endpoint, self._credential, self._ca_file)
            opening.push_async_callback(self._client.close)
            self._database = self._client.get_database_client(self._database_id)
            self._containers = {
                name: self._database.get_container_client(id) for name, id in self._names.items()
            }
            self._opened = opening.pop_all()
        return self

    async def __aexit__(
        self, *exc: type[BaseException] | BaseException | TracebackType | None
    ) -> None:
        async with closing("the record store"):
            await self._opened.aclose()

    async def provision(self) -> None:
        # Between the SDK's look and its create, another process may create.
        async with self._call("the database"):
            with suppress(CosmosResourceExistsError):
                await self._client.create_database_if_not_exists(self._database_id)
        for container, id in self._names.items():
            async with self._call(f"container {id}"):
                with suppress(CosmosResourceExistsError):
                    await self._database.create_container_if_not_exists(
                        id,
                        partition_key=PartitionKey("/tenantId"),
                        indexing_policy=indexing_policy(container),
                        default_ttl=EXPIRES_PER_RECORD,
                    )

    async def create(self, tenant_id: str, record: R) -> Stored[R]:
        return await self._write(_Write.of(tenant_id, record))

    async def create_all(self, tenant_id: str, records: Sequence[R]) -> list[Stored[R] | None]:
        return await self._write_all(
            tenant_id, [_Write.of(tenant_id, record) for record in records]
        )

    async def read(self, tenant_id: str, kind: type[R], id: str) -> Stored[R]:
        if not is_storable(id):
            raise NotFound(name(kind, id))
        async with self._call(name(kind, id)):
            document = await self._container(kind).read_item(id, partition_key=tenant_id)
        record = decoded(kind, document) if document.get("tenantId") == tenant_id else None
        if record is None:
            raise NotFound(name(kind, id))
        return Stored(record, document["_etag"])

    async def replace(self, tenant_id: str, etag: str, record: R) -> Stored[R]:
        check_changeable(type(record))
        return await self._write(_Write.of(tenant_id, record, etag))

    async def replace_all(
        self, tenant_id: str, changed: Sequence[Stored[R]]
    ) -> list[Stored[R] | None]:
        for kind in {type(stored.record) for stored in changed}:
            check_changeable(kind)
        return await self._write_all(
            tenant_id,
            [_Write.of(tenant_id, one.record, one.etag) for one in changed],
        )

    async def delete(
        self, tenant_id: str, kind: type[R], id: str, *, etag: str | None = None
    ) -> None:
        check_deletable(kind)
        match = None if etag is None else MatchConditions.IfNotModified
        with suppress(NotFound):
            await self.read(tenant_id, kind, id)  # a record of another kind under this id stays
            async with self._call(name(kind, id)):
                await self._container(kind).delete_item(
                    id, partition_key=tenant_id, etag=etag, match_condition=match
                )

    async def query(self, tenant_id: str, query: Query[R]) -> Page[R]:
        ours = [] if is_only_older(query.kind) else await self._ours(tenant_id, query)
        older = await self._older(tenant_id, query.kind, query.where)
        return page_of(tenant_id, query, merged(tenant_id, query, ours, older) if older else ours)

    async def _ours(self, tenant_id: str, query: Query[R]) -> list[Stored[R]]:
        sql, values = _select(tenant_id, query)
        parameters, at_once = _parameters(values), min(query.limit + 1, LIMIT_MAX)
        found: list[Stored[R]] = []
        async with self._call(f"{tag(query.kind)}s", missing=Unavailable):
            documents = self._container(query.kind).query_items(
                sql, parameters=parameters, partition_key=tenant_id, max_item_count=at_once
            )
            async for document in documents:
                if document["tenantId"] == tenant_id:
                    found += readable(query, [document], partial(_stored, query.kind))
                if len(found) > query.limit:
                    break
        return found

    async def _older(self, tenant_id: str, kind: type[R], where: Where) -> list[Stored[R]]:
        """Records that documents of the older service stand for and that match; in no order."""
        if not may_match(kind, where):
            return []
        clauses, values = _clauses_of_older(tenant_id)
        for key, texts in narrowed(kind, where).items():
            clause = _clause(f'c["{key}"]', texts, values)
            clauses.append(f'({clause} OR NOT IS_STRING(c["{key}"]))')
        documents = await self._documents(
            kind.container, tenant_id, clauses, values, missing=Unavailable
        )
        return matching(kind, where, ((one, one["_etag"]) for one in documents))

    async def count(self, tenant_id: str, kind: type[R], where: Where = NO_CONDITION) -> int:
        clauses, values = _clauses(tenant_id, kind, where)
        sql = f"SELECT VALUE COUNT(1) FROM c WHERE {' AND '.join(clauses)}"
        counted = 0
        async with self._call(f"{tag(kind)}s", missing=Unavailable):
            answers = self._container(kind).query_items(
                sql, parameters=_parameters(values), partition_key=tenant_id
            )
            async for answer in answers:  # one per physical partition of the service
                counted += int(answer)  # type: ignore[call-overload]  # typed as a document
        return counted + len(await self._older(tenant_id, kind, where))

    async def older_tenants(self, container: str) -> list[str]:
        tenants: set[str] = set()
        with suppress(NotFound):  # the older service has no such container
            async with self._call(f"container {container}"):
                found = self._containers[container].query_items(
                    "SELECT c.tenantId FROM c WHERE NOT IS_DEFINED(c.kind)"
                )
                async for document in found:
                    if isinstance(tenant_id := document.get("tenantId"), str):
                        tenants.add(tenant_id)
        return sorted(tenants)

    async def older_documents(
        self, tenant_id: str, container: str, after: str = "", limit: int = 100
    ) -> list[dict[str, Any]]:
        clauses, values = _clauses_of_older(tenant_id)
        clauses.append(f"c.id > @p{len(values)}")
        values.append(after)
        try:
            return await self._documents(
                container, tenant_id, clauses, values, order=" ORDER BY c.id", limit=limit
            )
        except NotFound:
            return []

    async def _documents(
        self,
        container: str,
        tenant_id: str,
        clauses: list[str],
        values: list[Any],
        *,
        missing: type[Exception] = NotFound,
        order: str = "",
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with self._call(f"container {container}", missing):
            documents = self._containers[container].query_items(
                f"SELECT * FROM c WHERE {' AND '.join(clauses)}{order}",
                parameters=_parameters(values),
                partition_key=tenant_id,
                max_item_count=limit or LIMIT_MAX,
            )
            async for document in documents:
                if document.get("tenantId") == tenant_id:
                    found.append(dict(document))
                if len(found) == limit:
                    break
        return found

    async def ping(self) -> None:
        async with self._call("the database", missing=Unavailable):
            await self._database.read()

    @asynccontextmanager
    async def _call(self, about: str, missing: type[Exception] = NotFound) -> AsyncIterator[None]:
        """The account is known, what goes wrong comes out in the words of the port, and nothing
        waits for ever.
        """
        with translated(about, missing):
            async with limited(about):
                await self._know_the_account()
                yield

    async def _know_the_account(self) -> None:
        """The SDK has read the account's endpoints; until that succeeds, each call tries."""
        if self._knows_the_account:
            return
        async with self._asking_the_account:
            await self._client.__aenter__()
            self._knows_the_account = True

    def _container(self, kind: Record | type[Record]) -> ContainerProxy:
        return self._containers[kind.container]

    async def _write_all(
        self, tenant_id: str, writes: Sequence["_Write[R]"]
    ) -> list[Stored[R] | None]:
        """In transactional batches; None in the place of what is refused, since its id is taken or
        its ETag is another. A batch with one of those is refused as a whole: then each of its
        writes is a request of its own.
        """
        written: list[Stored[R] | None] = []
        for batch in _batches(writes):
            written += await self._write_together(tenant_id, batch) or await asyncio.gather(
                *(self._write_unless_refused(one) for one in batch)
            )
        return written

    async def _write_together(
        self, tenant_id: str, batch: Sequence["_Write[R]"]
    ) -> list[Stored[R] | None]:
        """All of them, or none: then the list is empty."""
        if len(batch) == 1:
            return []
        container = self._container(batch[0].record)
        operations = [one.operation for one in batch]
        try:
            async with self._call(f"{len(batch)} records", batch[0].missing):
                answers = await container.execute_item_batch(operations, partition_key=tenant_id)
        except _REFUSED:
            return []
        except Throttled:
            raise
        except Unavailable:
            if await self._etag_of_own_write(batch[0]) is None:
                raise
            return []  # it was carried out, and each of its records will be found to be our own
        return [
            Stored(one.record, answer["resourceBody"]["_etag"])
            for one, answer in zip(batch, answers, strict=True)
        ]

    async def _write_unless_refused(self, write: "_Write[R]") -> Stored[R] | None:
        try:
            return await self._write(write)
        except _REFUSED:
            return None

    async def _write(self, write: "_Write[R]") -> Stored[R]:
        record = write.record
        try:
            async with self._call(name(type(record), record.id), write.missing):
                document = await write.request(self._container(record))
                return Stored(record, document["_etag"])
        except Throttled:
            raise  # it was refused before it did anything
        except (AlreadyExists, Stale, Unavailable):
            # The answer to a write can be lost, and the transport then sends the write again by
            # itself: what it meets may be its own work.
            etag = await self._etag_of_own_write(write)
            if etag is None:
                raise
            return Stored(record, etag)

    async def _etag_of_own_write(self, write: "_Write[R]") -> str | None:
        record = write.record
        try:
            async with self._call(name(type(record), record.id)):
                found = await self._container(record).read_item(
                    record.id, partition_key=record.tenant_id
                )
        except (NotFound, Unavailable):
            return None
        return str(found["_etag"]) if found.get("writeId") == write.document["writeId"] else None


_REFUSED = (AlreadyExists, Stale, NotFound)
"""What stands in the way of one write, and of none beside it."""


class _Write(msgspec.Struct, Generic[R]):
    """A record that is to be stored: a new one, or in place of the one with this ETag."""

    record: R
    document: dict[str, Any]
    size: int
    """Of the document as JSON, in bytes."""
    etag: str | None

    @classmethod
    def of(cls, tenant_id: str, record: R, etag: str | None = None) -> Self:
        """Raises `TooLarge` for a record that Cosmos DB would not take."""
        check_record(tenant_id, record)
        document = {
            **msgspec.to_builtins(record),
            "sortKey": sort_key(record),
            "writeId": uuid4().hex,
        }
        if record.useful_for:
            document["ttl"] = int(record.useful_for.total_seconds())  # from this write on
        body = msgspec.json.encode(document)
        check_size(body)
        return cls(record, document, len(body), etag)

    @property
    def missing(self) -> type[Exception]:
        """What it means that there is nothing: no such container, or no such record."""
        return Unavailable if self.etag is None else NotFound

    async def request(self, container: ContainerProxy) -> Document:
        if self.etag is None:
            return await container.create_item(self.document)
        return await container.replace_item(
            self.record.id,
            self.document,
            etag=self.etag,
            match_condition=MatchConditions.IfNotModified,
        )

    @property
    def operation(self) -> tuple[Any, ...]:
        """The same in a transactional batch."""
        if self.etag is None:
            return "create", (self.document,)
        return "replace", (self.record.id, self.document), {"if_match_etag": self.etag}


def _batches(writes: Sequence[_Write[R]]) -> Iterator[list[_Write[R]]]:
    """In this order, as many at once as Cosmos DB takes.
    https://learn.microsoft.com/azure/cosmos-db/transactional-batch#limitations
    """
    batch: list[_Write[R]] = []
    size = 0
    for write in writes:
        if batch and (len(batch) == BATCH_MAX or size + write.size > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(write)
        size += write.size
    if batch:
        yield batch


def _stored(kind: type[R], document: Document) -> Stored[R]:
    record = record_of(kind, document, document["tenantId"], document["id"])
    return Stored(record, document["_etag"])


def _select(tenant_id: str, query: Query[Record]) -> tuple[str, list[Any]]:
    """A query, and the values of its parameters @p0, @p1, …"""
    clauses, values = _clauses(tenant_id, query.kind, query.where)
    if after := key_before(tenant_id, query):
        clauses.append(f"c.sortKey {'<' if query.newest_first else '>'} @p{len(values)}")
        values.append(after)
    order = "DESC" if query.newest_first else "ASC"
    return f"SELECT * FROM c WHERE {' AND '.join(clauses)} ORDER BY c.sortKey {order}", values


def _clauses(tenant_id: str, kind: type[Record], where: Where) -> tuple[list[str], list[Any]]:
    clauses, values = ["c.tenantId = @p0", "c.kind = @p1"], [tenant_id, tag(kind)]
    for key, wanted in conditions(kind, where).items():
        clauses.append(_clause(f'c["{key}"]', wanted, values))
    for comparison, bound in ages(where):
        clauses.append(f"c.sortKey {comparison} @p{len(values)}")
        values.append(bound)
    return clauses, values


def _clauses_of_older(tenant_id: str) -> tuple[list[str], list[Any]]:
    return ["c.tenantId = @p0", "NOT IS_DEFINED(c.kind)"], [tenant_id]


def _parameters(values: list[Any]) -> list[dict[str, Any]]:
    return [{"name": f"@p{number}", "value": value} for number, value in enumerate(values)]


def _names(more: Sequence[Any], values: list[Any]) -> list[str]:
    """Parameters for these, which are appended to `values`."""
    values += more
    return [f"@p{number}" for number in range(len(values) - len(more), len(values))]


def _clause(field: str, wanted: Wanted, values: list[Any]) -> str:
    """The condition in SQL; the values it compares with are appended to `values`."""
    if isinstance(wanted, NotAbove):
        values.append(wanted.value)
        return f"({field} <= @p{len(values) - 1} OR NOT IS_DEFINED({field}) OR IS_NULL({field}))"
    if isinstance(wanted, Contains):
        contains = (f"ARRAY_CONTAINS({field}, {one})" for one in _names(wanted.any_of, values))
        return f"({' OR '.join(contains) or 'false'})"
    names = ", ".join(_names([one for one in wanted if one is not None], values))
    any_of = [f"{field} IN ({names})"] if names else []
    missing = [f"NOT IS_DEFINED({field})", f"IS_NULL({field})"] if None in wanted else []
    return f"({' OR '.join(any_of + missing) or 'false'})"
