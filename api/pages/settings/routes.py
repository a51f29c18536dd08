"""`/settings`: the tenant's API keys and webhooks."""

from time import monotonic
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.response import Redirect

from api.access.tenancy import TenantId
from api.http.lists import Continuation
from api.http.records import AllSettings, Store, find
from api.keys.documents import NewKey
from api.keys.routes import PrefixPath, found_key, keys_of, make_key
from api.pages.forms import Form, form_in
from api.pages.messages import flash
from api.pages.rendering import page
from api.webhooks.documents import NewWebhook, webhook_of
from api.webhooks.errors import WebhookNotFound
from api.webhooks.routes import Rules, WebhookPath, subscribed
from blocks.contracts.records import WebhookSubscription
from blocks.contracts.roles import ROLES, Role, allows
from blocks.security import api_keys
from blocks.security.api_keys import LIVES_DAYS_DEFAULT, LIVES_DAYS_MAX, NAME_PATTERN
from blocks.webhooks import subscriptions
from blocks.webhooks.outgoing_http import (
    URL_LENGTH_MAX,
    DestinationRefused,
    NoAnswer,
    OutgoingHttp,
)

PAGE_SIZE = 50


class KeyForm(Form, frozen=True, kw_only=True):
    """The key to make."""

    name: Annotated[str, msgspec.Meta(pattern=NAME_PATTERN, max_length=100)]
    roles: Annotated[list[Role], msgspec.Meta(min_length=1, max_length=10)]
    days: Annotated[int, msgspec.Meta(ge=1, le=LIVES_DAYS_MAX)] = LIVES_DAYS_DEFAULT


class WebhookForm(Form, frozen=True, kw_only=True):
    """The webhook to add; no event types stands for all."""

    url: Annotated[str, msgspec.Meta(max_length=URL_LENGTH_MAX)]
    event_types: Annotated[list[str], msgspec.Meta(max_length=20)] = msgspec.field(
        default_factory=list
    )


@get("/settings")
async def show_settings(
    request: Request[Any, Any, Any],
    store: Store,
    tenant_id: TenantId,
    continuation: Continuation = None,
) -> Response[Any]:
    """Keys, those that have ended included, and webhooks; no secret of either."""
    keys = await keys_of(store, tenant_id, "newest", PAGE_SIZE, continuation)
    return page(
        "settings/settings.html",
        keys=keys.items,
        continuation=continuation,
        following=keys.continuation,
        webhooks=[webhook_of(one) for one in await subscriptions.subscriptions(store, tenant_id)],
        roles=[role for role in ROLES if allows(request.user.roles, role)],
        event_types=sorted(subscriptions.EVENT_TYPES),
        days=LIVES_DAYS_DEFAULT,
        days_max=LIVES_DAYS_MAX,
    )


@post("/settings/keys")
async def create_key_on_page(
    request: Request[Any, Any, Any], store: Store, tenant_id: TenantId
) -> Response[Any]:
    """The key, this once: the answer is kept nowhere."""
    form = await form_in(request, KeyForm)
    wanted = NewKey(name=form.name, roles=form.roles, days=form.days)
    made = await make_key(store, tenant_id, request.user, wanted)
    return page(
        "settings/secret.html",
        201,
        title=f"API key {made.name}",
        secret=made.key,
        use="Send it as the header Authorization: Bearer, from a program that keeps secrets.",
        lost="If it is lost, revoke it and make another one.",
    )


@post("/settings/keys/{prefix:str}/revoke")
async def revoke_key_on_page(
    request: Request[Any, Any, Any], store: Store, tenant_id: TenantId, prefix: PrefixPath
) -> Response[Any]:
    """The key is refused within three seconds."""
    key = await found_key(store, tenant_id, prefix)
    await api_keys.revoke_key(store, tenant_id, prefix)
    flash(request, f"The key {key.name} ({prefix}) is revoked.", "done")
    return _back()


@post("/settings/webhooks")
async def add_webhook_on_page(
    request: Request[Any, Any, Any], store: Store, host_rules: Rules, tenant_id: TenantId
) -> Response[Any]:
    """The webhook's secret, this once."""
    form = await form_in(request, WebhookForm)
    wanted = NewWebhook(url=form.url, event_types=form.event_types)
    added = await subscribed(store, tenant_id, wanted, host_rules)
    return page(
        "settings/secret.html",
        201,
        title=f"Webhook to {added.url}",
        secret=added.secret,
        use="Each delivery is signed with it: the receiver checks X-Orchestrator-Signature.",
        lost="If it is lost, remove the webhook and add it again.",
    )


@post("/settings/webhooks/{webhookId:str}/test")
async def try_webhook_on_page(
    request: Request[Any, Any, Any],
    store: Store,
    settings: AllSettings,
    host_rules: Rules,
    tenant_id: TenantId,
    webhook_id: WebhookPath,
) -> Response[Any]:
    """One event `webhook.test` was sent; the page says what the receiver answered."""
    webhook = await _webhook(store, tenant_id, webhook_id)
    began = monotonic()
    try:
        async with OutgoingHttp(
            host_rules, timeout_seconds=settings.webhooks.timeout_seconds
        ) as http:
            status = await subscriptions.deliver_test(http, webhook)
    except (DestinationRefused, NoAnswer) as error:
        flash(request, f"Not delivered: {error}.", "problem")
        return _back()
    took = f"{status} after {monotonic() - began:.1f} s"
    if 200 <= status < 300:
        flash(request, f"Delivered: {webhook.url} answered {took}.", "done")
    else:
        flash(request, f"Not accepted: {webhook.url} answered {took}.", "problem")
    return _back()


@post("/settings/webhooks/{webhookId:str}/remove")
async def remove_webhook_on_page(
    request: Request[Any, Any, Any], store: Store, tenant_id: TenantId, webhook_id: WebhookPath
) -> Response[Any]:
    """Nothing is sent to the receiver any more."""
    webhook = await _webhook(store, tenant_id, webhook_id)
    await subscriptions.unsubscribe(store, webhook)
    flash(request, f"The webhook to {webhook.url} is removed.", "done")
    return _back()


async def _webhook(store: Store, tenant_id: str, id: str) -> WebhookSubscription:
    return await find(store, tenant_id, WebhookSubscription, id, WebhookNotFound)


def _back() -> Redirect:
    return Redirect("/settings", status_code=303)
