"""`Idempotency-Key`: a request repeated under its key is carried out once and answered the same.

A route takes part by being wrapped in `idempotent` where the application lists it, and documents
`KEY_ERRORS`. The key is claimed by creating a record before the route runs, so that of concurrent
duplicates only one runs; the others are answered 409 with `Retry-After`.
"""

import logging
import re
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from typing import Any, Self

from litestar import Request, Router
from litestar.enums import HttpMethod, ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.params import HeaderParameter
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from msgspec.structs import replace

from api.access.identity import USER_HEADER, Identity
from api.http.bodies import CheckedRequest
from api.http.errors import BODY_ERRORS, IdempotencyMismatch, InvalidRequest, KeyInUse, Problem
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.reading.uuids import in_lower_case
from blocks.contracts.records import IdempotencyRecord, KeptAnswer
from blocks.ports import AlreadyExists, NotFound, RecordStore, Stale, Stored, TooLarge, Unavailable
from blocks.queries import all_tenants, every

logger = logging.getLogger(__name__)

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
KEY_ERRORS = (KeyInUse, IdempotencyMismatch, *BODY_ERRORS)

HOLD = timedelta(seconds=60)
"""After this, an unanswered request counts as lost: the next one of its key runs."""

KEPT_FOR = IdempotencyRecord.useful_for

FREE_KEPT_FOR = timedelta(minutes=10)
"""A key without an answer (refused, or its process died) has no use after that."""

_KEY = re.compile(r"[ -~]{1,200}")
_KEPT_HEADERS = ("content-type", "etag", "location")

_PARAMETER = HeaderParameter(
    annotation=str | None,
    name=HEADER,
    required=False,
    description="Chosen by the caller for one request. Repeated with the same key, path and body "
    f"within {KEPT_FOR.total_seconds() / 3600:g} hours, the request is not carried out again: its "
    "first answer comes again, "
    f"with the header {REPLAYED_HEADER}: true.",
    schema_extra={
        "one_of": None,
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "pattern": "^[ -~]+$",
    },
)


def idempotent(store: RecordStore, *route_handlers: HTTPRouteHandler) -> Router:
    """These routes, each of which now takes the header."""
    return Router(
        "/",
        route_handlers=route_handlers,
        middleware=[Idempotency(store)],
        parameters={"idempotency_key": _PARAMETER},
    )


