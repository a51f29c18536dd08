"""`/api/v1/webhooks`: where events of a tenant are delivered to."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from litestar import Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, SkipValidation

from api.access.tenancy import TenantId
from api.documentation.openapi import documented, documented_without_body
from api.http.errors import BODY_ERRORS, InvalidRequest, Problem
from api.http.etags import IfMatch, etag_of, wanted_version
from api.http.lists import LIMIT, Continuation, Limit, Order, page_of
from api.http.records import Store, find
from api.idempotency import KEY_ERRORS
from api.webhooks import examples
from api.webhooks.documents import (
    ChangedWebhook,
    CreatedWebhook,
    NewWebhook,
    Webhook,
    WebhookList,
    WebhookPatch,
    changed_of,
    created_of,
    webhook_of,
)
from api.webhooks.errors import WebhookChanged, WebhookNotFound
from blocks.contracts.records import WebhookSubscription
from blocks.ports import NO_CONDITION, NotFound, RecordStore, Stale
from blocks.webhooks import subscriptions
from blocks.webhooks.changes import TooManySecrets, change
from blocks.webhooks.outgoing_http import DestinationRefused, HostRules

Rules = SkipValidation[NamedDependency[HostRules]]
"""The hosts that webhooks may have, as a route's argument."""

WebhookPath = Annotated[str, PathParameter(name="webhookId")]


@get(
    "/webhooks",
    summary="List webhooks",
    tags=["Webhooks"],
    responses=documented(examples.WEBHOOK_LIST),
)
async def list_webhooks(
    store: Store,
    tenant_id: TenantId,
    order: Order = "oldest",
    limit: Limit = LIMIT,
    continuation: Continuation = None,
) -> WebhookList:
    """The tenant's webhooks, without their secrets."""
    page = await page_of(
        store,
        tenant_id,
        WebhookSubscription,
        NO_CONDITION,
        limit=limit,
        continuation=continuation,
        order=order,
    )
    return WebhookList(
        items=[webhook_of(stored.record) for stored in page.items],
        continuation=page.continuation,
    )


@get(
    "/webhooks/{webhookId:str}",
    summary="Read one webhook",
    tags=["Webhooks"],
    responses=documented(examples.WEBHOOK, WebhookNotFound),
)
async def read_webhook(
    store: Store, tenant_id: TenantId, webhook_id: WebhookPath
) -> Response[Webhook]:
    """The webhook, without its secret."""
    found = await find(store, tenant_id, WebhookSubscription, webhook_id, WebhookNotFound)
    return Response(webhook_of(found), headers=_etag(found))


@post(
    "/webhooks",
    summary="Add a webhook",
    tags=["Webhooks"],
    responses=documented(
        examples.CREATED_WEBHOOK, subscriptions.TooManyWebhooks, *KEY_ERRORS, status=201
    ),
)
async def add_webhook(
    store: Store, host_rules: Rules, tenant_id: TenantId, data: JSONBody[NewWebhook]
) -> Response[CreatedWebhook]:
    """Every later event of these types is sent to the receiver, by a POST signed with the secret.

    The URL is https and on the public internet, unless the operator has allowed its host. There are
    the event types `hitl.approval.requested`, `hitl.approval.reminded`, `hitl.approval.escalated`,
    `hitl.approval.advanced`, `hitl.approval.questioned`, `hitl.approval.answered` and
    `hitl.approval.completed`. No other answer shows the secret.
    """
    added = await subscribed(store, tenant_id, data, host_rules)
    return Response(
        created_of(added), headers={**_etag(added), "Location": f"/api/v1/webhooks/{added.id}"}
    )


@patch(
    "/webhooks/{webhookId:str}",
    summary="Change a webhook, or rotate its secret",
    tags=["Webhooks"],
    responses=documented(
        examples.CHANGED_WEBHOOK,
        WebhookNotFound,
        WebhookChanged,
        TooManySecrets,
        *BODY_ERRORS,
    ),
)
async def change_webhook(
    store: Store,
    host_rules: Rules,
    tenant_id: TenantId,
    webhook_id: WebhookPath,
    data: JSONBody[WebhookPatch],
    if_match: IfMatch = None,
) -> Response[ChangedWebhook]:
    """Changes the given fields; the next delivery, also of events that await a retry, uses them.

    With `rotateSecret: true`, the answer shows a new secret, this once. For 24 hours, deliveries
    are signed with the new secret and with the earlier one: a receiver that has either accepts.
    """
    version = wanted_version(if_match)
    known = await find(store, tenant_id, WebhookSubscription, webhook_id, WebhookNotFound)
    try:
        with _refusals():
            changed = await change(
                store, tenant_id, known.id, data.change(), host_rules, version=version
            )
    except Stale:
        raise WebhookChanged from None
    except NotFound:
        raise WebhookNotFound from None
    return Response(changed_of(changed, with_secret=data.rotate_secret), headers=_etag(changed))


@delete(
    "/webhooks/{webhookId:str}",
    summary="Remove a webhook",
    tags=["Webhooks"],
    responses=documented_without_body(WebhookNotFound, WebhookChanged),
)
async def remove_webhook(
    store: Store, tenant_id: TenantId, webhook_id: WebhookPath, if_match: IfMatch = None
) -> None:
    """Nothing is sent to the receiver any more, not even pending deliveries."""
    version = wanted_version(if_match)
    known = await find(store, tenant_id, WebhookSubscription, webhook_id, WebhookNotFound)
    if version not in (None, known.version):
        raise WebhookChanged
    await subscriptions.unsubscribe(store, known)


async def subscribed(
    store: RecordStore, tenant_id: str, wanted: NewWebhook, host_rules: HostRules
) -> WebhookSubscription:
    """The new webhook. Raises `InvalidRequest`, `TooManyWebhooks`."""
    with _refusals():
        return await subscriptions.subscribe(
            store, tenant_id, wanted.url, wanted.event_types, host_rules
        )


@contextmanager
def _refusals() -> Iterator[None]:
    """What cannot be a webhook is a refused field of the body."""
    try:
        yield
    except DestinationRefused as refused:
        raise InvalidRequest(Problem(field="url", message=str(refused), source="body")) from None
    except subscriptions.UnknownEventTypes as unknown:
        raise InvalidRequest(
            Problem(field="eventTypes", message=str(unknown), source="body")
        ) from None


def _etag(subscription: WebhookSubscription) -> dict[str, str]:
    return {"ETag": etag_of(subscription.version)}
