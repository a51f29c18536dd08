"""A claim joins the journey that names it, and the prompt about it goes with it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from api.reconciler import Parts
from api.reconciler.kinds.approvals import OverdueApprovals, UnfollowedApprovals
from blocks.actions.cancelling import cancel_execution
from blocks.approvals import lifecycle
from blocks.claims import claims
from blocks.claims.prompts import ask
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.claims.findings import Claim, Match
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.records.claims import ClaimRecord, JourneyInput, PhaseRecord
from blocks.ports import EventBus, NotFound, RecordStore
from blocks.services import open_bus
from blocks.settings import load_settings
from tests.support.api.api_client import Api, an_api
from tests.support.claims.records import A_USER, a_claim, a_journey
from tests.support.factories import A_TENANT, a_tenant_record, new_id
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.journeys.triggers import Died, Fuse, Fused

PROMPTS = "/api/v1/evidence/prompts"
QUESTION: dict[str, Any] = {
    "question": "Does it prove it?",
    "options": [
        {"id": "yes", "text": "Yes", "action": "confirm_evidence"},
        {"id": "no", "text": "No", "action": "reject_evidence"},
    ],
}


class Scene(msgspec.Struct):
    """A claim in a journey of its own, and the journey of a sync that is about to name it."""

    api: Api
    bus: EventBus
    former: ExecutionRecord
    sync: ExecutionRecord
    claim_id: str
    key: str

    @property
    def store(self) -> RecordStore:
        return self.api.store

    async def asked(self) -> str:
        """The id of a prompt about the claim."""
        answer = await self.api.send("POST", PROMPTS, {"claim_id": self.claim_id, **QUESTION})
        assert 201 == answer.status_code, answer.text
        return str(answer.json()["prompt_id"])

    async def joined(self, store: RecordStore | None = None) -> None:
        found = Claim(claim_id=self.claim_id)
        await claims.name_claim(store or self.store, self.bus, self.sync, found)

    async def cancelled(self, journey: ExecutionRecord) -> None:
        flow_runs = RememberedFlowRuns()
        await cancel_execution(self.store, self.bus, flow_runs, A_TENANT, journey.id, "unwanted")

    async def approval(self, id: str) -> ApprovalRecord:
        return (await self.store.read(A_TENANT, ApprovalRecord, id)).record

    async def claim(self) -> ClaimRecord:
        return (await self.store.read(A_TENANT, ClaimRecord, self.key)).record

    async def status(self, journey: ExecutionRecord) -> str:
        return (await self.store.read(A_TENANT, ExecutionRecord, journey.id)).record.status

    async def submission(self) -> PhaseRecord | None:
        try:
            phase_id = ids.phase_record_id(self.key, 5)
            return (await self.store.read(A_TENANT, PhaseRecord, phase_id)).record
        except NotFound:
            return None

    async def swept(self) -> None:
        parts = Parts.of(load_settings({}), self.store, self.bus, RememberedFlowRuns())
        for drift in (OverdueApprovals(parts), UnfollowedApprovals(parts)):
            await drift.look()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    async with open_bus(settings, "test") as bus, an_api(tmp_path) as api:
        own = JourneyInput(user_id=A_USER, sync_id=new_id(), named_by_claim=True)
        former = a_journey(
            id=ids.journey_id(A_TENANT, A_USER, own.sync_id), input=msgspec.to_builtins(own)
        )
        sync, claim = a_journey(), a_claim(former, status="found")
        await api.store.create(ids.SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
        await api.holds(former, sync, claim)
        yield Scene(api, bus, former, sync, claim.claim_id, claim.id)


async def test_a_prompt_belongs_to_the_journey_of_its_claim(scene: Scene) -> None:
    prompt = await scene.asked()
    before = await scene.approval(prompt)

    await scene.joined()

    after = await scene.approval(prompt)
    assert (scene.former.id, scene.sync.id) == (before.execution_id, after.execution_id)
    assert scene.sync.input["syncId"] == after.context["syncId"]
    assert (before.version, before.history) == (after.version, after.history)
    shown = (await scene.api.get(f"/api/v1/hitl/approvals/{prompt}")).json()
    assert scene.sync.id == shown["executionId"]
    listed = (await scene.api.get(f"{PROMPTS}/{scene.claim_id}")).json()["prompts"]
    assert [(prompt, "pending")] == [(one["prompt_id"], one["status"]) for one in listed]
    path = f"/api/v1/claims/{scene.sync.input['syncId']}?userId={A_USER}"
    of_sync = (await scene.api.get(path)).json()
    assert prompt in str(of_sync)


async def test_the_same_question_after_the_claim_has_joined_is_the_same_prompt(
    scene: Scene,
) -> None:
    prompt = await scene.asked()
    await scene.joined()

    assert prompt == await scene.asked()


async def test_a_joined_claims_prompt_is_answered_in_its_journey(scene: Scene) -> None:
    prompt = await scene.asked()
    await scene.joined()

    path = f"{PROMPTS}/{prompt}/answer"
    headers = {"X-Tenant-ID": A_TENANT, "X-User-ID": "ann"}
    answer = await scene.api.client.post(path, json={"selected_option": "yes"}, headers=headers)

    assert "evidence_confirmed" == answer.json()["action_taken"]
    submission = await scene.submission()
    assert submission
    assert scene.sync.id == submission.execution_id
    assert "pending" == await scene.status(scene.sync)


async def test_a_joined_claims_prompt_can_be_withdrawn(scene: Scene) -> None:
    prompt = await scene.asked()
    await scene.joined()

    await scene.api.send("DELETE", f"{PROMPTS}/{prompt}")

    assert "review" == (await scene.claim()).status
    assert "pending" == await scene.status(scene.sync)


async def test_a_joined_claims_prompt_expires(scene: Scene) -> None:
    prompt = await scene.asked()
    await scene.joined()
    past = utc_now() - timedelta(seconds=1)
    await lifecycle.change(scene.store, A_TENANT, prompt, lambda one: replace(one, expires_at=past))

    await scene.swept()

    assert ("expired", "review") == (
        (await scene.approval(prompt)).status,
        (await scene.claim()).status,
    )
    assert "pending" == await scene.status(scene.sync)


async def test_cancelling_the_journey_that_a_claim_has_left_withdraws_nothing(
    scene: Scene,
) -> None:
    prompt = await scene.asked()
    await scene.joined()

    await scene.cancelled(scene.former)
    await scene.swept()

    assert ("pending", "prompted") == (
        (await scene.approval(prompt)).status,
        (await scene.claim()).status,
    )


async def test_cancelling_the_journey_that_a_claim_has_joined_withdraws_its_prompt(
    scene: Scene,
) -> None:
    prompt = await scene.asked()
    await scene.joined()

    await scene.cancelled(scene.sync)
    await scene.swept()

    assert ("cancelled", "review") == (
        (await scene.approval(prompt)).status,
        (await scene.claim()).status,
    )
    assert None is await scene.submission()


async def test_a_prompt_whose_claim_joined_a_journey_while_it_was_cancelled_is_withdrawn(
    scene: Scene,
) -> None:
    prompt = await scene.asked()
    await scene.cancelled(scene.sync)

    await scene.joined()

    assert "cancelled" == (await scene.approval(prompt)).status


async def test_cancelling_counts_by_the_claim_where_a_crash_left_its_prompt_behind(
    scene: Scene,
) -> None:
    prompt = await scene.asked()
    stored = await scene.store.read(A_TENANT, ClaimRecord, scene.key)
    moved = replace(stored.record, execution_id=scene.sync.id, joined_from=[scene.former.id])
    await scene.store.replace(A_TENANT, stored.etag, moved)

    await scene.cancelled(scene.former)
    assert "pending" == (await scene.approval(prompt)).status
    await scene.cancelled(scene.sync)
    assert "cancelled" == (await scene.approval(prompt)).status


class Joining:
    """A store, and a sync that names the claim after so many changes."""

    def __init__(self, scene: Scene, after: int) -> None:
        self._scene, self._left = scene, after

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._scene.store, name)
        if name not in ("create", "replace"):
            return call

        async def changing(*args: Any) -> Any:
            self._left -= 1
            done = await call(*args)
            if self._left == 0:
                await self._scene.joined()
            return done

        return changing


@pytest.mark.parametrize("after", range(1, 4))
async def test_a_claim_that_joins_while_it_is_asked_about_takes_the_prompt_along(
    scene: Scene, after: int
) -> None:
    match = Match(claim_id=scene.claim_id, confidence=0.7)
    claim = await scene.store.read(A_TENANT, ClaimRecord, scene.key)
    store: Any = Joining(scene, after)

    asked = await ask(store, scene.bus, load_settings({}), claim, match, scene.former)

    assert asked
    assert scene.sync.id == (await scene.claim()).execution_id
    assert scene.sync.id == (await scene.approval(asked.id)).execution_id


@pytest.mark.parametrize("is_done_first", [False, True], ids=["lost", "answer-lost"])
@pytest.mark.parametrize("blows_at", range(1, 12))
async def test_naming_a_claim_again_after_a_crash_brings_its_prompt(
    scene: Scene, blows_at: int, is_done_first: bool
) -> None:
    prompt, fuse = await scene.asked(), Fuse()
    fuse.set(blows_at, is_done_first=is_done_first)
    try:
        await scene.joined(Fused(scene.store, fuse))
    except Died:
        await scene.joined()

    assert scene.sync.id == (await scene.approval(prompt)).execution_id
