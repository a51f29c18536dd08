"""`/api/v1/webhooks`: where a tenant wants to be told of events."""

from typing import Annotated

from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, SkipValidation

from api import examples
from api.access.tenancy import TenantId
from api.http.errors import InvalidRequest, Problem, WebhookNotFound
from api.http.records import Store, find
from api.idempotency import KEY_ERRORS
from api.openapi import documented
from api.webhook_documents import CreatedWebhook, NewWebhook, Webhook, WebhookList, created_of, webhook_of
from blocks import webhooks
from blocks.contracts.records import WebhookSubscription
from blocks.outgoing_http import DestinationRefused, HostRules

Rules = SkipValidation[NamedDependency[HostRules]]
"""Where webhooks may lead, as a route's argument."""

WebhookPath = Annotated[str, PathParameter(name="webhookId")]


@get("/webhooks", summary="List webhooks", tags=["Webhooks"], responses=documented(examples.WEBHOOK_LIST))
async def list_webhooks(store: Store, tenant_id: TenantId) -> WebhookList:
    """All of the tenant's webhooks, without their secrets."""
    return WebhookList(webhooks=[webhook_of(one) for one in await webhooks.subscriptions(store, tenant_id)])


@get(
    "/webhooks/{webhookId:str}",
    summary="Read one webhook",
    tags=["Webhooks"],
    responses=documented(examples.WEBHOOK, WebhookNotFound),
)
async def read_webhook(store: Store, tenant_id: TenantId, webhook_id: WebhookPath) -> Webhook:
    """The webhook, without its secret."""
    return webhook_of(await find(store, tenant_id, WebhookSubscription, webhook_id, WebhookNotFound))


@post(
    "/webhooks",
    summary="Add a webhook",
    tags=["Webhooks"],
    responses=documented(examples.CREATED_WEBHOOK, webhooks.TooManyWebhooks, *KEY_ERRORS, status=201),
)
async def add_webhook(
    store: Store, host_rules: Rules, tenant_id: TenantId, data: JSONBody[NewWebhook]
) -> CreatedWebhook:
    """The receiver is told of every event of these types from now on, by a POST signed with the secret.

    The URL is https and on the public internet, unless the operator has allowed its host. There are the event types
    `hitl.approval.requested`, `hitl.approval.reminded`, `hitl.approval.escalated` and `hitl.approval.completed`. No
    other answer shows the secret.
    """
    try:
        return created_of(await webhooks.subscribe(store, tenant_id, data.url, data.event_types, host_rules))
    except DestinationRefused as refused:
        raise InvalidRequest(Problem(field="url", message=str(refused), source="body")) from None
    except webhooks.UnknownEventTypes as unknown:
        raise InvalidRequest(Problem(field="eventTypes", message=str(unknown), source="body")) from None


@delete(
    "/webhooks/{webhookId:str}",
    status_code=200,
    summary="Remove a webhook",
    tags=["Webhooks"],
    responses=documented(examples.WEBHOOK, WebhookNotFound),
)
async def remove_webhook(store: Store, tenant_id: TenantId, webhook_id: WebhookPath) -> Webhook:
    """The receiver is told no more, not even of what was under way."""
    known = await find(store, tenant_id, WebhookSubscription, webhook_id, WebhookNotFound)
    await webhooks.unsubscribe(store, known)
    return webhook_of(known)
