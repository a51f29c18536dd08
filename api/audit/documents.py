"""The audit log as a tenant's admin sees it."""

from datetime import UTC, datetime

from api.http.documents import Document
from api.http.lists import ListPage
from blocks.contracts.records import audit
from blocks.contracts.records.audit import AuditChange, Channel, Credential, Result


class AuditActor(Document, frozen=True, kw_only=True):
    """Who did it, and how they authenticated."""

    id: str | None
    """The user; or the service, key or link's recipient in their own name."""
    credential: Credential
    service: str | None = None
    """The service or key that acted in the user's name."""
    roles: tuple[str, ...] = ()


class AuditEntry(Document, frozen=True, kw_only=True):
    """One act, and what it changed, before and after."""

    id: str
    tenant_id: str
    created_at: datetime
    action: str
    actor: AuditActor
    channel: Channel
    result: Result
    targets: list[str]
    changes: list[AuditChange]
    request_id: str | None = None
    failures: dict[str, int] | None = None
    """Of failed authentications, which one entry counts for an address: how many, by reason."""


class AuditPage(ListPage, frozen=True, kw_only=True):
    """A page of the audit log."""

    items: list[AuditEntry]


def document_of(entry: audit.AuditEntry) -> AuditEntry:
    return AuditEntry(
        id=entry.id,
        tenant_id=entry.tenant_id,
        created_at=entry.created_at,
        action=entry.action,
        actor=AuditActor(
            id=entry.actor,
            credential=entry.credential,
            service=entry.service,
            roles=tuple(entry.roles),
        ),
        channel=entry.channel,
        result=entry.result,
        targets=entry.targets,
        changes=entry.changes,
        request_id=entry.request_id,
        failures=entry.failures,
    )


AUDIT_PAGE = AuditPage(
    items=[
        document_of(
            audit.AuditEntry(
                id="b41d6a0e-5f0b-4c53-9d7b-0f1b6f6f2a51",
                tenant_id="3f0c2e58-6a4b-4c1d-9a57-0f6f8d3b2a11",
                created_at=datetime(2026, 3, 2, 9, 35, tzinfo=UTC),
                action="execution.cancel",
                actor="u-208",
                credential="user-token",
                service=None,
                roles=["operator"],
                channel="api",
                request_id="d2c1b9a0-77f5-4c0e-8f39-2f4f6d3c9a10",
                result="done",
                targets=["17191aec-4dd3-5ce6-9119-904e2d2b9349"],
                changes=[
                    AuditChange(
                        kind="execution",
                        id="17191aec-4dd3-5ce6-9119-904e2d2b9349",
                        before={"status": "pending"},
                        after={
                            "status": "cancelled",
                            "error": "the deal is lost",
                            "errorCode": "cancelled",
                        },
                    )
                ],
            )
        )
    ],
    continuation="eyJhZnRlciI6IDUwfQ",
)
