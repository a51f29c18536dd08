"""The platform's routes for prompts: its answers to the letter, bounds, and the audit log."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from blocks.contracts.approvals import ApprovalPolicy, Approvers
from blocks.contracts.records.claims import ClaimRecord
from tests.support.api.api_client import Api, an_api
from tests.support.claims.records import a_claim, a_journey, a_prompt_about
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_approval, new_id, now

PROMPTS = "/api/v1/evidence/prompts"
YES = {"id": "yes", "text": "Yes", "action": "confirm_evidence"}
NO = {"id": "no", "text": "No", "action": "reject_evidence"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


@pytest.fixture
async def claim(api: Api) -> ClaimRecord:
    journey = a_journey()
    claim = a_claim(journey)
    await api.holds(journey, claim)
    return claim


async def create(api: Api, claim_id: str, **changes: Any) -> httpx.Response:
    body = {"claim_id": claim_id, "question": "Does it prove it?", "options": [YES, NO], **changes}
    return await api.send("POST", PROMPTS, body)


async def answer(api: Api, prompt_id: str, option: str = "yes", **more: str) -> dict[str, Any]:
    path, headers = f"{PROMPTS}/{prompt_id}/answer", {"X-Tenant-ID": A_TENANT, "X-User-ID": "ann"}
    body = {"selected_option": option, **more}
    response = await api.client.post(path, json=body, headers=headers)
    assert 200 == response.status_code, response.text
    content: dict[str, Any] = response.json()
    return content


async def claim_now(api: Api, claim: ClaimRecord) -> ClaimRecord:
    return (await api.store.read(A_TENANT, ClaimRecord, claim.id)).record


# --- create ---------------------------------------------------------------------------------------


async def test_a_created_prompt_has_the_platforms_form(api: Api, claim: ClaimRecord) -> None:
    response = await create(api, claim.claim_id)
    prompt = response.json()

    assert 201 == response.status_code
    assert {
        "prompt_id",
        "claim_id",
        "question",
        "options",
        "status",
        "expires_at",
        "created_at",
    } == (set(prompt))
    assert ("pending", claim.claim_id, [YES, NO]) == (
        prompt["status"],
        prompt["claim_id"],
        prompt["options"],
    )
    assert ("prompted", prompt["prompt_id"]) == (
        (await claim_now(api, claim)).status,
        (await claim_now(api, claim)).approval_id,
    )


async def test_the_same_question_again_is_the_same_prompt_and_another_waits(
    api: Api, claim: ClaimRecord
) -> None:
    first, same = await create(api, claim.claim_id), await create(api, claim.claim_id)
    other = await create(api, claim.claim_id, question="And this?")

    assert first.json() == same.json()
    assert (409, "PROMPT_PENDING") == (other.status_code, other.json()["error"]["code"])


async def test_a_claim_for_review_may_be_asked_about_again(api: Api, claim: ClaimRecord) -> None:
    first = (await create(api, claim.claim_id)).json()["prompt_id"]
    await api.send("DELETE", f"{PROMPTS}/{first}")
    assert "review" == (await claim_now(api, claim)).status

    again = await create(api, claim.claim_id)

    assert 201 == again.status_code
    assert first != again.json()["prompt_id"]
    assert "evidence_confirmed" == (await answer(api, again.json()["prompt_id"]))["action_taken"]


@pytest.mark.parametrize("status", ["submitted", "paid", "declined", "rejected"])
async def test_nothing_is_asked_about_a_claim_that_has_moved_on(api: Api, status: Any) -> None:
    journey = a_journey()
    claim = a_claim(journey, status=status)
    await api.holds(journey, claim)

    response = await create(api, claim.claim_id)

    assert (409, "CLAIM_MOVED_ON") == (response.status_code, response.json()["error"]["code"])


@pytest.mark.parametrize(
    "changes",
    [
        {"claim_id": "unknown"},
        {"question": " "},
        {"question": "?" * 2_001},
        {"options": []},
        {"options": [YES, YES]},
        {"options": [{**YES, "id": str(number)} for number in range(11)]},
        {"options": [{**YES, "action": "pay_it"}]},
        {"options": [{"id": "yes", "text": "Yes"}]},
        {"expiry_hours": 0},
        {"expiry_hours": 8_761},
        {"expiry_hours": "soon"},
        {"metadata": []},
    ],
    ids=str,
)
async def test_a_prompt_out_of_bounds_is_refused(
    api: Api, claim: ClaimRecord, changes: dict[str, Any]
) -> None:
    response = await create(api, **{"claim_id": claim.claim_id, **changes})

    assert 400 == response.status_code
    assert "matched" == (await claim_now(api, claim)).status


async def test_a_claim_id_of_several_users_needs_the_user(api: Api, claim: ClaimRecord) -> None:
    await api.holds(replace(claim, id=new_id(), user_id="seller-2"))

    assert 400 == (await create(api, claim.claim_id)).status_code
    assert 201 == (await create(api, claim.claim_id, user_id=claim.user_id)).status_code


# --- answer ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "taken"),
    [
        ("confirm_evidence", "evidence_confirmed"),
        ("reject_evidence", "evidence_rejected"),
        ("request_additional", "additional_evidence_requested"),
        ("escalate_manual", "escalated_manual_review"),
    ],
)
async def test_each_action_is_answered_with_what_it_did(
    api: Api, claim: ClaimRecord, action: str, taken: str
) -> None:
    options = [{"id": "only", "text": "This", "action": action}]
    prompt_id = (await create(api, claim.claim_id, options=options)).json()["prompt_id"]

    result = await answer(api, prompt_id, "only", reasoning="I looked")

    assert (True, prompt_id, taken) == (
        result["success"],
        result["prompt_id"],
        result["action_taken"],
    )
    assert {"success", "prompt_id", "action_taken", "message"} == set(result)


async def test_what_does_not_count_is_answered_200_with_an_error(
    api: Api, claim: ClaimRecord
) -> None:
    pending = a_prompt_about(claim)
    foreign = a_prompt_about(a_claim(tenant_id=ANOTHER_TENANT))
    answered, withdrawn = (a_prompt_about(claim, status=one) for one in ("approved", "cancelled"))
    no_prompt = an_approval(execution_id=None)
    for_bob = a_prompt_about(claim, policy=ApprovalPolicy(approvers=Approvers(users=("bob",))))
    await api.holds(pending, foreign, answered, withdrawn, no_prompt, for_bob)

    for prompt_id, option in [
        (new_id(), "confirm"),
        ("no-id", "confirm"),
        (foreign.id, "confirm"),
        (no_prompt.id, "confirm"),
        (answered.id, "confirm"),
        (withdrawn.id, "confirm"),
        (for_bob.id, "confirm"),
        (pending.id, "no such option"),
    ]:
        result = await answer(api, prompt_id, option)
        assert (False, "error") == (result["success"], result["action_taken"]), result


async def test_an_answer_that_comes_too_late_is_expired_before_the_clock_has_looked(
    api: Api, claim: ClaimRecord
) -> None:
    late = a_prompt_about(claim, expires_at=now() - timedelta(seconds=1))
    await api.holds(late)

    result = await answer(api, late.id, "confirm")

    assert (False, "expired") == (result["success"], result["action_taken"])


# --- list, withdraw, audit log --------------------------------------------------------------------


async def test_prompts_are_listed_by_claim_and_status(api: Api, claim: ClaimRecord) -> None:
    of_status = {
        "pending": a_prompt_about(claim),
        "answered": a_prompt_about(claim, status="rejected"),
        "cancelled": a_prompt_about(claim, status="cancelled"),
        "expired": a_prompt_about(claim, expires_at=now() - timedelta(seconds=1)),
    }
    await api.holds(*of_status.values(), a_prompt_about(a_claim()))
    path = f"{PROMPTS}/{claim.claim_id}"

    everything = (await api.get(path)).json()["prompts"]
    assert {one.id for one in of_status.values()} == {one["prompt_id"] for one in everything}
    for status, prompt in of_status.items():
        found = (await api.get(path, status=status)).json()["prompts"]
        assert [(prompt.id, status)] == [(one["prompt_id"], one["status"]) for one in found]


async def test_another_tenant_sees_and_withdraws_nothing(api: Api, claim: ClaimRecord) -> None:
    prompt_id = (await create(api, claim.claim_id)).json()["prompt_id"]

    found = await api.get(f"{PROMPTS}/{claim.claim_id}", ANOTHER_TENANT)
    withdrawn = await api.send("DELETE", f"{PROMPTS}/{prompt_id}", tenant_id=ANOTHER_TENANT)

    assert [] == found.json()["prompts"]
    assert (False, "error") == (withdrawn.json()["success"], withdrawn.json()["action_taken"])
    assert "prompted" == (await claim_now(api, claim)).status


async def test_the_audit_log_shows_what_happened_newest_first(api: Api, claim: ClaimRecord) -> None:
    first = (await create(api, claim.claim_id)).json()["prompt_id"]
    await api.send("DELETE", f"{PROMPTS}/{first}")
    second = (await create(api, claim.claim_id)).json()["prompt_id"]
    await answer(api, second, "no", reasoning="another order")
    path = f"/api/v1/evidence/audit-log/{claim.claim_id}"

    log = (await api.get(path)).json()

    assert [
        ("prompt_answered", second),
        ("prompt_created", second),
        ("prompt_cancelled", first),
        ("prompt_created", first),
    ] == [(line["action"], line["prompt_id"]) for line in log["entries"]]
    assert ("ann", "no: another order") == (
        log["entries"][0]["actor"],
        log["entries"][0]["details"],
    )
    page = (await api.get(path, limit=1, offset=2)).json()
    assert (4, ["prompt_cancelled"]) == (page["total"], [one["action"] for one in page["entries"]])
    assert 400 == (await api.get(path, limit=201)).status_code


async def test_there_is_no_audit_log_of_a_claim_that_the_tenant_does_not_have(
    api: Api, claim: ClaimRecord
) -> None:
    path = "/api/v1/evidence/audit-log"

    assert [] == (await api.get(f"{path}/{claim.claim_id}")).json()["entries"]
    for answer in (
        await api.get(f"{path}/{claim.claim_id}", ANOTHER_TENANT),
        await api.get(f"{path}/unknown"),
    ):
        assert (404, "CLAIM_NOT_FOUND") == (answer.status_code, answer.json()["error"]["code"])
