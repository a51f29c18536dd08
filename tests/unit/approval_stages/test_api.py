"""Questions, stages of a rule, and stand-ins over HTTP."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from blocks.contracts import ids
from blocks.contracts.approvals import ApprovalPolicy, Approvers
from blocks.contracts.records import StandInRecord
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import a_token, as_user
from tests.support.factories import A_TENANT, a_stand_in, an_approval, now
from tests.unit.approval_stages.terms import in_stages, stage

APPROVALS = "/api/v1/hitl/approvals"
STAND_INS = "/api/v1/hitl/stand-ins"
DEFINITION = "/api/v1/definitions/opportunity-analysis"
OF_ANN = ApprovalPolicy(approvers=Approvers(users=("ann",)))


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


async def send(
    api: Api, method: str, path: str, body: object = None, *, user: str = "ann", **headers: str
) -> httpx.Response:
    """As this user, who is an approver and an operator."""
    token = as_user(a_token("approver", "operator", "finance", user=user))
    return await api.client.request(method, path, json=body, headers={**token, **headers})


def problem(response: httpx.Response) -> tuple[int, str, str]:
    error = response.json()["error"]
    return response.status_code, error["code"], (error.get("details") or [{}])[0].get("field", "")


# --- the stage that was read ----------------------------------------------------------------------


async def test_a_decision_about_an_earlier_stage_is_refused(api: Api) -> None:
    approval = in_stages(stage("one", "ann"), stage("two", "ann", repeat=True), execution_id=None)
    await api.holds(approval)
    path = f"{APPROVALS}/{approval.id}/decisions"
    body = {"outcome": "approved", "stage": "one"}

    assert 200 == (await send(api, "POST", path, body)).status_code
    many = {"decisions": [{**body, "id": approval.id}]}
    [late] = (await send(api, "POST", f"{APPROVALS}/decisions", many)).json()["results"]

    again = await send(api, "POST", path, body)
    assert (409, "HITL_APPROVAL_NOT_PENDING", "") == problem(again)
    assert (409, "pending") == (late["status"], late["error"]["decision"]["status"])
    assert 200 == (await send(api, "POST", path, body | {"stage": "two"})).status_code


# --- questions ------------------------------------------------------------------------------------


async def test_a_question_and_its_answer_are_shown_and_in_the_history(api: Api) -> None:
    await api.holds(approval := an_approval(execution_id=None, policy=OF_ANN, requested_by="req"))
    path = f"{APPROVALS}/{approval.id}"

    asked = (await send(api, "POST", f"{path}/ask", {"text": "Why so much?"})).json()
    assert ("pending", "Why so much?") == (asked["status"], asked["openQuestion"]["text"])
    listed = (await api.get(APPROVALS)).json()["items"][0]
    assert "ann" == listed["openQuestion"]["actor"]

    replied = (await send(api, "POST", f"{path}/answer", {"text": "Rebate."}, user="req")).json()
    [question] = replied["questions"]
    assert ("Rebate.", "req") == (question["answer"], question["answeredBy"])
    assert "openQuestion" not in replied
    history = (await api.get(f"{path}/history")).json()["items"]
    assert [("questioned", "ann", "Why so much?"), ("answered", "req", "Rebate.")] == [
        (entry["what"], entry["actor"], entry["note"]) for entry in history
    ]


async def test_what_is_no_question_or_answer_is_refused(api: Api) -> None:
    await api.holds(approval := an_approval(execution_id=None, policy=OF_ANN))
    path = f"{APPROVALS}/{approval.id}"

    for text in ("", "  ", "x" * 4001):
        refused = await send(api, "POST", f"{path}/ask", {"text": text})
        assert (400, "VALIDATION_ERROR", "text") == problem(refused)
    by_bob = await send(api, "POST", f"{path}/ask", {"text": "?"}, user="bob")
    assert (403, "HITL_NOT_AN_APPROVER", "") == problem(by_bob)
    no_question = await send(api, "POST", f"{path}/answer", {"text": "!"})
    assert (409, "HITL_NO_QUESTION", "") == problem(no_question)
    assert 200 == (await send(api, "POST", f"{path}/ask", {"text": "?"})).status_code
    again = await send(api, "POST", f"{path}/ask", {"text": "?"})
    assert (409, "HITL_QUESTION_OPEN", "") == problem(again)
    stale = await send(api, "POST", f"{path}/answer", {"text": "!"}, **{"If-Match": '"1"'})
    assert (412, "PRECONDITION_FAILED", "") == problem(stale)


# --- stages ---------------------------------------------------------------------------------------


def rule(*stages: dict[str, Any], **fields: object) -> dict[str, Any]:
    return {"approval": {"enabled": True, "stages": list(stages), **fields}}


MANAGER = {"name": "manager", "policy": {"approvers": {"roles": ["manager"]}}}
FINANCE = {
    "name": "finance",
    "conditions": [{"path": "subject.amount", "op": "gte", "value": 1000000}],
    "policy": {"approvers": {"users": ["cid", "dan"]}, "quorum": 2},
    "expiresAfterSeconds": 86400,
    "onExpiry": "reject",
}


async def test_a_rule_with_stages_is_set_shown_and_changed(api: Api) -> None:
    wanted = rule(MANAGER, FINANCE)
    response = await api.send("PUT", DEFINITION, wanted)
    assert 200 == response.status_code, response.text
    shown = (await api.get(DEFINITION)).json()["approval"]["stages"]

    assert ["manager", "finance"] == [one["name"] for one in shown]
    assert ({"users": ["cid", "dan"]}, 2, 86400, "reject") == (
        shown[1]["policy"]["approvers"],
        shown[1]["policy"]["quorum"],
        shown[1]["expiresAfterSeconds"],
        shown[1]["onExpiry"],
    )
    kept = (await api.send("PATCH", DEFINITION, {"approval": {"onReject": "complete"}})).json()
    assert shown == kept["approval"]["stages"]


ANN = {"approvers": {"users": ["ann"]}}


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (rule({}), "approval.stages.0.name"),
        (rule(MANAGER, MANAGER), "approval.stages"),
        (rule({"name": " "}), "approval.stages.0.name"),
        (rule({"name": "one", "polcy": {}}), "approval.stages.0.polcy"),
        (rule(MANAGER, policy={"quorum": 2}), "approval.policy"),
        (rule(MANAGER, expiresAfterSeconds=60), "approval.expiresAfterSeconds"),
        (
            rule({"name": "one", "policy": {**ANN, "quorum": 2}}),
            "approval.stages.0.policy.quorum",
        ),
        (rule({"name": "one", "onExpiry": "approve"}), "approval.stages.0.onExpiry"),
        (
            rule(
                {"name": "one", "conditions": [{"path": "subject.amont", "op": "eq", "value": 1}]}
            ),
            "approval.stages.0.conditions.0.path",
        ),
        (
            rule({"name": "one", "policy": ANN}, {"name": "two", "policy": ANN}),
            "approval.stages",
        ),
        (rule(*({"name": f"s{number}"} for number in range(11))), "approval.stages"),
    ],
)
async def test_contradictory_stages_are_refused_with_their_field(
    api: Api, wanted: dict[str, Any], field: str
) -> None:
    assert (400, "VALIDATION_ERROR", field) == problem(await api.send("PUT", DEFINITION, wanted))


async def test_prompts_have_no_stages(api: Api) -> None:
    refused = await api.send("PUT", "/api/v1/definitions/claim-recovery", rule(MANAGER))

    assert (400, "VALIDATION_ERROR", "approval.stages") == problem(refused)


async def test_an_approval_shows_its_stage_and_all_of_them(api: Api) -> None:
    approval = in_stages(stage("one", "ann"), stage("two", "bob", quorum=1), execution_id=None)
    await api.holds(approval)
    path = f"{APPROVALS}/{approval.id}"

    after = (await send(api, "POST", f"{path}/decisions", {"outcome": "approved"})).json()

    assert ("pending", "two", ["one", "two"]) == (
        after["status"],
        after["stage"],
        [one["name"] for one in after["stages"]],
    )
    assert {"users": ["bob"]} == after["policy"]["approvers"]
    assert "one" == after["decisions"][0]["stage"]
    waits_for_bob = await send(api, "GET", f"{APPROVALS}?mine=true", user="bob")
    assert [approval.id] == [one["id"] for one in waits_for_bob.json()["items"]]
    assert [] == (await send(api, "GET", f"{APPROVALS}?mine=true")).json()["items"]


# --- stand-ins ------------------------------------------------------------------------------------


def until(**after: float) -> str:
    return (now() + timedelta(**after)).isoformat()


async def test_a_person_names_reads_and_ends_their_stand_in(api: Api) -> None:
    created = await send(api, "POST", STAND_INS, {"standIn": "bob", "endsAt": until(days=7)})

    assert (201, '"1"') == (created.status_code, created.headers["ETag"])
    named = created.json()
    assert ("ann", "bob", ids.stand_in_id(A_TENANT, "ann")) == (
        named["person"],
        named["standIn"],
        named["id"],
    )
    assert {"approver", "finance"} <= set(named["roles"])
    path = created.headers["Location"]
    assert named == (await api.get(path)).json()
    assert [named] == (await api.get(STAND_INS, person="ann")).json()["items"]
    assert [] == (await api.get(STAND_INS, person="bob")).json()["items"]

    stale = await send(api, "DELETE", path, **{"If-Match": '"2"'})
    assert (412, "PRECONDITION_FAILED", "") == problem(stale)
    assert 204 == (await send(api, "DELETE", path, **{"If-Match": '"1"'})).status_code
    assert (404, "STAND_IN_NOT_FOUND", "") == problem(await api.get(path))


async def test_what_waits_for_the_absent_person_waits_for_the_stand_in(api: Api) -> None:
    await api.holds(approval := an_approval(execution_id=None, policy=OF_ANN))
    await api.holds(a_stand_in())

    mine = (await send(api, "GET", f"{APPROVALS}?mine=true", user="bob")).json()["items"]
    assert [approval.id] == [one["id"] for one in mine]
    decision = {"outcome": "approved"}
    path = f"{APPROVALS}/{approval.id}/decisions"
    decided = (await send(api, "POST", path, decision, user="bob")).json()
    assert ("bob", "ann") == (decided["decidedBy"], decided["decisions"][0]["onBehalfOf"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"standIn": "bob"}, "endsAt"),
        ({"standIn": "ann", "endsAt": until(days=1)}, "standIn"),
        ({"standIn": "key:x", "endsAt": until(days=1)}, "standIn"),
        ({"standIn": "bob", "endsAt": until(days=-1)}, "endsAt"),
        ({"standIn": "bob", "endsAt": until(days=91)}, "endsAt"),
        ({"standIn": "bob", "startsAt": until(days=400), "endsAt": until(days=401)}, "startsAt"),
        ({"standIn": "bob", "endsAt": until(days=1), "person": "cid"}, "person"),
    ],
)
async def test_what_is_no_stand_in_is_refused_with_its_field(
    api: Api, body: dict[str, str], field: str
) -> None:
    assert (400, "VALIDATION_ERROR", field) == problem(await send(api, "POST", STAND_INS, body))


async def test_no_one_names_or_ends_another_ones(api: Api) -> None:
    body = {"standIn": "bob", "endsAt": until(days=7)}
    assert 201 == (await send(api, "POST", STAND_INS, body)).status_code
    second = await send(api, "POST", STAND_INS, {**body, "standIn": "cid"})
    assert (409, "STAND_IN_EXISTS", "") == problem(second)

    path = f"{STAND_INS}/{ids.stand_in_id(A_TENANT, 'ann')}"
    for user in ("bob", "cid"):
        assert 403 == (await send(api, "DELETE", path, user=user)).status_code
    unnamed = as_user(a_token("approver", user="bob")) | {"X-User-ID": "ann"}
    assert 403 == (await api.client.post(STAND_INS, json=body, headers=unnamed)).status_code
    nobody = await api.client.post(STAND_INS, json=body, headers={"X-Tenant-ID": A_TENANT})
    assert 401 == nobody.status_code
    viewer = as_user(a_token("viewer", user="dan"))
    assert 403 == (await api.client.post(STAND_INS, json=body, headers=viewer)).status_code
    assert 1 == await api.store.count(A_TENANT, StandInRecord)

    admin = as_user(a_token("admin", user="boss"))
    assert 204 == (await api.client.delete(path, headers=admin)).status_code
