"""Webhook subscriptions and their secrets."""

from datetime import datetime
from typing import ClassVar

from blocks.contracts.reading.normalised import Normalised
from blocks.contracts.records.base import Record


class EarlierSecret(Normalised, frozen=True, kw_only=True, rename="camel"):
    """A secret that was replaced; deliveries are signed with it, too, until its time is over."""

    secret: str
    valid_until: datetime

    def __repr__(self) -> str:
        return f"EarlierSecret(valid_until={self.valid_until!r})"


class WebhookSubscription(Record, frozen=True, kw_only=True, tag="webhook"):
    """Where a tenant is notified of events of these types; the secret signs what is sent there."""

    container: ClassVar[str] = "workflow_workflows"

    url: str
    event_types: list[str]
    secret: str
    earlier_secrets: list[EarlierSecret] = []
    active: bool = True
    version: int = 1

    def __repr__(self) -> str:  # a URL may hold a secret, too
        return (
            f"WebhookSubscription(id={self.id!r}, tenant_id={self.tenant_id!r}, "
            f"active={self.active})"
        )