class Idempotency(ASGIMiddleware):
    """Answers a repeated request in place of its route. Only success, 409, 410 and 422 are kept;
    any other answer frees the key.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, store: RecordStore) -> None:
        self._store = store

    def __deepcopy__(self, _: object) -> Self:
        return self  # Litestar copies the routers that it nests; there is one store

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        request = CheckedRequest(scope, receive)
        if HEADER in request.headers and request.method == HttpMethod.POST:
            # Guards come after middleware; who may not make a request may not have its answer
            # either.
            await scope["route_handler"].authorize_connection(request)
            await self._answer_once(await _wanted(request), scope, receive, send, next_app)
        else:
            await next_app(scope, receive, send)

    async def _answer_once(
        self,
        wanted: IdempotencyRecord,
        scope: Scope,
        receive: Receive,
        send: Send,
        next_app: ASGIApp,
    ) -> None:
        claim = await self._claim(wanted)
        if claim.record.answer:
            await _send_again(claim.record.answer, send)
            return
        answer = _Answer()
        try:
            await next_app(scope, receive, answer.take)
        except Exception:
            await self._settle(claim, None)
            raise
        await self._settle(claim, answer.kept() if _is_decided(answer.status) else None)
        for message in answer.messages:
            await send(message)

    async def _claim(self, wanted: IdempotencyRecord) -> Stored[IdempotencyRecord]:
        """The key, held by this request alone, or with its answer. Raises `KeyInUse`,
        `IdempotencyMismatch`.
        """
        try:
            return await self._store.create(wanted.tenant_id, wanted)
        except AlreadyExists:
            pass
        try:
            known = await self._store.read(wanted.tenant_id, IdempotencyRecord, wanted.id)
            _check(known.record, wanted)
            return (
                known
                if known.record.answer
                else await self._store.replace(wanted.tenant_id, known.etag, wanted)
            )
        except (Stale, NotFound):
            raise KeyInUse from None

    async def _settle(self, claim: Stored[IdempotencyRecord], answer: KeptAnswer | None) -> None:
        """The answer is kept under the key, or the key is free again; if neither can be written,
        `HOLD` frees it.
        """
        settled = replace(claim.record, held_until=None, answer=answer)
        try:
            await self._store.replace(settled.tenant_id, claim.etag, settled)
        except (Stale, NotFound, Unavailable, TooLarge) as error:
            logger.warning("an answer could not be kept for its repetition: %s", error)


async def forget_old_answers(store: RecordStore) -> int:
    """Keys older than `KEPT_FOR` are free again, and nothing is kept of free ones; returns how many
    there were.
    """
    forgotten, now = 0, utc_now()
    for tenant_id in await all_tenants(store):
        async for stored in every(store, tenant_id, IdempotencyRecord, skips_unreadable=True):
            if stored.record.created_at > now - FREE_KEPT_FOR:
                break
            if stored.record.created_at > now - KEPT_FOR and stored.record.answer:
                continue
            with suppress(Stale):  # it has just been claimed
                await store.delete(tenant_id, IdempotencyRecord, stored.record.id, etag=stored.etag)
                forgotten += 1
    return forgotten


async def _wanted(request: Request[Identity, Any, Any]) -> IdempotencyRecord:
    tenant_id = request.user.tenant_id
    now, key, route = utc_now(), _key(request), f"{request.method} {request.scope['path_template']}"
    # No user gets the answer to another user's decision.
    who = (request.user.id.encode(), request.headers.get(USER_HEADER, "").encode())
    compared = (
        *who,
        in_lower_case(request.scope["raw_path"]),
        request.scope["query_string"],
        await request.body(),
    )
    return IdempotencyRecord(
        id=ids.idempotency_id(tenant_id, route, key),
        tenant_id=tenant_id,
        created_at=now,
        digest=sha256(b"\n".join(compared)).hexdigest(),
        held_until=now + HOLD,
    )


def _key(request: Request[Any, Any, Any]) -> str:
    keys = request.headers.getall(HEADER)
    if len(keys) > 1:
        raise InvalidRequest(Problem(field=HEADER, message="must be given once", source="header"))
    if not _KEY.fullmatch(keys[0]):
        raise InvalidRequest(
            Problem(field=HEADER, message="must be 1 to 200 printable characters", source="header")
        )
    return keys[0]


def _check(known: IdempotencyRecord, wanted: IdempotencyRecord) -> None:
    """Passes if the known record has this request's answer, or if the key is free for it."""
    if known.is_free:
        return
    if known.digest != wanted.digest:
        raise IdempotencyMismatch
    if known.held_until and wanted.created_at < known.held_until:
        raise KeyInUse


def _is_decided(status: int) -> bool:
    """Whether the route took a decision. Other refusals changed nothing, and their
    cause may pass.
    """
    return 200 <= status < 300 or status in (409, 410, 422)


class _Answer:
    """A response as it comes, held back until it is kept."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.status = 500

    async def take(self, message: Message) -> None:
        self.messages.append(message)
        if message["type"] == "http.response.start":
            self.status = message["status"]

    def kept(self) -> KeptAnswer:
        headers: dict[str, str] = {}
        body = b""
        for message in self.messages:
            if message["type"] == "http.response.start":
                given = {
                    name.decode("latin-1").lower(): value.decode("latin-1")
                    for name, value in message["headers"]
                }
                headers = {name: given[name] for name in _KEPT_HEADERS if name in given}
            elif message["type"] == "http.response.body":
                body += message["body"]
        return KeptAnswer(status=self.status, headers=headers, body=body.decode())


async def _send_again(answer: KeptAnswer, send: Send) -> None:
    body = answer.body.encode()
    headers = {**answer.headers, "content-length": str(len(body)), REPLAYED_HEADER.lower(): "true"}
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body, "more_body": False})
