"""Who decides in the place of a person who is absent.

A person names one stand-in at a time, for themselves alone and for a limited span. During it, the
stand-in may decide where the person may, as the person's vote. It is the person's own right that
counts, by name and by the roles that their credential proved: so a stand-in's stand-in decides
nothing for them.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec.structs import replace

from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.identities import NoIdentity, spelled, user_id
from blocks.contracts.records import StandInRecord
from blocks.ports import AlreadyExists, NotFound, RecordStore, Stale
from blocks.queries import every
from blocks.updates import update

SPAN_MAX = timedelta(days=90)
AHEAD_MAX = timedelta(days=366)
"""How far ahead an absence may begin."""


class InvalidStandIn(Exception):
    """This cannot be a stand-in; `field` names the part at fault."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


class HasStandIn(Exception):
    """The person has named one whose time is not over."""


async def name_stand_in(
    store: RecordStore,
    tenant_id: str,
    person: str,
    stand_in: str,
    starts_at: datetime,
    ends_at: datetime,
    *,
    roles: Iterable[str] = (),
    other_names: Iterable[str] = (),
) -> StandInRecord:
    """From `starts_at` until `ends_at`, the stand-in may decide where this person may. The caller
    has authenticated the person, with these roles and other names.

    Raises `InvalidStandIn`, `HasStandIn`.
    """
    now = utc_now()
    wanted = StandInRecord(
        id=ids.stand_in_id(tenant_id, spelled(person)),
        tenant_id=tenant_id,
        created_at=now,
        person=_user("person", person),
        other_names=sorted(spelled(name) for name in other_names),
        roles=sorted(roles),
        stand_in=_user("standIn", stand_in),
        starts_at=starts_at,
        ends_at=ends_at,
    )
    _check(wanted, now)

    async def named() -> StandInRecord:
        try:
            return (await store.create(tenant_id, wanted)).record
        except AlreadyExists:
            return await _follow(store, wanted, now)

    return await update(named, f"the stand-in of {wanted.person}")


async def end_stand_in(store: RecordStore, tenant_id: str, id: str) -> None:
    """No one stands in for this person any more. Who has decided so far has decided."""
    await store.delete(tenant_id, StandInRecord, id)


async def absences(
    store: RecordStore, tenant_id: str, names: Iterable[str], now: datetime
) -> tuple[StandInRecord, ...]:
    """Those who have named a person of these names for this moment."""
    by_name = {"stand_in": tuple(dict.fromkeys(spelled(name) for name in names if name))}
    return tuple(
        [
            stored.record
            async for stored in every(store, tenant_id, StandInRecord, by_name)
            if stored.record.covers(now)
        ]
    )


async def _follow(store: RecordStore, wanted: StandInRecord, now: datetime) -> StandInRecord:
    """Takes the place of one whose time is over."""
    try:
        before = await store.read(wanted.tenant_id, StandInRecord, wanted.id)
        if before.record.ends_at > now:
            raise HasStandIn(f"{wanted.person} has named {before.record.stand_in}")
        following = replace(wanted, version=before.record.version + 1)
        return (await store.replace(wanted.tenant_id, before.etag, following)).record
    except NotFound:
        raise Stale from None


def _user(field: str, stated: str) -> str:
    try:
        return user_id(stated)
    except NoIdentity as error:
        raise InvalidStandIn(field, str(error)) from None


def _check(wanted: StandInRecord, now: datetime) -> None:
    if wanted.stand_in in (wanted.person, *wanted.other_names):
        raise InvalidStandIn("standIn", "must be another person")
    if wanted.starts_at > now + AHEAD_MAX:
        raise InvalidStandIn("startsAt", f"must be within {AHEAD_MAX.days} days")
    if wanted.ends_at <= max(now, wanted.starts_at):
        raise InvalidStandIn("endsAt", "must be in the future, and later than startsAt")
    if wanted.ends_at - wanted.starts_at > SPAN_MAX:
        raise InvalidStandIn("endsAt", f"must be at most {SPAN_MAX.days} days after startsAt")
