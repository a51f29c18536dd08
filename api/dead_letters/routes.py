"""`/api/v1/dead-letters`: list, read, edit, replay and discard the tenant's refused messages.

Those that name no tenant belong to the platform: they are under the system tenant.
"""

from typing import Annotated, get_args

from litestar import Response, Router, get, patch, post
from litestar.di import Provide
from litestar.params import JSONBody, PathParameter

from api.access.actor import Caller, provide_actor
from api.access.identity import Actor
from api.access.tenancy import TenantId, provide_tenant_id
from api.dead_letters import examples
from api.dead_letters.acts import (
    discard_letter,
    edit_letter,
    found_letter,
    replay_letter,
    replay_letters,
)
from api.dead_letters.documents import (
    DeadLetter,
    DeadLetterDiscard,
    DeadLetterEdit,
    DeadLetterPage,
    DeadLetterReplay,
    ReplayScheduled,
    document_of,
    scheduled_of,
    summary_of,
)
from api.dead_letters.errors import DeadLetterChanged, DeadLetterNotFound, DeadLetterStranded
from api.documentation.openapi import documented
from api.http.errors import BODY_ERRORS, VersionMissing
from api.http.etags import IfMatch, etag_of
from api.http.lists import LIMIT, Continuation, Limit, Order, any_of, page_of
from api.http.parameters import Bound, Texts, between, moment, texts, words
from api.http.records import Bus, Store
from api.idempotency import KEY_ERRORS, idempotent
from blocks.contracts.records.dead_letters import DeadLetterRecord, LetterStatus, Who
from blocks.dead_letters import letters
from blocks.dead_letters.letters import Letter, LetterCut, LetterSettled
from blocks.ports import RecordStore

LetterPath = Annotated[str, PathParameter(name="letterId")]


def dead_letter_routes(store: RecordStore) -> Router:
    return Router(
        "/api/v1",
        route_handlers=[
            list_dead_letters,
            read_dead_letter,
            edit_dead_letter,
            idempotent(store, replay_dead_letters, replay_dead_letter, discard_dead_letter),
        ],
        dependencies={"tenant_id": Provide(provide_tenant_id), "actor": Provide(provide_actor)},
    )


@get(
    "/dead-letters",
    summary="List dead letters",
    tags=["Dead letters"],
    responses=documented(examples.DEAD_LETTER_PAGE),
)
async def list_dead_letters(
    store: Store,
    tenant_id: TenantId,
    code: Annotated[Texts, texts("Only refused for this reason, e.g. `schema-invalid`")] = None,
    event_type: Annotated[Texts, texts("Only events of this type", name="type")] = None,
    queue: Annotated[Texts, texts("Only refused by the consumer of this queue")] = None,
    status: Annotated[
        list[LetterStatus] | None, words(get_args(LetterStatus), "Only in this status")
    ] = None,
    created_after: Annotated[
        Bound | None, moment("createdAfter", "Only those refused first then or later")
    ] = None,
    created_before: Annotated[
        Bound | None, moment("createdBefore", "Only those refused first before then")
    ] = None,
    order: Order = "newest",
    limit: Limit = LIMIT,
    continuation: Continuation = None,
) -> DeadLetterPage:
    """The tenant's dead letters, without their bodies. No `continuation` in the answer: the last
    page.
    """
    where = {
        "code": any_of(code),
        "event_type": any_of(event_type),
        "queue": any_of(queue),
        "status": any_of(status),
        "created_at": between(created_after, created_before),
    }
    page = await page_of(
        store,
        tenant_id,
        DeadLetterRecord,
        where,
        limit=limit,
        continuation=continuation,
        order=order,
    )
    return DeadLetterPage(
        items=[summary_of(stored.record) for stored in page.items],
        continuation=page.continuation,
    )


