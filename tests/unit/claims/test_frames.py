"""What pages receive of each phase: the platform's documented events, titles and payloads."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from blocks.contracts.claims.frames import Frame, frames_of
from blocks.contracts.events import PHASE_EVENTS, PhaseEvent
from tests.support.claims.phase_entries import RESULTS

AT = datetime(2026, 3, 1, 12, 30, 5, 678_000, tzinfo=UTC)
AT_TEXT = "2026-03-01T12:30:05.678Z"
MODE = {"is_sandbox": False, "mode": "PRODUCTION"}
CLAIM = {"claim_id": "claim-1", "amazon_case_id": "case-1"}

NOTIFIED: dict[int, list[tuple[str, str, str, dict[str, Any]]]] = {
    1: [
        (
            "success",
            "Onboarding Complete",
            "Connected to Amazon!",
            {
                "sync_started": True,
                "sync_id": "sync-1",
                "next_step": "Syncing your data... (30 seconds)",
            },
        )
    ],
    2: [
        (
            "info",
            "Analyzing your orders…",
            "Data sync complete! Scanning for potential claims...",
            {
                "orders_count": 120,
                "inventory_items": 45,
                "next_step": "Running detection algorithms...",
                **MODE,
            },
        )
    ],
    3: [
        (
            "success",
            "Detection Complete",
            "3 potential claims found! Matching evidence...",
            {
                "claims_found": 3,
                "high_confidence": 1,
                "medium_confidence": 1,
                "success_probability": 63,
                "next_step": "Matching evidence documents...",
                **MODE,
            },
        ),
        (
            "info",
            "Success probability: 63%",
            "Based on ML confidence scoring: 1 high, 1 medium confidence claims",
            {"high_confidence": 1, "medium_confidence": 1, "success_probability": 63, **MODE},
        ),
    ],
    4: [
        (
            "success",
            "Evidence Matching Complete",
            "1 claims ready for automatic submission",
            {
                "auto_submits": 1,
                "smart_prompts": 1,
                "manual_review": 1,
                "next_step": "Submitting high-confidence claims...",
            },
        )
    ],
    5: [
        (
            "success",
            "Claim Submitted",
            "Claim submitted to Amazon (Case #case-1)",
            {**CLAIM, "status": "submitted", "next_step": "Amazon reviewing claim..."},
        )
    ],
    6: [
        (
            "warning",
            "Claim Rejected",
            "Claim rejected - system learning from this feedback",
            {**CLAIM, "rejection_reason": "No proof", "learning_triggered": True},
        )
    ],
    7: [
        (
            "success",
            "Payout Received",
            "Payment received! You keep $80.00",
            {
                **CLAIM,
                "amount_recovered": 100.0,
                "platform_fee": 20.0,
                "seller_payout": 80.0,
                "proof_packet_id": "packet-1",
            },
        )
    ],
}

TITLES = {
    1: "Phase 1: Zero-Friction Onboarding",
    2: "Phase 2: Autonomous Money Discovery",
    3: "Phase 3: Intelligent Evidence Ecosystem",
    4: "Phase 4: Predictive Refund Orchestration",
    5: "Phase 5: Autonomous Recovery Pipeline",
    6: "Phase 6: Continuous Learning Brain",
    7: "Phase 7: Hyper-Transparency Layer",
}
PERCENT = {1: 14, 2: 29, 3: 43, 4: 57, 5: 71, 6: 86, 7: 100}


def an_event(phase: int, outcome: str = "completed", **changes: Any) -> PhaseEvent:
    event = PHASE_EVENTS[phase, outcome](
        phase=phase,  # type: ignore[arg-type] # the tests count
        workflow_id="33333333-3333-4333-8333-333333333333",
        user_id="ann",
        sync_id="sync-1",
        timestamp=AT,
        result=RESULTS[phase] if outcome == "completed" else {},
        message="as it is",
    )
    return replace(event, **changes)


def named(frames: list[Frame], name: str, room: str | None = None) -> list[dict[str, Any]]:
    return [one.data for one in frames if one.name == name and room in (None, one.room)]


@pytest.mark.parametrize("phase", range(1, 8))
def test_a_completed_phase_notifies_its_user_as_documented(phase: int) -> None:
    frames = frames_of(an_event(phase))

    assert [
        {"type": kind, "title": title, "message": message, "data": data}
        for kind, title, message, data in NOTIFIED[phase]
    ] == named(frames, "notification", "user")
    assert [] == named(frames, "notification", "sync")


@pytest.mark.parametrize("phase", range(1, 8))
def test_a_completed_phase_moves_the_progress_in_both_shapes(phase: int) -> None:
    frames = frames_of(an_event(phase))

    assert [
        {
            "syncId": "sync-1",
            "stage": TITLES[phase],
            "percent": PERCENT[phase],
            "totalCases": 7,
            "processedCases": phase,
            "audit": [],
            "updatedAt": AT_TEXT,
        }
    ] == named(frames, "sync_progress_update", "sync")
    assert [
        {
            "syncId": "sync-1",
            "step": phase,
            "totalSteps": 7,
            "currentStep": TITLES[phase],
            "status": "completed",
            "progress": PERCENT[phase],
            "message": "as it is",
            "metadata": RESULTS[phase],
            "updatedAt": AT_TEXT,
        }
    ] == named(frames, "sync_progress_update", "user")


@pytest.mark.parametrize("phase", range(1, 8))
def test_a_completed_phase_is_an_event_of_its_own_with_its_result(phase: int) -> None:
    assert [
        {
            "phase": phase,
            "event": "completed",
            "timestamp": AT_TEXT,
            "syncId": "sync-1",
            "result": RESULTS[phase],
            "message": "as it is",
            "error": None,
        }
    ] == named(frames_of(an_event(phase)), f"workflow.phase.{phase}.completed", "user")


@pytest.mark.parametrize("phase", range(1, 8))
def test_a_phase_that_begins_is_shown_as_running_and_sends_no_event_of_its_own(phase: int) -> None:
    frames = frames_of(an_event(phase, "started"))

    [progress] = named(frames, "sync_progress_update", "user")
    assert ("running", phase) == (progress["status"], progress["step"])
    assert (["notification"] if phase == 1 else []) == [
        frame.name for frame in frames if frame.name != "sync_progress_update"
    ]


def test_onboarding_announces_its_beginning() -> None:
    assert [
        {
            "type": "info",
            "title": "Onboarding Started",
            "message": "Connected to Amazon!",
            "data": {"user_id": "ann", "timestamp": AT_TEXT},
        }
    ] == named(frames_of(an_event(1, "started")), "notification")


@pytest.mark.parametrize("phase", range(1, 8))
def test_a_failed_phase_names_its_error_and_completes_nothing(phase: int) -> None:
    frames = frames_of(an_event(phase, "failed", error="The service answered 500"))

    [notification] = named(frames, "notification")
    assert ("error", "The service answered 500") == (
        notification["type"],
        notification["message"],
    )
    [event] = named(frames, f"workflow.phase.{phase}.failed", "user")
    assert "The service answered 500" == event["error"]
    assert "failed" == named(frames, "sync_progress_update", "user")[0]["status"]
    assert [] == [frame for frame in frames if frame.room == "sync"]


def test_a_rollback_warns() -> None:
    frames = frames_of(an_event(4, "failed", error="no answer", rollback_to=3))

    assert {
        "type": "warning",
        "title": "Workflow Rollback",
        "message": "Phase 4 failed - rolled back to Phase 3",
        "data": {"failed_phase": 4, "rollback_to_phase": 3, "error": "no answer"},
    } == named(frames, "notification")[-1]


def test_the_last_phase_that_a_journey_waited_for_completes_its_sync() -> None:
    frames = frames_of(an_event(7, completes_sync=True))

    assert [{"success": True, "message": "Sync completed successfully"}] == named(
        frames, "sync_completed", "sync"
    )
    [progress] = named(frames, "sync_progress_update", "user")
    assert ("Sync completed successfully", 100) == (progress["currentStep"], progress["progress"])
    assert [] == named(frames_of(an_event(7)), "sync_completed")


def test_a_sandbox_validates_its_evidence() -> None:
    result = {**RESULTS[3], "is_sandbox": True, "mode": "SANDBOX"}

    assert ["Detection Complete", "Success probability: 63%", "Validating evidence"] == [
        one["title"] for one in named(frames_of(an_event(3, result=result)), "notification")
    ]


@pytest.mark.parametrize(
    ("payout", "currency", "kept"),
    [
        (80, "usd", "$80.00"),
        ("1234.5", "usd", "$1234.50"),
        (0.1, "eur", "€0.10"),
        (7, "gbp", "£7.00"),
        (7, "cad", "CA$7.00"),
        (7, None, "$7.00"),
    ],
)
def test_what_the_user_keeps_is_written_with_two_decimals_in_its_currency(
    payout: object, currency: str | None, kept: str
) -> None:
    result = {**RESULTS[7], "seller_payout": payout, "currency": currency}
    [notification] = named(frames_of(an_event(7, result=result)), "notification")

    assert f"Payment received! You keep {kept}" == notification["message"]


@pytest.mark.parametrize("phase", range(1, 8))
@pytest.mark.parametrize("outcome", ["started", "completed", "failed"])
def test_a_phase_without_any_result_still_has_frames_that_json_can_carry(
    phase: int, outcome: str
) -> None:
    frames = frames_of(an_event(phase, outcome, result={}, message=""))

    assert frames
    msgspec.json.encode(frames)
