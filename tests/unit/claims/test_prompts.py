"""Smart prompts on the embedded store and bus: what is asked, and what each decision makes of the
claim, through the API's own doors, the clock, and after a crash.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from api.reconciler import Parts
from api.reconciler.kinds.approvals import OverdueApprovals, UnfollowedApprovals
from blocks.actions.cancelling import cancel_execution
from blocks.approvals import lifecycle
from blocks.approvals.decisions import AlreadyDecided, Vote
from blocks.claims import triggers
from blocks.claims.prompts import ask, settle_prompt
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.claims.findings import Match
from blocks.contracts.claims.prompts import CHOSEN
from blocks.contracts.claims.requests import PhaseTrigger
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.records.claims import ClaimRecord, PhaseRecord
from blocks.ports import EventBus, NotFound, RecordStore, Stored
from blocks.services import open_bus
from blocks.settings import Settings, load_settings
from deployments.cli.app import cli
from tests.support.api.api_client import Api, an_api
from tests.support.api.approval_links import SECRET, a_token
from tests.support.claims.records import A_USER, a_claim, a_journey
from tests.support.factories import A_TENANT, a_tenant_record
from tests.support.flow_runs import RememberedFlowRuns

ANSWERS = [
    ("confirm", "evidence_confirmed", "prompted"),
    ("reject", "evidence_rejected", "declined"),
    ("additional", "additional_evidence_requested", "review"),
    ("manual", "escalated_manual_review", "review"),
]


class Scene(msgspec.Struct):
    """An API, and a claim of a journey at rest about which a person is asked."""

    api: Api
    bus: EventBus
    settings: Settings
    journey: ExecutionRecord
    stored: Stored[ClaimRecord]

    @property
    def store(self) -> RecordStore:
        return self.api.store

    async def asked(self) -> ApprovalRecord:
        match = Match(
            claim_id=self.stored.record.claim_id,
            evidence_document_id="invoice-7",
            confidence=0.72,
            reasoning="same order",
        )
        approval = await ask(self.store, self.bus, self.settings, self.stored, match, self.journey)
        assert approval is not None
        return approval

    async def claim(self) -> ClaimRecord:
        return (await self.store.read(A_TENANT, ClaimRecord, self.stored.record.id)).record

    async def approval(self, id: str) -> ApprovalRecord:
        return (await self.store.read(A_TENANT, ApprovalRecord, id)).record

    async def status(self) -> str:
        """The journey's."""
        return (await self.store.read(A_TENANT, ExecutionRecord, self.journey.id)).record.status

    async def submission(self) -> PhaseRecord | None:
        """The request of phase 5, if there is one."""
        try:
            phase_id = ids.phase_record_id(self.stored.record.id, 5)
            return (await self.store.read(A_TENANT, PhaseRecord, phase_id)).record
        except NotFound:
            return None

    async def outcome(self) -> tuple[str, str, bool]:
        """The claim's status, the journey's, and whether a submission is requested."""
        claim, phase = await self.claim(), await self.submission()
        return claim.status, await self.status(), phase is not None

    async def sweep(self) -> None:
        """The reconciler looks once."""
        parts = Parts.of(self.settings, self.store, self.bus, RememberedFlowRuns())
        for drift in (OverdueApprovals(parts), UnfollowedApprovals(parts)):
            await drift.look()

    async def overdue(self, approval: ApprovalRecord) -> None:
        """Its time has passed."""
        past = utc_now() - timedelta(seconds=1)
        await lifecycle.change(
            self.store, A_TENANT, approval.id, lambda one: replace(one, expires_at=past)
        )


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    async with (
        open_bus(settings, "test") as bus,
        an_api(tmp_path, APPROVAL_LINK_SECRET=SECRET) as api,
    ):
        journey = a_journey()
        await api.store.create(ids.SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
        await api.holds(journey)
        claim = await api.store.create(A_TENANT, a_claim(journey))
        yield Scene(api, bus, settings, journey, claim)


# --- ask ------------------------------------------------------------------------------------------


async def test_a_prompt_is_an_approval_of_its_journey_and_the_claim_waits_for_it(
    scene: Scene,
) -> None:
    approval = await scene.asked()
    claim = await scene.claim()

    assert ("prompted", approval.id) == (claim.status, claim.approval_id)
    assert (claim.claim_id, scene.journey.id, "evidence", 125.5, "fail") == (
        approval.about,
        approval.execution_id,
        approval.gate,
        approval.amount,
        approval.on_expiry,
    )
    assert approval.expires_at
    waits = approval.expires_at - approval.requested_at
    assert abs(waits - timedelta(hours=24)) < timedelta(seconds=5)
    for part in ("invoice-7", claim.claim_id, "125.50 USD", "0.72", "same order"):
        assert part in approval.summary
    assert 1 == approval.published_count


async def test_asking_again_after_a_crash_asks_once(scene: Scene) -> None:
    first, second = await scene.asked(), await scene.asked()

    assert first.id == second.id
    found = await scene.api.get("/api/v1/hitl/approvals")
    assert [first.id] == [one["id"] for one in found.json()["items"]]


@pytest.mark.parametrize("status", ["review", "submitted", "declined", "rejected", "paid"])
async def test_a_claim_that_has_moved_on_is_not_asked_about(scene: Scene, status: Any) -> None:
    claim = replace(scene.stored.record, status=status)
    scene.stored = await scene.store.replace(A_TENANT, scene.stored.etag, claim)
    match = Match(claim_id=claim.claim_id)

    assert None is await ask(
        scene.store, scene.bus, scene.settings, scene.stored, match, scene.journey
    )
    assert status == (await scene.claim()).status


# --- answer ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("option", "taken", "status"), ANSWERS)
async def test_an_answer_moves_the_claim_on(
    scene: Scene, option: str, taken: str, status: str
) -> None:
    prompt = await scene.asked()

    answer = await answered(scene, prompt, option)

    assert (True, taken) == (answer["success"], answer["action_taken"])
    assert (status, "pending", option == "confirm") == await scene.outcome()
    assert None is not (await scene.approval(prompt.id)).settled_at


async def through_the_api(scene: Scene, approval: ApprovalRecord, outcome: str) -> None:
    body = {"outcome": outcome}
    await sent(scene, f"/api/v1/hitl/approvals/{approval.id}/decisions", body)


async def through_a_link(scene: Scene, approval: ApprovalRecord, outcome: str) -> None:
    path = f"/api/v1/hitl/links/{a_token(approval)}"
    await scene.api.client.post(path, json={"outcome": outcome})


async def through_its_page(scene: Scene, approval: ApprovalRecord, outcome: str) -> None:
    page = f"/api/v1/hitl/links/{a_token(approval)}/page"
    assert "invoice-7" in (await scene.api.client.get(page)).text
    await scene.api.client.post(page, data={"outcome": outcome})


async def through_the_command_line(scene: Scene, approval: ApprovalRecord, outcome: str) -> None:
    command = "approve" if outcome == "approved" else "reject"
    arguments = ["approvals", command, approval.id, "--tenant", A_TENANT, "--as", "ann"]
    environment = {"ORCHESTRATOR_DATA_DIR": scene.api.folder}
    result = await asyncio.to_thread(CliRunner().invoke, cli, arguments, obj={}, env=environment)
    assert None is result.exception, result.output


@pytest.mark.parametrize(
    "decide",
    [through_the_api, through_a_link, through_its_page, through_the_command_line],
)
@pytest.mark.parametrize(
    ("outcome", "expected"),
    [("approved", ("prompted", "pending", True)), ("rejected", ("declined", "pending", False))],
)
async def test_whichever_channel_decides_the_claim_moves_on(
    scene: Scene, decide: Any, outcome: str, expected: tuple[str, str, bool]
) -> None:
    await decide(scene, await scene.asked(), outcome)

    assert expected == await scene.outcome()


async def test_an_approval_that_names_another_answer_submits_nothing(scene: Scene) -> None:
    prompt = await scene.asked()

    body = {"outcome": "approved", "form": {CHOSEN: "manual"}}
    await sent(scene, f"/api/v1/hitl/approvals/{prompt.id}/decisions", body)

    assert ("review", "pending", False) == await scene.outcome()


async def test_of_two_answers_at_once_one_counts(scene: Scene) -> None:
    prompt = await scene.asked()

    answers = await asyncio.gather(
        answered(scene, prompt, "confirm"), answered(scene, prompt, "reject")
    )

    assert [False, True] == sorted(answer["success"] for answer in answers)
    counted = next(one["action_taken"] for one in answers if one["success"])
    is_confirmed = counted == "evidence_confirmed"
    assert ("prompted" if is_confirmed else "declined", "pending", is_confirmed) == (
        await scene.outcome()
    )


async def test_settling_twice_requests_one_submission_even_if_it_has_failed_meanwhile(
    scene: Scene,
) -> None:
    prompt = await scene.asked()
    await answered(scene, prompt, "confirm")
    phase = await scene.store.read(
        A_TENANT, PhaseRecord, ids.phase_record_id(scene.stored.record.id, 5)
    )
    await scene.store.replace(A_TENANT, phase.etag, replace(phase.record, status="failed"))

    await settle_prompt(scene.store, scene.bus, await scene.approval(prompt.id))

    submission = await scene.submission()
    assert submission
    assert ("failed", 1) == (submission.status, submission.round)


async def test_a_submission_requested_while_the_question_was_open_stands(scene: Scene) -> None:
    prompt = await scene.asked()
    claim = scene.stored.record
    trigger = PhaseTrigger(
        phase=5,
        user_id=A_USER,
        sync_id=claim.sync_id,
        names_sync=True,
        claim_id=claim.claim_id,
        amazon_case_id="case-1",
    )
    await triggers.accept(scene.store, scene.bus, A_TENANT, trigger)

    await answered(scene, prompt, "confirm")

    submission = await scene.submission()
    assert submission
    assert (1, "case-1", None) == (
        submission.round,
        submission.trigger.amazon_case_id,
        submission.next_trigger,
    )


async def test_an_answer_about_a_claim_that_has_moved_on_changes_nothing(scene: Scene) -> None:
    prompt = await scene.asked()
    stored = await scene.store.read(A_TENANT, ClaimRecord, scene.stored.record.id)
    await scene.store.replace(A_TENANT, stored.etag, replace(stored.record, status="paid"))

    await answered(scene, prompt, "reject")

    assert "paid" == (await scene.claim()).status


async def test_an_approval_that_only_looks_like_a_prompt_moves_no_claim(scene: Scene) -> None:
    prompt = await scene.asked()
    forged = replace(prompt, id=ids.approval_id(prompt.id, "forged"), execution_id=None)
    await scene.api.holds(forged)

    await through_the_api(scene, forged, "approved")

    assert ("prompted", "waiting", False) == await scene.outcome()


# --- time, crashes, cancellation ------------------------------------------------------------------


async def test_silence_submits_nothing_and_leaves_the_claim_for_review(scene: Scene) -> None:
    prompt = await scene.asked()
    await scene.overdue(prompt)

    await scene.sweep()
    await scene.sweep()

    assert ("review", "pending", False) == await scene.outcome()
    assert "expired" == (await scene.approval(prompt.id)).status
    assert "expired" == (await answered(scene, prompt, "confirm"))["action_taken"]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [("approved", ("prompted", "pending", True)), ("rejected", ("declined", "pending", False))],
)
async def test_a_decision_whose_process_died_is_settled_by_the_reconciler(
    scene: Scene, outcome: Any, expected: tuple[str, str, bool]
) -> None:
    prompt = await scene.asked()
    vote = Vote(actor="ann", outcome=outcome, channel="api")
    await lifecycle.record_vote(scene.store, A_TENANT, prompt.id, vote)
    assert "waiting" == await scene.status()

    await scene.sweep()
    await scene.sweep()

    assert expected == await scene.outcome()
    assert None is not (await scene.approval(prompt.id)).settled_at


