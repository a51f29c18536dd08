"""Where approvals are served: under `/api/v1` as the platform's gateway maps it; for older clients
`/api` and bare.
"""

from collections.abc import Sequence

from litestar import Router
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler

from api.access.actor import provide_actor
from api.access.authentication import PUBLIC
from api.access.tenancy import provide_tenant_id
from api.approvals.actions import (
    answer_question,
    ask_question,
    claim_approval,
    delegate_approval,
    extend_approval,
    release_approval,
    remind_approvers,
    withdraw_approval,
)
from api.approvals.decisions import (
    approve_approval,
    decide_approval,
    decide_approvals,
    reject_approval,
)
from api.approvals.desk import provide_approval
from api.approvals.links import create_approval_link, decide_through_link, read_approval_link
from api.approvals.requests import (
    create_approval,
    list_approvals,
    read_approval,
    read_approval_history,
)
from api.documentation.names import suffixed
from api.http.deprecation import COMPATIBLE, Deprecation, deprecated
from api.idempotency import idempotent
from blocks.ports import RecordStore

Handlers = Sequence[HTTPRouteHandler]

PREFIXES = ("/api/v1", "/api", "/")
"""All but the first are deprecated."""

_SUFFIXES = {"/api/v1": "", "/api": "UnderApi", "/": "WithoutPrefix"}
"""Of operation ids."""

READING = (list_approvals, read_approval, read_approval_history)
MAKING_LINKS = (create_approval_link,)
"""Not `idempotent`: no answer that holds a link is kept."""
CHANGING = (
    create_approval,
    approve_approval,
    reject_approval,
    decide_approval,
    decide_approvals,
    claim_approval,
    release_approval,
    delegate_approval,
    remind_approvers,
    extend_approval,
    ask_question,
    answer_question,
    withdraw_approval,
)

THROUGH_LINKS = (read_approval_link, decide_through_link)
"""The link is the credential: it names the tenant and the user."""


def approval_routes(store: RecordStore, link_pages: Handlers) -> list[Router]:
    """The same routes, once per prefix; `link_pages` are what a link shows in a browser."""
    through_links = (*THROUGH_LINKS, *link_pages)
    main, *older = PREFIXES
    return [
        _for_users(main, store, READING + MAKING_LINKS, CHANGING),
        _through_links(main, through_links),
        *(
            router
            for prefix in older
            for router in (
                _for_users(
                    prefix,
                    store,
                    deprecated(*READING, *MAKING_LINKS),
                    deprecated(*CHANGING),
                    _instead_of(prefix),
                ),
                _through_links(prefix, deprecated(*through_links), _instead_of(prefix)),
            )
        ),
    ]


def _instead_of(prefix: str) -> Deprecation:
    return Deprecation(lambda path: PREFIXES[0] + path.removeprefix(prefix.rstrip("/")))


def _for_users(
    prefix: str, store: RecordStore, others: Handlers, changing: Handlers, *middleware: Deprecation
) -> Router:
    return Router(
        prefix,
        route_handlers=[*others, idempotent(store, *changing)],
        dependencies={
            "tenant_id": Provide(provide_tenant_id),
            "actor": Provide(provide_actor),
            "approval": Provide(provide_approval),
        },
        opt=suffixed(_SUFFIXES[prefix]) | (COMPATIBLE if middleware else {}),
        middleware=middleware,
    )


def _through_links(prefix: str, handlers: Handlers, *middleware: Deprecation) -> Router:
    return Router(
        prefix,
        route_handlers=handlers,
        opt=PUBLIC | suffixed(_SUFFIXES[prefix]) | (COMPATIBLE if middleware else {}),
        security=[{}],
        middleware=middleware,
    )
