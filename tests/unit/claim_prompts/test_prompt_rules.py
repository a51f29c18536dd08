"""A tenant's own rule for prompts: who answers, how many, until when; and what it may not set."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from blocks.contracts.definitions import WantedDefinition
from blocks.contracts.records import ApprovalRecord
from blocks.contracts.records.claims import ClaimRecord
from blocks.definitions.deadlines import overdue
from blocks.definitions.versions import set_definition
from blocks.ports import Query
from blocks.settings import load_settings
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import a_token
from tests.support.claims.records import a_claim, a_journey
from tests.support.factories import A_TENANT, now
from tests.support.journeys.carried import Carried, carried

PATH = "/api/v1/definitions/claim-recovery"
PROMPTS = "/api/v1/evidence/prompts"
YES = {"id": "yes", "text": "Yes", "action": "confirm_evidence"}
TWO_OF_THREE: dict[str, Any] = {
    "policy": {"approvers": {"users": ["ann", "bob", "cy"]}, "quorum": 2},
    "expiresAfterSeconds": 7200,
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


async def defined(api: Api, approval: dict[str, Any], **more: Any) -> httpx.Response:
    return await api.send("PUT", PATH, {"approval": approval, **more})


async def asked(api: Api, **changes: Any) -> tuple[ClaimRecord, ApprovalRecord]:
    """A new claim, and what is asked about it."""
    journey = a_journey()
    claim = a_claim(journey)
    await api.holds(journey, claim)
    body = {"claim_id": claim.claim_id, "question": "Does it?", "options": [YES], **changes}
    response = await api.send("POST", PROMPTS, body)
    assert 201 == response.status_code, response.text
    id = response.json()["prompt_id"]
    return claim, (await api.store.read(A_TENANT, ApprovalRecord, id)).record


async def answered(api: Api, prompt: ApprovalRecord, user: str) -> bool:
    headers = {"X-Tenant-ID": A_TENANT, "X-User-ID": user}
    path = f"{PROMPTS}/{prompt.id}/answer"
    answer = await api.client.post(path, json={"selected_option": "yes"}, headers=headers)
    return bool(answer.json()["success"])


def hours_open(prompt: ApprovalRecord) -> float:
    assert prompt.expires_at
    return round((prompt.expires_at - prompt.requested_at) / timedelta(hours=1), 2)


async def test_without_a_definition_prompts_are_asked_as_the_platform_has_it(api: Api) -> None:
    definition = (await api.get(PATH)).json()

    assert (True, True, None, {}) == (
        definition["isDefault"],
        definition["approval"]["enabled"],
        definition["stepTimeoutSeconds"],
        definition["steps"],
    )
    _, prompt = await asked(api)
    assert ("never", 1, 24.0) == (
        prompt.policy.reason_required,
        prompt.policy.quorum,
        hours_open(prompt),
    )
    _, longer = await asked(api, expiry_hours=168)
    assert 168.0 == hours_open(longer)


async def test_a_tenants_approvers_and_their_number_decide(api: Api) -> None:
    assert 200 == (await defined(api, TWO_OF_THREE)).status_code
    _, prompt = await asked(api)

    assert not await answered(api, prompt, "dora")
    assert await answered(api, prompt, "ann")
    assert not await answered(api, prompt, "ann")
    assert "pending" == (await api.store.read(A_TENANT, ApprovalRecord, prompt.id)).record.status
    assert await answered(api, prompt, "bob")
    assert "approved" == (await api.store.read(A_TENANT, ApprovalRecord, prompt.id)).record.status


async def test_what_a_rule_leaves_out_is_the_platforms(api: Api) -> None:
    rule = (await defined(api, {"policy": {"quorum": 2}})).json()["approval"]

    assert (True, 86_400.0, "never", 2) == (
        rule["enabled"],
        rule["expiresAfterSeconds"],
        rule["policy"]["reasonRequired"],
        rule["policy"]["quorum"],
    )


@pytest.mark.parametrize(("hours", "expected"), [(None, 2.0), (1, 1.0), (48, 2.0)])
async def test_a_caller_may_shorten_the_tenants_time_and_not_extend_it(
    api: Api, hours: float | None, expected: float
) -> None:
    await defined(api, TWO_OF_THREE)

    _, prompt = await asked(api, **({} if hours is None else {"expiry_hours": hours}))

    assert expected == hours_open(prompt)


async def test_a_prompt_keeps_the_rule_by_which_it_was_asked(api: Api) -> None:
    await defined(api, TWO_OF_THREE)
    _, prompt = await asked(api)
    await api.send("DELETE", PATH)

    assert not await answered(api, prompt, "dora")
    _, later = await asked(api)
    assert 1 == later.policy.quorum


async def test_reminders_and_escalations_go_with_the_prompt(api: Api) -> None:
    more = {
        "remindAfterSeconds": [3600],
        "onExpiry": "escalate",
        "escalations": [{"afterSeconds": 5400, "approvers": {"roles": ["lead"]}}],
    }
    await defined(api, {**TWO_OF_THREE, **more})

    _, prompt = await asked(api)

    assert ("escalate", 1, ("lead",)) == (
        prompt.on_expiry,
        len(prompt.reminders),
        prompt.escalations[0].approvers.roles,
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"enabled": False}, "enabled"),
        ({"stepTimeoutSeconds": 5}, "stepTimeoutSeconds"),
        ({"steps": {"sync": {"critical": True}}}, "steps"),
        ({"approval": {"onExpiry": "approve", "expiresAfterSeconds": 90}}, "approval.onExpiry"),
        ({"approval": {"onExpiry": "reject"}}, "approval.onExpiry"),
        ({"approval": {"onExpiry": "escalate"}}, "approval.onExpiry"),
        ({"approval": {"onReject": "complete"}}, "approval.onReject"),
        ({"approval": {"conditions": []}}, "approval.conditions"),
        ({"approval": {"minAmount": 5}}, "approval.minAmount"),
        ({"approval": {"minRiskScore": 0.5}}, "approval.minRiskScore"),
        ({"approval": {"onUnknown": "skip"}}, "approval.onUnknown"),
        ({"approval": {"formSchema": {"type": "object"}}}, "approval.formSchema"),
        ({"approval": {"expiresAfterSeconds": 59}}, "approval.expiresAfterSeconds"),
        ({"approval": {"expiresAfterSeconds": 31_536_001}}, "approval.expiresAfterSeconds"),
        (
            {"approval": {"policy": {"approvers": {"users": ["ann"]}, "quorum": 2}}},
            "approval.policy.quorum",
        ),
    ],
)
async def test_what_makes_no_sense_for_prompts_is_refused_with_its_field(
    api: Api, body: dict[str, Any], field: str
) -> None:
    response = await api.send("PUT", PATH, body)

    assert 400 == response.status_code, response.text
    assert field == response.json()["error"]["details"][0]["field"]
    assert (await api.get(PATH)).json()["isDefault"]


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_only_an_administrator_changes_the_rule(api: Api, role: str, method: str) -> None:
    headers = {"Authorization": f"Bearer {a_token(role)}", "X-Tenant-ID": A_TENANT}

    response = await api.client.request(method, PATH, json={}, headers=headers)

    assert 403 == response.status_code


# --- in a journey ---------------------------------------------------------------------------------


async def routed(here: Carried, rule: dict[str, Any]) -> tuple[str, list[ApprovalRecord]]:
    """What becomes of a claim whose evidence is worth a question."""
    wanted = msgspec.convert({"approval": rule}, WantedDefinition)
    settings = here.parts.context.settings
    await set_definition(here.store, A_TENANT, "claim-recovery", settings, wanted)
    journey = await here.triggered(4, matches=[{"claim_id": "c-1", "confidence": 0.7}])
    [claim] = await here.claims(journey.id)
    found = await here.store.query(A_TENANT, Query(ApprovalRecord, {}))
    return claim.status, [stored.record for stored in found.items]


async def test_phase_4_asks_by_the_tenants_rule(tmp_path: Path) -> None:
    async with carried(tmp_path) as here:
        status, [prompt] = await routed(here, TWO_OF_THREE)

    assert ("prompted", 2, 2.0) == (status, prompt.policy.quorum, hours_open(prompt))


async def test_a_tenant_without_prompts_reviews_such_claims_itself(tmp_path: Path) -> None:
    async with carried(tmp_path) as here:
        assert ("review", []) == await routed(here, {"enabled": False})


async def test_a_tenant_cannot_switch_on_what_the_platform_has_switched_off(
    tmp_path: Path,
) -> None:
    async with carried(tmp_path, FEATURE_FLAG_EV_SMART_PROMPTS="false") as here:
        assert ("review", []) == await routed(here, {"enabled": True})


async def test_a_journey_that_runs_for_long_is_not_overdue(tmp_path: Path) -> None:
    async with an_api(tmp_path) as api:
        long_ago = now() - timedelta(days=30)
        await api.holds(a_journey(status="running", started_at=long_ago, updated_at=long_ago))

        assert [] == await overdue(api.store, load_settings({}), [A_TENANT])
