"""The audit of every changing route: one middleware, and the store that it provides.

The act begins when the route runs and asks for the store: a guard's refusal, an invalid request,
and a repeated answer of `Idempotency-Key` begin none. It ends before the answer is sent.
"""

from typing import Any

from litestar import Request
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.audit.acts import OneAct, act_of
from api.http.errors import answer_of
from blocks.audit.recording import Audit, refuse
from blocks.ports import RecordStore

_KEY = "audited_request"


class AuditedRequest:
    """The act of one request."""

    def __init__(self, store: RecordStore, one: OneAct) -> None:
        self._store = store
        self._one = one
        self._audit: Audit | None = None
        self._has_ended = False

    async def begin(self) -> RecordStore:
        """The store through which the route changes things. Raises `Unavailable`."""
        self._audit = self._audit or await Audit.begin(
            self._store, self._one.tenant_id, self._one.act
        )
        return self._audit.store

    async def end(self, status: int) -> None:
        """Records the result in the audit log; only the first call counts."""
        if self._has_ended:
            return
        self._has_ended = True
        if self._audit:
            await self._audit.end(
                "done" if status < 400 else "refused" if status == 403 else "incomplete"
            )
        elif status == 403:
            await refuse(self._store, self._one.tenant_id, self._one.act)


class Auditing(ASGIMiddleware):
    """Runs after authentication, before middleware that may answer instead of the route."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, store: RecordStore, link_secret: str) -> None:
        self._store = store
        self._link_secret = link_secret

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        one = act_of(Request(scope, receive), self._link_secret)
        if one is None:
            return await next_app(scope, receive, send)
        audited = scope["state"][_KEY] = AuditedRequest(self._store, one)

        async def send_after_entry(message: Message) -> None:
            if message["type"] == "http.response.start":
                await audited.end(message["status"])
            await send(message)

        try:
            await next_app(scope, receive, send_after_entry)
        except Exception as error:
            await audited.end(answer_of(error).status)
            raise

    async def provide_store(self, request: Request[Any, Any, Any]) -> RecordStore:
        """The store, as a route's argument: that of the request's act, if it is one."""
        audited: AuditedRequest | None = request.scope["state"].get(_KEY)
        return await audited.begin() if audited else self._store
