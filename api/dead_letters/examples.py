"""Examples of dead letters."""

from datetime import timedelta

from api.dead_letters.documents import (
    DeadLetterDiscard,
    DeadLetterEdit,
    DeadLetterPage,
    DeadLetterReplay,
    ReplayScheduled,
)
from api.dead_letters.documents import document_of as dead_letter_of
from api.dead_letters.documents import summary_of as dead_letter_summary_of
from api.documentation.requests import add_requests
from api.http.example_data import BEGIN, EVENT, OPPORTUNITY, TENANT
from blocks.contracts.records.dead_letters import DeadLetterBody, DeadLetterRecord, LetterEntry

_REFUSED = b'{"id": "c4e1a7d2", "type": "integration.opportunity.updated", "data": {}}'
_LETTER = DeadLetterRecord(
    id="5b0f6a5e-6a0f-5d0b-9f0a-2f5d7c1e8a44",
    tenant_id=TENANT,
    created_at=BEGIN,
    queue="workflow_orchestrator_service",
    message_id="c4e1a7d2",
    routing_key="integration.opportunity.updated",
    event_type="integration.opportunity.updated",
    published_at=BEGIN,
    headers={},
    code="schema-invalid",
    reason="Object missing required field `opportunityId` - at `data`",
    attempts=1,
    rejected_at=BEGIN,
    size=len(_REFUSED),
    digest="",
    history=[LetterEntry(what="refused", at=BEGIN, note="schema-invalid")],
)
_LETTER_BODY = DeadLetterBody(
    id=_LETTER.body_id,
    tenant_id=TENANT,
    created_at=BEGIN,
    letter_id=_LETTER.id,
    encoding="utf-8",
    content=_REFUSED.decode(),
)
DEAD_LETTER = dead_letter_of(_LETTER, _LETTER_BODY)
DEAD_LETTER_PAGE = DeadLetterPage(
    items=[dead_letter_summary_of(_LETTER)], continuation="eyJhZnRlciI6IDUwfQ"
)
REPLAY_SCHEDULED = ReplayScheduled(
    scheduled=200, skipped=3, more=False, last_at=BEGIN + timedelta(seconds=20)
)
add_requests(
    DeadLetterEdit(
        event={
            "id": EVENT,
            "type": "integration.opportunity.updated",
            "tenantId": TENANT,
            "data": {"opportunityId": OPPORTUNITY},
        }
    ),
    DeadLetterDiscard(reason="it was a test"),
    DeadLetterReplay(code="schema-invalid", rate=5.0, limit=200),
)
