"""`/api/v1/hitl/stand-ins`: who decides in the place of a person who is absent."""

from typing import Annotated

from litestar import Response, delete, get, post
from litestar.params import JSONBody, PathParameter

from api.access.actor import Caller
from api.access.errors import ActorMissing, NotThisUser
from api.access.identity import Actor
from api.access.tenancy import TenantId
from api.documentation.openapi import documented, documented_without_body
from api.http.etags import IfMatch, etag_of, wanted_version
from api.http.lists import LIMIT, Continuation, Limit, Order, page_of
from api.http.parameters import text
from api.http.records import Store, find
from api.idempotency import KEY_ERRORS
from api.stand_ins import examples
from api.stand_ins.documents import NewStandIn, StandIn, StandInList, stand_in_of
from api.stand_ins.errors import StandInChanged, StandInNotFound
from blocks.approvals import stand_ins
from blocks.approvals.stand_ins import HasStandIn
from blocks.clock import utc_now
from blocks.contracts.identities import spelled
from blocks.contracts.records import StandInRecord
from blocks.contracts.roles import allows
from blocks.ports import RecordStore

StandInPath = Annotated[str, PathParameter(name="standInId")]

_TAGS = ["Stand-ins"]


@get(
    "/hitl/stand-ins",
    summary="List stand-ins",
    tags=_TAGS,
    responses=documented(examples.STAND_IN_LIST),
)
async def list_stand_ins(
    store: Store,
    tenant_id: TenantId,
    person: Annotated[str | None, text("Only of this person")] = None,
    order: Order = "newest",
    limit: Limit = LIMIT,
    continuation: Continuation = None,
) -> StandInList:
    """Who stands in for whom: one for each person who has named one."""
    where = {"person": spelled(person) if person else None}
    page = await page_of(
        store,
        tenant_id,
        StandInRecord,
        where,
        limit=limit,
        continuation=continuation,
        order=order,
    )
    return StandInList(
        items=[stand_in_of(stored.record) for stored in page.items],
        continuation=page.continuation,
    )


@get(
    "/hitl/stand-ins/{standInId:str}",
    summary="Read one stand-in",
    tags=_TAGS,
    responses=documented(examples.STAND_IN, StandInNotFound),
)
async def read_stand_in(
    store: Store, tenant_id: TenantId, stand_in_id: StandInPath
) -> Response[StandIn]:
    """Who stands in for whom, and until when."""
    found = await find(store, tenant_id, StandInRecord, stand_in_id, StandInNotFound)
    return Response(stand_in_of(found), headers={"ETag": etag_of(found.version)})


@post(
    "/hitl/stand-ins",
    status_code=201,
    summary="Name a stand-in",
    tags=_TAGS,
    responses=documented(examples.STAND_IN, HasStandIn, *KEY_ERRORS, status=201),
)
async def create_stand_in(
    store: Store, tenant_id: TenantId, actor: Caller, data: JSONBody[NewStandIn]
) -> Response[StandIn]:
    """For the given time, `standIn` may decide where the user of the request may, as that user's
    vote. A stand-in's own stand-in may not.

    A user names one at a time. The user's roles of this request count until the end: who loses one
    has to end it, or an admin does.
    """
    named = await stand_ins.name_stand_in(
        store,
        tenant_id,
        actor.named,
        data.stand_in,
        data.starts_at or utc_now(),
        data.ends_at,
        roles=actor.roles,
        other_names=actor.other_names,
    )
    return Response(
        stand_in_of(named),
        status_code=201,
        headers={
            "ETag": etag_of(named.version),
            "Location": f"/api/v1/hitl/stand-ins/{named.id}",
        },
    )


@delete(
    "/hitl/stand-ins/{standInId:str}",
    summary="End a stand-in",
    tags=_TAGS,
    responses=documented_without_body(StandInNotFound, NotThisUser, StandInChanged),
)
async def remove_stand_in(
    store: Store,
    tenant_id: TenantId,
    actor: Caller,
    stand_in_id: StandInPath,
    if_match: IfMatch = None,
) -> None:
    """No one decides for this person any more. Only the person ends it, or an admin."""
    await end_by(store, tenant_id, actor, stand_in_id, wanted_version(if_match))


async def end_by(
    store: RecordStore, tenant_id: str, actor: Actor, stand_in_id: str, version: int | None
) -> None:
    """The actor, or an admin, has ended it. Raises `StandInNotFound`, `NotThisUser`,
    `ActorMissing`, `StandInChanged`.
    """
    found = await find(store, tenant_id, StandInRecord, stand_in_id, StandInNotFound)
    if not may_end(actor, found):
        raise NotThisUser if actor.id else ActorMissing
    if version not in (None, found.version):
        raise StandInChanged
    await stand_ins.end_stand_in(store, tenant_id, found.id)


def may_end(actor: Actor, stand_in: StandInRecord) -> bool:
    """Whether it is the actor's own, or the actor an admin."""
    names = {actor.id, *actor.other_names} - {""}
    return allows(actor.roles, "admin") or not names.isdisjoint(
        {stand_in.person, *stand_in.other_names}
    )
