"""`/dead-letters`: what was refused, why, and what is done about it."""

from typing import Annotated, Any, Literal, get_args

import msgspec
from litestar import Request, Response, get, post
from litestar.params import PathParameter, QueryParameter
from litestar.response import Redirect

from api.access.actor import Caller
from api.access.identity import Actor
from api.access.tenancy import TenantId
from api.dead_letters.acts import (
    discard_letter,
    edit_letter,
    found_letter,
    replay_letter,
    replay_letters,
)
from api.dead_letters.documents import DeadLetterDiscard, DeadLetterEdit, DeadLetterReplay
from api.http.errors import InvalidRequest, Problem
from api.http.etags import etag_of
from api.http.lists import Continuation, page_of
from api.http.parameters import one_of
from api.http.records import Bus, Store
from api.pages.forms import Form, form_in
from api.pages.messages import flash
from api.pages.rendering import is_part, page
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.dead_letters import DeadLetterBody, DeadLetterRecord, Who
from blocks.contracts.roles import allows
from blocks.dead_letters import letters
from blocks.dead_letters.letters import Letter
from blocks.json_text import read_json
from blocks.ports import RecordStore

PAGE_SIZE = 25

SHOWN_MAX = 40_000
"""Characters of a body on its page; the API has the whole."""

Status = Literal["waiting", "replaying", "replayed", "discarded", "all"]
LetterPath = Annotated[str, PathParameter(name="letterId")]
Wanted = Annotated[str, QueryParameter(max_length=200)]


class ManyForm(Form, frozen=True, kw_only=True):
    """Those of the list that is shown."""

    code: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    type: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class EditForm(Form, frozen=True, kw_only=True):
    """The event as it should have been, and whether it is replayed at once."""

    version: Annotated[int, msgspec.Meta(ge=1)]
    event: str = ""
    then: Literal["keep", "replay"] = "keep"


class ActForm(Form, frozen=True, kw_only=True):
    """What is done to the version that was shown."""

    version: Annotated[int, msgspec.Meta(ge=1)]
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


@get("/dead-letters")
async def show_dead_letters(
    request: Request[Any, Any, Any],
    store: Store,
    tenant_id: TenantId,
    status: Annotated[Status, one_of(get_args(Status), "In which status")] = "waiting",
    code: Wanted = "",
    event_type: Annotated[str, QueryParameter(name="type", max_length=200)] = "",
    continuation: Continuation = None,
) -> Response[Any]:
    """The tenant's dead letters, newest first."""
    where = {
        "status": None if status == "all" else status,
        "code": code.strip() or None,
        "event_type": event_type.strip() or None,
    }
    found = await page_of(
        store,
        tenant_id,
        DeadLetterRecord,
        where,
        limit=PAGE_SIZE,
        continuation=continuation or None,
    )
    return page(
        "dead_letters/list.html" if is_part(request) else "dead_letters/letters.html",
        items=[stored.record for stored in found.items],
        following=found.continuation,
        continuation=continuation,
        wanted=status,
        code=code.strip(),
        type=event_type.strip(),
        waiting=await store.count(tenant_id, DeadLetterRecord, {"status": "waiting"}),
        may_mend=allows(request.user.roles, "admin"),
        is_platform=tenant_id == SYSTEM_TENANT,
    )


@get("/dead-letters/{letterId:str}")
async def show_dead_letter(
    store: Store, tenant_id: TenantId, letter_id: LetterPath
) -> Response[Any]:
    """The letter, its body, and what is done about it."""
    return await _shown(store, await found_letter(store, tenant_id, letter_id))


@post("/dead-letters/{letterId:str}/edit")
async def edit_dead_letter_on_page(
    request: Request[Any, Any, Any],
    store: Store,
    bus: Bus,
    tenant_id: TenantId,
    actor: Caller,
    letter_id: LetterPath,
) -> Response[Any]:
    """The letter has the event that was filled in, and is replayed if that was asked for. An event
    that would be refused again is shown with what is wrong.
    """
    form = await form_in(request, EditForm)
    letter = await found_letter(store, tenant_id, letter_id, etag_of(form.version))
    try:
        letter = await edit_letter(store, letter, _event_in(form.event), _who(actor))
    except InvalidRequest as refused:
        problem = refused.problems[0].message
        return await _shown(store, letter, text=form.event, problem=problem, code=400)
    if form.then == "replay":
        await replay_letter(store, bus, letter, _who(actor))
        flash(request, "Saved, and back in its queue.", "done")
    else:
        flash(request, "Saved. Replay it when you are ready.", "done")
    return _back(letter)


