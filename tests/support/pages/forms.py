"""A good form for each page that takes one."""

from collections.abc import Mapping
from datetime import timedelta

from tests.support.api.every_route import Route
from tests.support.factories import now

KEY = "11111111-2222-4333-8444-555555555555"
TODAY = f"{now():%Y-%m-%d}"

FORMS: Mapping[str, Mapping[str, str]] = {
    "POST /login": {"credential": "no-key", "next": "/inbox"},
    "POST /login/{token}": {},
    "POST /logout": {},
    "POST /inbox": {"ids": KEY, "outcome": "approved", "reason": "because", "back": "/inbox"},
    "POST /stand-ins": {
        "standIn": "bob",
        "from": TODAY,
        "to": f"{now() + timedelta(days=7):%Y-%m-%d}",
    },
    "POST /stand-ins/{standInId}/end": {"version": "1"},
    "POST /executions/{executionId}/retry": {"version": '"1"'},
    "POST /executions/{executionId}/cancel": {"version": '"1"', "reason": "because"},
    "POST /executions/{executionId}/rerun": {},
    "POST /claims/{syncId}/retry": {"userId": "user-1"},
    "POST /claims/{syncId}/cancel": {"userId": "user-1", "reason": "because"},
    "POST /evidence/prompts/{promptId}/answer": {
        "option": "confirm",
        "reasoning": "because",
        "back": "/claims",
    },
    "POST /workflows/{workflowId}/start": {"key": KEY, "subject": "opportunity-1", "input": "{}"},
    "POST /jobs/{job}/trigger": {
        "key": KEY,
        "from": TODAY,
        "to": TODAY,
        "tenantIds": "",
        "tenantId": "",
        "industryIds": "industry-1",
        "period": "day",
        "outcomesDays": "7",
    },
    "POST /jobs/{job}/backfill": {"from": TODAY, "to": TODAY, "days": "7", "key": KEY},
    "POST /dead-letters/replay": {"code": "invalid", "type": "order.placed"},
    "POST /dead-letters/{letterId}/edit": {"version": "1", "event": "{}", "then": "keep"},
    "POST /dead-letters/{letterId}/replay": {"version": "1", "reason": "because"},
    "POST /dead-letters/{letterId}/discard": {"version": "1", "reason": "because"},
    "POST /approvals/{approvalId}": {"stage": "", "outcome": "rejected", "reason": "because"},
    "POST /approvals/{approvalId}/ask": {"text": "Why?"},
    "POST /approvals/{approvalId}/answer": {"text": "Because."},
    "POST /settings/definitions/{workflow}": {"text": "{}", "version": "1", "act": "check"},
    "POST /settings/keys": {"name": "billing", "roles": "viewer", "days": "30"},
    "POST /settings/keys/{prefix}/revoke": {},
    "POST /settings/webhooks": {
        "url": "https://hooks.customer.example/approvals",
        "eventTypes": "hitl.approval.requested",
    },
    "POST /settings/webhooks/{webhookId}/test": {},
    "POST /settings/webhooks/{webhookId}/remove": {},
}
"""By the route's name. A page that takes a form and is not here fails the test that asks."""


def path_of(page: Route, id: str) -> str:
    """The page's path about this record; of one that names a workflow, that of an analysis."""
    return page.with_id("opportunity-analysis" if "workflowId" in page.parameters else id)
