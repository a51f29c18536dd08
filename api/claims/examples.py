"""Examples of claim recovery."""

from datetime import timedelta

from api.claims.documents import (
    Journey,
    JourneyClaim,
    JourneyFee,
    JourneyLogLine,
    JourneyLogPage,
    JourneyPacket,
    JourneyPage,
    JourneyPhase,
    JourneyPrompt,
    JourneySummary,
)
from api.claims.phase_documents import (
    CleanedJobs,
    JobFigures,
    PhaseTriggered,
    QueueCleaned,
    QueueMetrics,
    QueueStats,
    QueueStatsAnswer,
    WorkflowHealth,
)
from api.http.example_data import BEGIN, TENANT
from blocks.contracts import ids
from blocks.contracts.claims.phases import PHASES

_USER, _SYNC, _CLAIM, _CASE = "user_123", "oauth_user_123_1772442900", "claim_42", "CASE-8807"
_JOURNEY = ids.journey_id(TENANT, _USER, _SYNC)
_KEY = ids.claim_key(TENANT, _USER, _CLAIM)
_PHASE = ids.phase_record_id(_KEY, 5)
_END = BEGIN + timedelta(minutes=6)

WORKFLOW_HEALTH = WorkflowHealth(
    status="ok", service="workflow-routes", message="Workflow routes are active"
)
PHASE_TRIGGERED = PhaseTriggered(success=True, phase=4, message="Phase 4 orchestration triggered")
QUEUE_STATS = QueueStatsAnswer(
    success=True,
    stats=QueueStats(
        orchestration=JobFigures(waiting=2, active=1, completed=394, failed=6, delayed=0),
        sync_progress=JobFigures(waiting=1, active=1, completed=38, failed=0, delayed=21),
        connected_clients=17,
        metrics=QueueMetrics(recent_job_count=11, average_job_duration=1840, success_rate="98.50%"),
    ),
)
QUEUE_CLEANED = QueueCleaned(
    success=True,
    message="Cleaned 6 old jobs",
    result=CleanedJobs(orchestration=6, sync_progress=0),
)
JOURNEY_SUMMARY = JourneySummary(
    execution_id=_JOURNEY,
    user_id=_USER,
    sync_id=_SYNC,
    seller_id="seller_456",
    status="waiting",
    phase=5,
    created_at=BEGIN,
    updated_at=_END,
)
JOURNEY_PAGE = JourneyPage(items=[JOURNEY_SUMMARY], continuation="eyJhZnRlciI6IDUwfQ")
_LINE = JourneyLogLine(
    id=ids.phase_log_id(_PHASE, 1, "completed"),
    at=_END,
    phase=5,
    mark="completed",
    round=1,
    attempt=1,
    triggered_by="phase_4",
    claim_id=_CLAIM,
    duration_ms=812,
    previous_phase=4,
    result={"claim_id": _CLAIM, "amazon_case_id": _CASE, "status": "submitted"},
    message="Phase 5: Claim submitted - tracking started",
)
JOURNEY_LOG = JourneyLogPage(items=[_LINE])
JOURNEY = Journey(
    execution_id=_JOURNEY,
    user_id=_USER,
    sync_id=_SYNC,
    seller_id="seller_456",
    status="waiting",
    phase=5,
    created_at=BEGIN,
    updated_at=_END,
    phases=[
        JourneyPhase(
            phase=5,
            title=PHASES[5].title,
            status="completed",
            round=1,
            attempts=1,
            triggered_by="phase_4",
            requested_at=BEGIN,
            claim_id=_CLAIM,
            started_at=BEGIN,
            completed_at=_END,
            duration_ms=812,
            result=_LINE.result,
            message=_LINE.message,
        )
    ],
    claims=[
        JourneyClaim(
            claim_id=_CLAIM,
            status="submitted",
            created_at=BEGIN,
            updated_at=_END,
            claim_type="lost_inventory",
            amount_cents=12_550,
            confidence=0.91,
            match_confidence=0.93,
            route="auto_submit",
            amazon_case_id=_CASE,
            submissions=1,
            submitted_at=_END,
        )
    ],
    money=[
        JourneyFee(
            claim_id="claim_41",
            amount_cents=10_000,
            currency="usd",
            fee_percent="20",
            fee_cents=2_000,
            payout_cents=8_000,
            status="charged",
            charge_id="ch_311",
            charged_at=_END,
        )
    ],
    documents=[
        JourneyPacket(
            packet_id=ids.packet_id(ids.claim_key(TENANT, _USER, "claim_41")),
            claim_id="claim_41",
            status="completed",
            created_at=_END,
            generation_completed_at=_END,
            packet_bytes=48_213,
            sha256="9f2c" * 16,
        )
    ],
    prompts=[
        JourneyPrompt(
            approval_id="5b0d4c1e-7a2f-4d3b-9c61-0e8f7a6b5c44",
            claim_id="claim_43",
            status="pending",
            expires_at=BEGIN + timedelta(hours=24),
        )
    ],
    timeline=[_LINE],
)