@get(
    "/dead-letters/{letterId:str}",
    summary="Read one dead letter",
    tags=["Dead letters"],
    responses=documented(examples.DEAD_LETTER, DeadLetterNotFound),
)
async def read_dead_letter(
    store: Store, tenant_id: TenantId, letter_id: LetterPath
) -> Response[DeadLetter]:
    """The letter with its body, why it was refused, and its history. Its ETag changes with whatever
    happens to it.
    """
    return await _shown(store, await found_letter(store, tenant_id, letter_id))


@patch(
    "/dead-letters/{letterId:str}",
    summary="Edit a dead letter",
    tags=["Dead letters"],
    responses=documented(
        examples.DEAD_LETTER,
        DeadLetterNotFound,
        LetterSettled,
        DeadLetterChanged,
        VersionMissing,
        *BODY_ERRORS,
    ),
)
async def edit_dead_letter(
    store: Store,
    tenant_id: TenantId,
    actor: Caller,
    letter_id: LetterPath,
    data: JSONBody[DeadLetterEdit],
    if_match: IfMatch = None,
) -> Response[DeadLetter]:
    """The letter has this event as its body and still waits: replay it next. `If-Match` is
    required.

    An event that would be refused at once again is answered with 400 and what is wrong, and so is
    another tenant's.
    """
    if if_match is None:
        raise VersionMissing
    letter = await found_letter(store, tenant_id, letter_id, if_match)
    return await _shown(store, await edit_letter(store, letter, data, _who(actor)))


@post(
    "/dead-letters/{letterId:str}/replay",
    status_code=200,
    summary="Replay a dead letter",
    tags=["Dead letters"],
    responses=documented(
        examples.DEAD_LETTER,
        DeadLetterNotFound,
        LetterSettled,
        LetterCut,
        DeadLetterStranded,
        DeadLetterChanged,
        *KEY_ERRORS,
    ),
)
async def replay_dead_letter(
    store: Store,
    bus: Bus,
    tenant_id: TenantId,
    actor: Caller,
    letter_id: LetterPath,
    if_match: IfMatch = None,
) -> Response[DeadLetter]:
    """The message is in its queue again under the same id; if refused again, the letter waits.

    A discarded letter can be replayed, too. One that was too large must be edited first.
    """
    letter = await found_letter(store, tenant_id, letter_id, if_match)
    return await _shown(store, await replay_letter(store, bus, letter, _who(actor)))


@post(
    "/dead-letters/{letterId:str}/discard",
    status_code=200,
    summary="Discard a dead letter",
    tags=["Dead letters"],
    responses=documented(
        examples.DEAD_LETTER, DeadLetterNotFound, LetterSettled, DeadLetterChanged, *KEY_ERRORS
    ),
)
async def discard_dead_letter(
    store: Store,
    tenant_id: TenantId,
    actor: Caller,
    letter_id: LetterPath,
    data: JSONBody[DeadLetterDiscard],
    if_match: IfMatch = None,
) -> Response[DeadLetter]:
    """The letter is discarded; it is kept with the reason for a while, then deleted."""
    letter = await found_letter(store, tenant_id, letter_id, if_match)
    return await _shown(store, await discard_letter(store, letter, data, _who(actor)))


@post(
    "/dead-letters/replay",
    status_code=202,
    summary="Replay many dead letters",
    tags=["Dead letters"],
    responses=documented(examples.REPLAY_SCHEDULED, *KEY_ERRORS, status=202),
)
async def replay_dead_letters(
    store: Store, bus: Bus, tenant_id: TenantId, actor: Caller, data: JSONBody[DeadLetterReplay]
) -> ReplayScheduled:
    """The waiting letters that match are replayed one after the other at the rate, the oldest
    first.

    Each becomes `replaying` now and `replayed` at its time: list them by status to see how far it
    is.
    """
    return scheduled_of(await replay_letters(store, bus, tenant_id, data, _who(actor)))


async def _shown(store: RecordStore, letter: Letter) -> Response[DeadLetter]:
    body = await letters.read_body(store, letter.record)
    return Response(
        document_of(letter.record, body), headers={"ETag": etag_of(letter.record.version)}
    )


def _who(actor: Actor) -> Who:
    return Who(actor.on_record, "api")
