"""Every route of the application, read from the application itself, and a good request for each."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec
from litestar import Litestar
from litestar.routes import HTTPRoute, WebSocketRoute

from api.access.authentication import PUBLIC
from api.access.permissions import without_prefix
from api.access.sessions import PAGE
from api.app import create_app
from api.http.deprecation import is_to_the_letter
from blocks.contracts.records import (
    ApiKeyRecord,
    ApprovalRecord,
    ExecutionRecord,
    Record,
    StandInRecord,
    WebhookSubscription,
)
from blocks.contracts.records.claims import ClaimRecord, PhaseRecord
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.dead_letters import letters
from blocks.ports import RecordStore, Unavailable
from blocks.settings import load_settings
from tests.support.api.credentials import ENVIRONMENT
from tests.support.api.journeys import a_journey
from tests.support.factories import (
    A_TENANT,
    a_dead_letter,
    a_stand_in,
    a_webhook,
    an_api_key,
    an_approval,
    an_execution,
    new_id,
)
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.payouts.packets import a_paid_claim_in
from tests.support.stores import FailingStore


class Route(msgspec.Struct, frozen=True):
    """One method of one path, as it is served."""

    method: str
    path: str
    is_public: bool
    is_compatible: bool = False
    """Clients of another system call it: it is to the letter."""

    @property
    def name(self) -> str:
        """Without the prefix under which it is served."""
        return f"{self.method} {without_prefix(self.path)}"

    @property
    def record(self) -> type[Record] | None:
        """What its path names, if that is a record of the tenant."""
        return next((RECORDS[name] for name in self.parameters if name in RECORDS), None)

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    @property
    def body(self) -> Any:
        """Of a good request. A route that takes one and is not in the table fails the test that
        asks.
        """
        return None if self.method in ("GET", "DELETE") else BODIES[self.name]

    @property
    def headers(self) -> Mapping[str, str]:
        """What a good request carries besides its credential."""
        return HEADERS.get(self.name, {})

    def with_id(self, id: str) -> str:
        """The path, about this record, with what else it needs."""
        name = id.removeprefix("api-key:")
        path = re.sub(
            r"{(\w+)}",
            lambda match: name if match[1] in (*RECORDS, PROMPT, RUN) else OTHER_NAMES[match[1]],
            self.path,
        )
        return f"{path}?{QUERIES[self.name]}" if self.name in QUERIES else path


RECORDS: Mapping[str, type[Record]] = {
    "executionId": ExecutionRecord,
    "workflowId": ExecutionRecord,
    "approvalId": ApprovalRecord,
    "webhookId": WebhookSubscription,
    "standInId": StandInRecord,
    "letterId": DeadLetterRecord,
    "prefix": ApiKeyRecord,
    "claimId": ClaimRecord,
    "syncId": PhaseRecord,
}
"""Path parameters that name a record of the tenant."""

PROMPT = "promptId"
"""Names a record, too, but one that is not there is answered 200, in the platform's form."""

RUN = "runId"
"""Names a record of the system tenant."""

A_QUEUE = "a-queue"
"""Whose consumer refused the dead letters."""

OTHER_NAMES = {
    "job": "propagation",
    "operation": "log-rotation",
    "phase": "1",
    "workflow": "opportunity-analysis",
    "tenantId": A_TENANT,
    "token": "no-token",
    "claimId": "claim-1",
    "path": "x",
}
"""Path parameters that name something else, each with an example."""

QUERIES = {"GET /workflows": "opportunityId=opportunity-1", "GET /executions/stream": "seconds=0"}

HEADERS = {"PATCH /dead-letters/{letterId}": {"If-Match": '"1"'}}

