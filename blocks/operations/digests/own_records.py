"""What our own records have for people: approvals that wait, executions that failed."""

from collections.abc import AsyncIterator
from datetime import timedelta

from blocks.contracts.approvals import Question
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.records.digests import DigestItem
from blocks.observability.plain_text import shortened
from blocks.observability.redaction import redacted
from blocks.operations.digests.addresses import Addresses
from blocks.operations.digests.window import Window
from blocks.ports import RecordStore
from blocks.queries import every, tenants
from blocks.settings import Server
from blocks.settings.links import execution_url

_LENGTH = 200

_OPEN_AT_MOST = timedelta(days=90)
"""Executions that were created longer before the window are not looked at."""


async def items(
    store: RecordStore, server: Server, window: Window, addresses: Addresses
) -> AsyncIterator[tuple[str, DigestItem]]:
    """Each with the address that it is for; empty: there is none."""
    for tenant_id in dict.fromkeys([SYSTEM_TENANT, *await tenants(store)]):
        async for pair in _waiting(store, tenant_id, addresses):
            yield pair
        async for item in _failed(store, server, tenant_id, window):
            yield addresses.of_admin(tenant_id), item


async def _waiting(
    store: RecordStore, tenant_id: str, addresses: Addresses
) -> AsyncIterator[tuple[str, DigestItem]]:
    """Approvals by who may decide: those that are named, or else the tenant's administrator."""
    async for stored in every(
        store, tenant_id, ApprovalRecord, {"status": "pending"}, skips_unreadable=True
    ):
        approval = stored.record
        named = set(approval.policy.approvers.users) - set(approval.handed_on)
        voted = {decision.on_behalf_of or decision.actor for decision in approval.decisions}
        found = {await addresses.of_user(user) for user in sorted(named - voted)}
        if not named:
            found = {addresses.of_admin(tenant_id)}
        for address in sorted(found):
            yield address, _waiting_item(approval)
        if (question := approval.open_question) is not None:
            asked = _who_asked(approval)
            address = await addresses.of_user(asked) if asked else addresses.of_admin(tenant_id)
            yield address, _question_item(approval, question)


def _who_asked(approval: ApprovalRecord) -> str | None:
    """A workflow asks for the owner of the subject."""
    by_workflow = approval.requested_by in (None, approval.workflow)
    return approval.owner_id if by_workflow else approval.requested_by


def _question_item(approval: ApprovalRecord, question: Question) -> DigestItem:
    return DigestItem(
        kind="approval",
        title=shortened(f"question about {approval.about}", _LENGTH),
        detail=shortened(f"{question.actor} asks: {question.text}", _LENGTH),
    )


def _waiting_item(approval: ApprovalRecord) -> DigestItem:
    due = approval.due_at or approval.expires_at
    times = [f"requested {approval.requested_at:%Y-%m-%d %H:%M} UTC"]
    times += [f"due {due:%Y-%m-%d %H:%M} UTC"] if due else []
    return DigestItem(
        kind="approval",
        title=shortened(f"{approval.workflow or 'approval'}: {approval.about}", _LENGTH),
        detail=", ".join(times),
    )


async def _failed(
    store: RecordStore, server: Server, tenant_id: str, window: Window
) -> AsyncIterator[DigestItem]:
    failed = {"status": "failed"}
    async for stored in every(
        store, tenant_id, ExecutionRecord, failed, newest_first=True, skips_unreadable=True
    ):
        execution = stored.record
        if execution.created_at < window.since - _OPEN_AT_MOST:
            break
        ended = execution.completed_at
        if ended and window.since <= ended < window.until:
            reason = execution.error or execution.error_code or "no reason is recorded"
            yield DigestItem(
                kind="failure",
                title=shortened(f"{execution.workflow}: {execution.subject_on_wire}", _LENGTH),
                detail=shortened(f"{ended:%Y-%m-%d %H:%M} UTC: {redacted(reason)}", _LENGTH),
                link=execution_url(server, execution.id) or "",
            )
