"""Examples of webhooks."""

from api.documentation.requests import add_requests
from api.http.example_data import BEGIN, TENANT
from api.webhooks.documents import (
    NewWebhook,
    WebhookList,
    WebhookPatch,
    changed_of,
    created_of,
    webhook_of,
)
from blocks.contracts.records import WebhookSubscription

_WEBHOOK = WebhookSubscription(
    id="0c7a8c4e-5d0f-4f43-8a0e-6b1f5d2c9e77",
    tenant_id=TENANT,
    created_at=BEGIN,
    url="https://hooks.customer.example/approvals",
    event_types=["hitl.approval.completed", "hitl.approval.requested"],
    secret="whsec_8fJq2cW0nT5rXyK1vB7mZ3aLdE6sGhU9",
)
WEBHOOK = webhook_of(_WEBHOOK)
CREATED_WEBHOOK = created_of(_WEBHOOK)
CHANGED_WEBHOOK = changed_of(_WEBHOOK, with_secret=True)
WEBHOOK_LIST = WebhookList(items=[WEBHOOK])
add_requests(
    NewWebhook(url=_WEBHOOK.url, event_types=_WEBHOOK.event_types),
    WebhookPatch(active=True, rotate_secret=True),
)