BODIES: Mapping[str, Any] = {
    "POST /executions": {"workflow": "opportunity-analysis", "subject": "opportunity-1"},
    "POST /executions/{executionId}/cancel": {},
    "POST /executions/{executionId}/retry": None,
    "POST /executions/{executionId}/rerun": None,
    "POST /workflows/{workflowId}/retry": None,
    "POST /workflow/phase/{phase}": {"user_id": "user-1", "sync_id": "sync-1"},
    "POST /workflow/queue/clean": None,
    "POST /claims/{syncId}/retry": None,
    "POST /claims/{syncId}/cancel": {},
    "POST /jobs/{job}/trigger": {},
    "POST /api/workflows/{operation}/trigger": {"inputData": {}},
    "POST /api/trigger/{operation}": {},
    "POST /api/runs/{runId}/cancel": None,
    "POST /api/runs/{runId}/retry": None,
    "POST /api/webhooks/alerts": {"alerts": []},
    "POST /api/webhooks/alerts/critical": {"alerts": []},
    "POST /api/webhooks/alerts/warning": {"alerts": []},
    "POST /api/events": {"eventType": "cms.content.updated", "payload": {"serviceId": 123}},
    "PUT /definitions/{workflow}": {"enabled": True},
    "PATCH /definitions/{workflow}": {"enabled": True},
    "PATCH /dispatch": {"runningMax": 50},
    "PUT /dispatch/tenants/{tenantId}": {"weight": 2},
    "POST /dead-letters/replay": {},
    "POST /dead-letters/{letterId}/replay": None,
    "POST /dead-letters/{letterId}/discard": {"reason": "a test"},
    "PATCH /dead-letters/{letterId}": {
        "event": {
            "id": "event-1",
            "type": "integration.opportunity.updated",
            "tenantId": A_TENANT,
            "data": {"opportunityId": "opportunity-1"},
        }
    },
    "POST /keys": {"name": "billing", "roles": ["viewer"]},
    "POST /webhooks": {"url": "https://hooks.customer.example/approvals"},
    "PATCH /webhooks/{webhookId}": {"active": False},
    "POST /evidence/prompts": {
        "claim_id": "claim-1",
        "question": "Does it prove the claim?",
        "options": [{"id": "yes", "text": "Yes", "action": "confirm_evidence"}],
    },
    "POST /evidence/prompts/{promptId}/answer": {"selected_option": "confirm"},
    "POST /evidence/proof-packets/{claimId}/generate": None,
    "POST /hitl/approvals": {"subject": "a discount"},
    "POST /hitl/approvals/decisions": {
        "decisions": [{"id": "11111111-1111-4111-8111-111111111112", "outcome": "approve"}]
    },
    "POST /hitl/approvals/{approvalId}/approve": {"decidedBy": "ann"},
    "POST /hitl/approvals/{approvalId}/reject": {"decidedBy": "ann"},
    "POST /hitl/approvals/{approvalId}/decisions": {"outcome": "approve"},
    "POST /hitl/approvals/{approvalId}/claim": None,
    "POST /hitl/approvals/{approvalId}/release": None,
    "POST /hitl/approvals/{approvalId}/delegate": {"to": "bob"},
    "POST /hitl/approvals/{approvalId}/remind": None,
    "POST /hitl/approvals/{approvalId}/extend": {"expiresAt": "2099-01-01T00:00:00Z"},
    "POST /hitl/approvals/{approvalId}/ask": {"text": "Why so much?"},
    "POST /hitl/approvals/{approvalId}/answer": {"text": "A discount."},
    "POST /hitl/approvals/{approvalId}/cancel": {},
    "POST /hitl/approvals/{approvalId}/links": {"recipient": "ann"},
    "POST /hitl/stand-ins": {
        "standIn": "bob",
        "endsAt": (datetime.now(UTC) + timedelta(days=7)).isoformat(),
    },
}


async def a_record(store: RecordStore, kind: type[Record], tenant_id: str) -> Record:
    """One of this kind, as a tenant has it, in the store."""
    if kind is DeadLetterRecord:
        event = {"id": new_id(), "type": "order.placed", "tenantId": tenant_id, "data": {}}
        refused = a_dead_letter(id=event["id"], body=msgspec.json.encode(event))
        return (await letters.keep(store, A_QUEUE, refused)).record
    if kind is ClaimRecord:
        return await a_paid_claim_in(store, tenant_id)
    if kind is PhaseRecord:
        return await a_journey(store, tenant_id)
    record = FACTORIES[kind](tenant_id)
    return (await store.create(record.tenant_id, record)).record


FACTORIES: Mapping[type[Record], Callable[[str], Record]] = {
    ExecutionRecord: lambda tenant_id: an_execution(tenant_id=tenant_id),
    ApprovalRecord: lambda tenant_id: an_approval(tenant_id=tenant_id, execution_id=None),
    WebhookSubscription: lambda tenant_id: a_webhook(tenant_id=tenant_id),
    StandInRecord: lambda tenant_id: a_stand_in(tenant_id=tenant_id),
    ApiKeyRecord: lambda tenant_id: an_api_key(tenant=tenant_id),
}


def routes_of(app: Litestar) -> Iterator[Route]:
    """Of programs; pages for people, and what these load, have tests of their own."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            path = re.sub(r":\w+}", "}", route.path)
            for method, (handler, _) in route.route_handler_map.items():
                is_page = PAGE.items() <= handler.opt.items() or path.startswith("/assets/")
                if method != "OPTIONS" and not is_page:
                    is_public = PUBLIC.items() <= handler.opt.items()
                    yield Route(str(method), path, is_public, is_to_the_letter(handler))


def websockets_of(app: Litestar) -> Iterator[Route]:
    for route in app.routes:
        if isinstance(route, WebSocketRoute):
            yield Route("WEBSOCKET", route.path, PUBLIC.items() <= route.route_handler.opt.items())


def every_route() -> list[Route]:
    """Those over HTTP."""
    return sorted(routes_of(_an_app()), key=lambda route: (route.path, route.method))


def every_websocket() -> list[Route]:
    return sorted(websockets_of(_an_app()), key=lambda route: route.path)


def _an_app() -> Litestar:
    """One that is never called."""
    settings = load_settings({**ENVIRONMENT, "APPROVAL_LINK_SECRET": "x" * 32})
    nothing = FailingStore(Unavailable("never asked"))
    return create_app(settings, nothing, cast("Any", None), RememberedFlowRuns(), probes={})