@post("/dead-letters/{letterId:str}/replay")
async def replay_dead_letter_on_page(
    request: Request[Any, Any, Any],
    store: Store,
    bus: Bus,
    tenant_id: TenantId,
    actor: Caller,
    letter_id: LetterPath,
) -> Response[Any]:
    """The message is in its queue again."""
    form = await form_in(request, ActForm)
    letter = await found_letter(store, tenant_id, letter_id, etag_of(form.version))
    await replay_letter(store, bus, letter, _who(actor))
    flash(request, "Back in its queue. If it is refused again, it waits here again.", "done")
    return _back(letter)


@post("/dead-letters/{letterId:str}/discard")
async def discard_dead_letter_on_page(
    request: Request[Any, Any, Any],
    store: Store,
    tenant_id: TenantId,
    actor: Caller,
    letter_id: LetterPath,
) -> Response[Any]:
    """Nothing more is done about it; the reason is kept."""
    form = await form_in(request, ActForm)
    if not form.reason:
        raise InvalidRequest(Problem(field="reason", message="must be given", source="body"))
    letter = await found_letter(store, tenant_id, letter_id, etag_of(form.version))
    await discard_letter(store, letter, DeadLetterDiscard(reason=form.reason), _who(actor))
    flash(request, "Discarded. It can still be replayed for a while.", "done")
    return _back(letter)


@post("/dead-letters/replay")
async def replay_dead_letters_on_page(
    request: Request[Any, Any, Any], store: Store, bus: Bus, tenant_id: TenantId, actor: Caller
) -> Response[Any]:
    """Those that wait and match are replayed one after the other."""
    form = await form_in(request, ManyForm)
    wanted = DeadLetterReplay(code=form.code, type=form.type)
    scheduled = await replay_letters(store, bus, tenant_id, wanted, _who(actor))
    message = f"{scheduled.scheduled} are being replayed, ten a second"
    message += f"; {scheduled.skipped} must be edited first" if scheduled.skipped else ""
    message += "; there are more: repeat it when these are done" if scheduled.more else ""
    flash(request, f"{message}.", "done")
    return Redirect("/dead-letters?status=replaying", status_code=303)


async def _shown(
    store: RecordStore, stored: Letter, text: str | None = None, problem: str = "", code: int = 200
) -> Response[Any]:
    letter = stored.record
    body = await letters.read_body(store, letter)
    readable = _readable(body)
    return page(
        "dead_letters/letter.html",
        code,
        letter=letter,
        body=readable[:SHOWN_MAX],
        is_cut=len(readable) > SHOWN_MAX,
        is_binary=body.encoding != "utf-8",
        can_be_edited=letter.status == "waiting",
        can_be_replayed=letter.status in ("waiting", "discarded") and letter.is_whole,
        text=text if text is not None else readable if body.encoding == "utf-8" else "",
        problem=problem,
    )


def _readable(body: DeadLetterBody) -> str:
    """Indented, if it is JSON."""
    try:
        return msgspec.json.format(body.content, indent=2)
    except (msgspec.DecodeError, ValueError):
        return body.content


def _event_in(text: str) -> DeadLetterEdit:
    try:
        event = read_json(text)
    except ValueError as error:
        message = f"is not JSON: {error}"
        raise InvalidRequest(Problem(field="event", message=message, source="body")) from None
    if not isinstance(event, dict) or not event:
        raise InvalidRequest(
            Problem(field="event", message="must be an object with the envelope", source="body")
        )
    return DeadLetterEdit(event=event)


def _who(actor: Actor) -> Who:
    return Who(actor.on_record, "page")


def _back(letter: Letter) -> Redirect:
    return Redirect(f"/dead-letters/{letter.record.id}", status_code=303)
