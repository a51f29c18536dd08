"""Where approvals are served: under `/api/v1` as the platform's gateway maps it, `/api`, and bare."""

from litestar import Router
from litestar.di import Provide

from api.actor import provide_actor
from api.approval_actions import claim, delegate, extend, release, remind, withdraw
from api.approval_decisions import approve, reject, take_decision, take_decisions
from api.approval_desk import provide_approval
from api.approval_links import make_link, show_link, use_link
from api.approval_page import decide_on_page, show_page
from api.approvals import create_approval, list_approvals, read_approval, read_history
from api.authentication import PUBLIC
from api.idempotency import idempotent
from api.tenancy import provide_tenant_id
from blocks.ports import RecordStore

PREFIXES = ("/api/v1", "/api", "/")

READING = (list_approvals, read_approval, read_history)
CHANGING = (
    create_approval,
    approve,
    reject,
    take_decision,
    take_decisions,
    claim,
    release,
    delegate,
    remind,
    extend,
    withdraw,
    make_link,
)

THROUGH_LINKS = (show_link, use_link, show_page, decide_on_page)
"""The link is the credential: it names the tenant and the user."""


def approval_routes(store: RecordStore) -> list[Router]:
    """The same routes, once per prefix."""
    return [
        router
        for prefix in PREFIXES
        for router in (
            _for_users(prefix, store),
            Router(prefix, route_handlers=THROUGH_LINKS, opt=PUBLIC, security=[{}]),
        )
    ]


def _for_users(prefix: str, store: RecordStore) -> Router:
    return Router(
        prefix,
        route_handlers=[*READING, idempotent(store, *CHANGING)],
        dependencies={
            "tenant_id": Provide(provide_tenant_id),
            "actor": Provide(provide_actor),
            "approval": Provide(provide_approval),
        },
    )


def _through_links(prefix: str) -> Router:
    return Router(prefix, route_handlers=THROUGH_LINKS, opt=PUBLIC, security=[{}])
