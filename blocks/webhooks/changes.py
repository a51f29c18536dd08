"""Changes of a webhook: one function behind the API and the command line.

A secret that is rotated stays valid for a while: deliveries are signed with the new one and with
the earlier ones, so that a receiver with any of them accepts, and nothing is lost while it switches
to the new one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from blocks.clock import utc_now
from blocks.contracts.records import EarlierSecret, WebhookSubscription
from blocks.ports import NotFound, RecordStore, Stored, WrongVersion
from blocks.updates import update
from blocks.webhooks import subscriptions
from blocks.webhooks.outgoing_http import HostRules

SECRET_OVERLAP = timedelta(hours=24)
"""How long an earlier secret stays valid beside the new one."""

EARLIER_SECRETS_MAX = 4


class TooManySecrets(Exception):
    """As many earlier secrets are valid as may be: one more would end one of them
    before its time.
    """


class WebhookChange(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes different; None: stays as it is."""

    url: str | None = None
    event_types: Sequence[str] | None = None
    """Empty: all there are."""
    active: bool | None = None
    rotate_secret: bool = False


async def change(
    store: RecordStore,
    tenant_id: str,
    id: str,
    wanted: WebhookChange,
    rules: HostRules,
    *,
    version: int | None = None,
) -> WebhookSubscription:
    """The webhook as it is from now on; its `secret` is another one if it was rotated.

    Raises `NotFound`, `Stale` if it is not at that version, `DestinationRefused`,
    `UnknownEventTypes`, `TooManySecrets`, `Unavailable` when others change it all the time.
    """

    async def replaced() -> WebhookSubscription:
        stored = await _read(store, tenant_id, id)
        if version is not None and stored.record.version != version:
            raise WrongVersion(f"webhook {id} is at version {stored.record.version}")
        changed = _changed(stored.record, wanted, rules)
        if changed == stored.record:
            return changed
        after = msgspec.structs.replace(changed, version=stored.record.version + 1)
        return (await store.replace(tenant_id, stored.etag, after)).record

    return await update(replaced, f"webhook {id}")


def earlier_secrets_valid_until(record: WebhookSubscription) -> datetime | None:
    """Until when a secret that was rotated is still valid; None: none is."""
    now = utc_now()
    return max(
        (one.valid_until for one in record.earlier_secrets if now < one.valid_until), default=None
    )


async def _read(store: RecordStore, tenant_id: str, id: str) -> Stored[WebhookSubscription]:
    try:
        return await store.read(tenant_id, WebhookSubscription, id)
    except NotFound:
        raise NotFound(f"tenant {tenant_id} has no webhook {id}") from None


def _changed(
    record: WebhookSubscription, wanted: WebhookChange, rules: HostRules
) -> WebhookSubscription:
    if wanted.url is not None:
        rules.check(wanted.url)
        record = msgspec.structs.replace(record, url=wanted.url)
    if wanted.event_types is not None:
        types = subscriptions.wanted_event_types(wanted.event_types)
        record = msgspec.structs.replace(record, event_types=types)
    if wanted.active is not None:
        record = msgspec.structs.replace(record, active=wanted.active)
    return _rotated(record) if wanted.rotate_secret else record


def _rotated(record: WebhookSubscription) -> WebhookSubscription:
    now = utc_now()
    earlier = [one for one in record.earlier_secrets if now < one.valid_until]
    if len(earlier) >= EARLIER_SECRETS_MAX:
        raise TooManySecrets(
            f"{len(earlier)} earlier secrets of webhook {record.id} are still valid"
        )
    replaced = EarlierSecret(secret=record.secret, valid_until=now + SECRET_OVERLAP)
    return msgspec.structs.replace(
        record, secret=subscriptions.new_secret(), earlier_secrets=[*earlier, replaced]
    )
