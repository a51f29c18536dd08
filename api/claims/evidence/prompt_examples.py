"""Examples of smart prompts."""

from datetime import timedelta

from api.claims.evidence.prompt_documents import (
    ClaimAudit,
    ClaimAuditLine,
    NewPrompt,
    PromptAnswer,
    PromptList,
    PromptResult,
    PromptView,
)
from api.documentation.requests import add_requests
from api.http.example_data import BEGIN
from blocks.contracts import ids
from blocks.contracts.claims.prompts import OPTIONS

_CLAIM = "claim-4711"
_PROMPT_ID = ids.approval_id(ids.claim_key("t", "u-311", _CLAIM), "evidence")

PROMPT = PromptView(
    prompt_id=_PROMPT_ID,
    claim_id=_CLAIM,
    question=f"Does document invoice-2026-118 prove claim {_CLAIM}?",
    options=list(OPTIONS),
    status="pending",
    expires_at=BEGIN + timedelta(hours=24),
    created_at=BEGIN,
)
PROMPT_LIST = PromptList(claim_id=_CLAIM, prompts=[PROMPT])
ANSWERED = PromptResult(
    success=True,
    prompt_id=_PROMPT_ID,
    action_taken="evidence_confirmed",
    message="Answer recorded",
)
WITHDRAWN = PromptResult(
    success=True, prompt_id=_PROMPT_ID, action_taken="cancelled", message="Prompt cancelled"
)
CLAIM_AUDIT = ClaimAudit(
    claim_id=_CLAIM,
    total=2,
    limit=50,
    offset=0,
    entries=[
        ClaimAuditLine(
            action="prompt_answered",
            at=BEGIN + timedelta(minutes=20),
            prompt_id=_PROMPT_ID,
            actor="u-208",
            channel="api",
            details="approved",
        ),
        ClaimAuditLine(action="prompt_created", at=BEGIN, prompt_id=_PROMPT_ID),
    ],
)
add_requests(
    NewPrompt(
        claim_id=_CLAIM,
        question=PROMPT.question,
        options=list(OPTIONS),
        expiry_hours=24,
    ),
    PromptAnswer(selected_option=OPTIONS[0].id, reasoning="The invoice names the shipment"),
)