@pytest.mark.parametrize("status", ["running", "waiting", "pending"])
async def test_a_decision_reaches_a_journey_in_whatever_state_it_is_open(
    scene: Scene, status: Any
) -> None:
    prompt = await scene.asked()
    stored = await scene.store.read(A_TENANT, ExecutionRecord, scene.journey.id)
    await scene.store.replace(A_TENANT, stored.etag, replace(stored.record, status=status))

    await answered(scene, prompt, "reject")

    expected = "running" if status == "running" else "pending"
    assert ("declined", expected, False) == await scene.outcome()


async def test_cancelling_the_journey_withdraws_its_prompts(scene: Scene) -> None:
    prompt = await scene.asked()

    await cancel_execution(
        scene.store, scene.bus, RememberedFlowRuns(), A_TENANT, scene.journey.id, "not wanted"
    )
    await scene.sweep()

    assert "cancelled" == (await scene.approval(prompt.id)).status
    assert ("review", "cancelled", False) == await scene.outcome()
    vote = Vote(actor="ann", outcome="approved", channel="api")
    with pytest.raises(AlreadyDecided):
        await lifecycle.record_vote(scene.store, A_TENANT, prompt.id, vote)


async def test_what_is_asked_while_the_journey_is_cancelled_is_withdrawn(scene: Scene) -> None:
    flow_runs = RememberedFlowRuns()
    await cancel_execution(
        scene.store, scene.bus, flow_runs, A_TENANT, scene.journey.id, "not wanted"
    )

    prompt = await scene.asked()

    assert "cancelled" == (await scene.approval(prompt.id)).status


async def answered(scene: Scene, prompt: ApprovalRecord, option: str) -> dict[str, Any]:
    path = f"/api/v1/evidence/prompts/{prompt.id}/answer"
    return await sent(scene, path, {"selected_option": option})


async def sent(scene: Scene, path: str, body: object) -> dict[str, Any]:
    """The answer to ann's request."""
    headers = {"X-Tenant-ID": A_TENANT, "X-User-ID": "ann"}
    answer = await scene.api.client.post(path, json=body, headers=headers)
    assert 200 == answer.status_code, answer.text
    content: dict[str, Any] = answer.json()
    return content
