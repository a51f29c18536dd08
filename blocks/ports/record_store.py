"""The record store: documents by tenant."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from blocks.contracts.records import Record

R = TypeVar("R", bound=Record)
R_co = TypeVar("R_co", bound=Record, covariant=True)


RECORD_BYTES_MAX = 2_000_000
"""Of one record: what Cosmos DB takes."""


class Stored(msgspec.Struct, Generic[R_co], frozen=True):
    """A record as it was read, with the ETag that a replace must show."""

    record: R_co
    etag: str


class Contains(msgspec.Struct, frozen=True):
    """In a query: the field is a list that contains this value, or any of these."""

    value: str | tuple[str, ...]

    @property
    def any_of(self) -> tuple[str, ...]:
        return (self.value,) if isinstance(self.value, str) else self.value


class NotAbove(msgspec.Struct, frozen=True):
    """In a query: the field is a number of at most this value, or it has no value."""

    value: float


class Between(msgspec.Struct, frozen=True, kw_only=True):
    """In a query, for `created_at` alone: not before `since`, and before `until`."""

    since: datetime | None = None
    until: datetime | None = None


Where = Mapping[str, Any]
"""Field name (snake_case) to wanted value: a scalar or None is equality, a tuple any of, `Contains`
looks in a list, `Between` limits the age, `NotAbove` a number.
"""

NO_CONDITION: Where = MappingProxyType({})


class Query(msgspec.Struct, Generic[R_co], frozen=True):
    """One tenant's records of one kind that match, ordered by (`created_at`, `id`), a page at a
    time.
    """

    kind: type[R_co]
    where: Where = NO_CONDITION
    newest_first: bool = True
    limit: int = 100
    """1 to 1,000 records a page."""
    continuation: str | None = None
    """Of the page before, from the same tenant, kind and order."""
    skips_unreadable: bool = False
    """Records that cannot be read are left out, counted and logged: for who goes through the
    records of many, and may not be stopped by one. Otherwise the query raises `UnreadableRecord`.
    """


class Page(msgspec.Struct, Generic[R_co], frozen=True):
    """A slice of an answer, and the opaque `continuation` that asks for the next one (None: this
    was the last).
    """

    items: list[Stored[R_co]]
    continuation: str | None = None


class RecordStore(Protocol):
    """Documents by tenant. Every method takes the tenant first, and no method can see past it."""

    async def provision(self) -> None:
        """The database and its containers exist. Idempotent."""
        ...

    async def create(self, tenant_id: str, record: R) -> Stored[R]:
        """The record is durable. Raises `AlreadyExists` if the id is taken; nothing is
        overwritten. Raises `TooLarge`, as `replace` does, for more than `RECORD_BYTES_MAX`.
        """
        ...

    async def create_all(self, tenant_id: str, records: Sequence[R]) -> list[Stored[R] | None]:
        """Each of these records of one kind is durable, in as few requests as the store allows;
        None in the place of one whose id is taken: nothing is overwritten.

        Raises `TooLarge` before anything is written. After `Unavailable` some may be durable.
        """
        ...

    async def read(self, tenant_id: str, kind: type[R], id: str) -> Stored[R]:
        """Raises `NotFound` for an unknown id, another tenant's id, or a record of another kind."""
        ...

    async def replace(self, tenant_id: str, etag: str, record: R) -> Stored[R]:
        """The record is durable in its new form. Raises `Stale` if it changed since, `NotFound` if
        it is gone.

        Raises `ValueError` for a kind that is `append_only`, and so does `delete` unless it
        `expires`.
        """
        ...

    async def replace_all(
        self, tenant_id: str, changed: Sequence[Stored[R]]
    ) -> list[Stored[R] | None]:
        """Each of these records of one kind is durable in its new form, in as few requests as the
        store allows; None in the place of one that is gone, or has changed since it had this ETag.

        Raises what `replace` raises before anything is written. After `Unavailable` some may be
        durable.
        """
        ...

    async def delete(
        self, tenant_id: str, kind: type[R], id: str, *, etag: str | None = None
    ) -> None:
        """The record is gone. Deleting what is not there is no error.

        With an `etag`, only as it was read: raises `Stale` if it changed since.
        """
        ...

    async def query(self, tenant_id: str, query: Query[R]) -> Page[R]:
        """A page of the records that match. Raises `ValueError` for a limit or a continuation that
        is not valid.
        """
        ...

    async def count(self, tenant_id: str, kind: type[R], where: Where = NO_CONDITION) -> int:
        """How many records of this kind match."""
        ...

    async def older_tenants(self, container: str) -> list[str]:
        """Whose documents of the older service this container holds, in order; for the migration,
        which is the platform's own: no tenant's request may come here.
        """
        ...

    async def older_documents(
        self, tenant_id: str, container: str, after: str = "", limit: int = 100
    ) -> list[dict[str, Any]]:
        """The tenant's documents of the older service as they are stored, readable or not: those
        without `kind`, by id, from the one that follows `after`.
        """
        ...

    async def ping(self) -> None:
        """Raises `Unavailable` unless the store answers now."""
        ...
