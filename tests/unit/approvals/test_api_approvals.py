"""`/hitl/approvals` over HTTP: what is answered to whom, and what stands on the
record afterwards.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from blocks.approvals.events import unpublished
from blocks.contracts.approvals import ApprovalPolicy, Approvers
from blocks.contracts.events import HitlApprovalRequested
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from tests.support.api.api_client import Api, an_api
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_approval, an_execution, new_id, now

LIST = "/api/v1/hitl/approvals"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


async def post(api: Api, path: str, body: object = None, **headers: str) -> httpx.Response:
    named = {
        "X-Tenant-ID": A_TENANT,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return await api.client.post(path, json=body, headers=named)


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


# --- the older form -------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["/api/v1", "/api", ""])
@pytest.mark.parametrize(("word", "status"), [("approve", "approved"), ("reject", "rejected")])
async def test_the_documented_routes_decide(api: Api, prefix: str, word: str, status: str) -> None:
    await api.holds(approval := an_approval(execution_id=None, owner_id="owner"))

    response = await post(
        api, f"{prefix}/hitl/approvals/{approval.id}/{word}", {"decidedBy": "ann"}
    )

    assert 200 == response.status_code
    assert {
        "id": approval.id,
        "status": status,
        "decidedBy": "ann",
        "ownerId": "owner",
    }.items() <= (response.json().items())
    assert status == (await api.get(f"{prefix}/hitl/approvals/{approval.id}")).json()["status"]


@pytest.mark.parametrize("body", [{}, {"decidedBy": ""}, {"comment": "who am I?"}])
async def test_no_one_decides_without_a_name(api: Api, body: dict[str, str]) -> None:
    await api.holds(approval := an_approval())

    response = await post(api, f"{LIST}/{approval.id}/approve", body)

    assert (400, "VALIDATION_ERROR") == code_of(response)


async def test_a_second_decision_is_answered_with_the_first(api: Api) -> None:
    await api.holds(approval := an_approval())
    await post(api, f"{LIST}/{approval.id}/approve", {"decidedBy": "ann", "comment": "fine"})

    response = await post(api, f"{LIST}/{approval.id}/reject", {"decidedBy": "bob"})

    assert (409, "HITL_APPROVAL_NOT_PENDING") == code_of(response)
    assert "not pending" in response.json()["error"]["message"]
    assert {"status": "approved", "decidedBy": "ann", "comment": "fine"}.items() <= (
        response.json()["error"]["decision"].items()
    )


async def test_an_unknown_approval_and_another_tenants_are_not_found(api: Api) -> None:
    await api.holds(theirs := an_approval(tenant_id=ANOTHER_TENANT))

    for id in (theirs.id, new_id(), "no-id"):
        response = await post(api, f"{LIST}/{id}/approve", {"decidedBy": "ann"})
        assert (404, "HITL_APPROVAL_NOT_FOUND") == code_of(response)


# --- the newer form -------------------------------------------------------------------------------


async def test_a_decision_is_the_users_whom_the_gateway_names(api: Api) -> None:
    await api.holds(approval := an_approval())

    decided = await post(
        api, f"{LIST}/{approval.id}/decisions", {"outcome": "approve"}, X_User_ID="ann"
    )

    assert ("approved", "ann", "api") == tuple(
        decided.json()[field] for field in ("status", "decidedBy", "decidedThrough")
    )
    unnamed = await post(api, f"{LIST}/{approval.id}/decisions", {"outcome": "approve"})
    assert (401, "UNAUTHORIZED") == code_of(unnamed)


async def test_a_form_that_does_not_fit_names_the_field_and_changes_nothing(api: Api) -> None:
    schema = {
        "type": "object",
        "required": ["limit"],
        "properties": {"limit": {"type": "number", "maximum": 10}},
    }
    await api.holds(approval := an_approval(form_schema=schema))
    path = f"{LIST}/{approval.id}/decisions"

    for form, field in ((None, "form.limit"), ({}, "form.limit"), ({"limit": 11}, "form.limit")):
        refused = await post(api, path, {"outcome": "approved", "form": form}, X_User_ID="ann")
        assert (400, "VALIDATION_ERROR") == code_of(refused)
        assert field == refused.json()["error"]["details"][0]["field"]
    assert approval == (await api.store.read(A_TENANT, ApprovalRecord, approval.id)).record

    accepted = await post(api, path, {"outcome": "approved", "form": {"limit": 7}}, X_User_ID="ann")
    assert {"limit": 7} == accepted.json()["decisions"][0]["form"]


async def test_a_rejection_gives_its_reason_where_the_policy_asks_for_one(api: Api) -> None:
    await api.holds(approval := an_approval(policy=ApprovalPolicy()))
    path = f"{LIST}/{approval.id}/decisions"

    refused = await post(api, path, {"outcome": "rejected"}, X_User_ID="ann")

    assert "reason" == refused.json()["error"]["details"][0]["field"]
    older = await post(api, f"{LIST}/{approval.id}/reject", {"decidedBy": "ann"})
    assert "comment" == older.json()["error"]["details"][0]["field"]
    assert (
        200
        == (
            await post(api, path, {"outcome": "rejected", "reason": "no"}, X_User_ID="ann")
        ).status_code
    )


async def test_many_are_decided_at_once_each_on_its_own(api: Api) -> None:
    approvals = [an_approval(), an_approval(status="rejected"), an_approval()]
    await api.holds(*approvals)
    ids = [*(approval.id for approval in approvals), new_id()]

    response = await post(
        api,
        f"{LIST}/decisions",
        {"decisions": [{"id": id, "outcome": "approve"} for id in ids]},
        X_User_ID="ann",
    )

    assert [200, 409, 200, 404] == [result["status"] for result in response.json()["results"]]


# --- ETags ----------------------------------------------------------------------------------------


async def test_what_was_decided_on_must_still_stand(api: Api) -> None:
    await api.holds(approval := an_approval())
    read = (await api.get(f"{LIST}/{approval.id}")).headers["etag"]
    claimed = await post(api, f"{LIST}/{approval.id}/claim", X_User_ID="ann")
    body, path = {"decidedBy": "bob"}, f"{LIST}/{approval.id}/approve"

    assert read != claimed.headers["etag"]
    assert (412, "PRECONDITION_FAILED") == code_of(await post(api, path, body, If_Match=read))
    assert 200 == (await post(api, path, body, If_Match=claimed.headers["etag"])).status_code
    assert 409 == (await post(api, path, body, If_Match=read)).status_code


async def test_what_we_note_for_ourselves_changes_no_etag(api: Api) -> None:
    created = await post(api, LIST, {"subject": "a discount"}, X_User_ID="ann")

    assert (
        created.headers["etag"] == (await api.get(f"{LIST}/{created.json()['id']}")).headers["etag"]
    )


# --- a life ---------------------------------------------------------------------------------------


async def test_a_person_asks_and_another_decides(api: Api) -> None:
    soon = (now() + timedelta(hours=1)).isoformat()
    asked = await post(
        api,
        LIST,
        {
            "subject": "a discount",
            "summary": "**20 %** for ACME?",
            "expiresAt": soon,
            "policy": {"quorum": 2},
        },
        X_User_ID="ann",
    )
    path = f"{LIST}/{asked.json()['id']}"

    assert 201 == asked.status_code
    assert (403, "HITL_SELF_APPROVAL") == code_of(
        await post(api, f"{path}/decisions", {"outcome": "approve"}, X_User_ID="ann")
    )
    first = await post(api, f"{path}/decisions", {"outcome": "approve"}, X_User_ID="bob")
    assert "pending" == first.json()["status"]
    again = await post(api, f"{path}/decisions", {"outcome": "approve"}, X_User_ID="bob")
    assert (409, "HITL_ALREADY_VOTED") == code_of(again)
    second = await post(api, f"{path}/decisions", {"outcome": "approve"}, X_User_ID="cy")
    assert "approved" == second.json()["status"]
    history = (await api.get(f"{path}/history")).json()["items"]
    assert [("requested", "ann"), ("voted", "bob"), ("decided", "cy")] == [
        (entry["what"], entry["actor"]) for entry in history
    ]


async def test_claim_release_delegate_remind_extend_cancel(api: Api) -> None:
    policy = ApprovalPolicy(approvers=Approvers(users=("ann",), roles=("vp",)))
    await api.holds(approval := an_approval(policy=policy, execution_id=None))
    path, ann, vp = (
        f"{LIST}/{approval.id}",
        {"X_User_ID": "ann"},
        {"X_User_ID": "vi", "X_User_Roles": "vp, board"},
    )

    assert "ann" == (await post(api, f"{path}/claim", **ann)).json()["claimedBy"]
    assert (409, "HITL_APPROVAL_CLAIMED") == code_of(await post(api, f"{path}/claim", **vp))
    assert "claimedBy" not in (await post(api, f"{path}/release", **ann)).json()
    assert (403, "HITL_NOT_AN_APPROVER") == code_of(
        await post(api, f"{path}/delegate", {"to": "bob"}, X_User_ID="x")
    )
    delegated = await post(api, f"{path}/delegate", {"to": "bob"}, **ann)
    assert {"users": ["bob"], "roles": ["vp"]} == delegated.json()["policy"]["approvers"]
    assert 200 == (await post(api, f"{path}/remind", **vp)).status_code
    later = (now() + timedelta(days=1)).isoformat()
    assert "expiresAt" in (await post(api, f"{path}/extend", {"expiresAt": later}, **vp)).json()
    assert (400, "VALIDATION_ERROR") == code_of(
        await post(api, f"{path}/extend", {"expiresAt": later}, **vp)
    )
    assert (
        "cancelled"
        == (await post(api, f"{path}/cancel", {"reason": "done"}, **vp)).json()["status"]
    )
    assert (409, "HITL_APPROVAL_NOT_PENDING") == code_of(await post(api, f"{path}/claim", **vp))


async def test_an_expired_approval_is_gone_even_before_the_clock_came_round(api: Api) -> None:
    await api.holds(
        overdue := an_approval(expires_at=now()), expired := an_approval(status="expired")
    )

    for approval in (overdue, expired):
        response = await post(api, f"{LIST}/{approval.id}/approve", {"decidedBy": "ann"})
        assert (410, "HITL_APPROVAL_EXPIRED") == code_of(response)


async def test_an_execution_waits_for_the_approval_that_names_it(api: Api) -> None:
    await api.holds(
        execution := an_execution(status="running"), ended := an_execution(status="completed")
    )

    asked = await post(api, LIST, {"subject": "s", "executionId": execution.id})

    stored = (await api.store.read(A_TENANT, ExecutionRecord, execution.id)).record
    assert [asked.json()["id"]] == stored.approval_ids
    late = await post(api, LIST, {"subject": "s", "executionId": ended.id})
    assert (409, "EXECUTION_ENDED") == code_of(late)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "subject"),
        ({"subject": "s", "formSchema": {"type": "nonsense"}}, "formSchema"),
        ({"subject": "s", "expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
        ({"subject": "s", "executionId": "unknown"}, "executionId"),
    ],
)
async def test_a_request_that_cannot_be_names_the_field(
    api: Api, body: dict[str, Any], field: str
) -> None:
    response = await post(api, LIST, body, X_User_ID="ann")

    assert (400, field) == (response.status_code, response.json()["error"]["details"][0]["field"])


# --- list -----------------------------------------------------------------------------------------


async def test_the_list_is_filtered_counted_and_paged(api: Api) -> None:
    anns = ApprovalPolicy(approvers=Approvers(users=("ann",)))
    late = an_approval(subject="late", due_at=now() - timedelta(minutes=1), policy=anns)
    bobs = an_approval(subject="bobs", policy=ApprovalPolicy(approvers=Approvers(users=("bob",))))
    done = an_approval(subject="done", status="approved", workflow="claim-recovery")
    await api.holds(late, bobs, done)

    async def listed(**filters: str) -> list[str]:
        headers = {"X-Tenant-ID": A_TENANT, "X-User-ID": "ann"}
        page = (await api.client.get(LIST, params=filters, headers=headers)).json()
        return [approval["subject"] for approval in page["items"]]

    assert ["done", "bobs", "late"] == await listed()
    assert ["bobs", "late"] == await listed(status="pending")
    assert (
        ["late"]
        == await listed(mine="true")
        == await listed(overdue="true")
        == await listed(subject="late")
    )
    assert ["done"] == await listed(workflow="claim-recovery")
    first = (await api.get(LIST, limit=2)).json()
    assert {"pending": 2, "approved": 1, "rejected": 0, "expired": 0, "cancelled": 0} == first[
        "counts"
    ]
    rest = (await api.get(LIST, limit=2, continuation=first["continuation"])).json()
    assert (["late"], False) == (
        [one["subject"] for one in rest["items"]],
        "continuation" in rest,
    )


async def test_mine_leaves_out_what_the_user_asked_for_or_has_delegated(api: Api) -> None:
    others = ApprovalPolicy(allow_self=False)
    own = an_approval(subject="own", requested_by="ann", policy=others)
    delegated = an_approval(subject="delegated", handed_on=["ann"])
    await api.holds(own, delegated, an_approval(subject="free", policy=others))

    headers = {"X-Tenant-ID": A_TENANT, "X-User-ID": "ann"}
    page = (await api.client.get(LIST, params={"mine": "true"}, headers=headers)).json()

    assert ["free"] == [approval["subject"] for approval in page["items"]]


@pytest.mark.parametrize("prefix", ["/api/v1", "/api", ""])
@pytest.mark.parametrize(
    ("stated", "amount", "known"),
    [
        ({}, 0, False),
        ({"amount": None}, 0, False),
        ({"amount": 0}, 0, True),
        ({"amount": 7.5}, 7.5, True),
    ],
)
async def test_an_amount_that_is_not_stated_is_not_known(
    api: Api, prefix: str, stated: dict[str, Any], amount: float, known: bool
) -> None:
    response = await post(api, f"{prefix}/hitl/approvals", {"subject": "quote-1", **stated})

    assert 201 == response.status_code
    assert (amount, known) == (response.json()["amount"], response.json().get("amountKnown", True))
    record = (await api.store.read(A_TENANT, ApprovalRecord, response.json()["id"])).record
    (request,) = unpublished(msgspec.structs.replace(record, published_count=0))
    assert isinstance(request.data, HitlApprovalRequested)
    assert (amount, known) == (request.data.amount, request.data.amount_known)
