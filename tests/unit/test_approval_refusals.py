"""Who may not decide may not through any channel: each refusal, through each door that a person can come in by."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api.errors import answer_of
from blocks import signed_links
from blocks.approval_decisions import Refused, Vote
from blocks.approvals import record_vote
from blocks.contracts.approvals import ApprovalPolicy, Approvers, Decision
from blocks.contracts.records import ApprovalRecord
from flows.approval_gate import ApprovalInput, _take
from flows.runtime import Runtime
from tests.support.api_client import Api, an_api
from tests.support.factories import A_TENANT, an_approval, now

SECRET = "a secret of more than thirty-two characters"

anyone = ApprovalPolicy()
two = ApprovalPolicy(quorum=2)
bobs = ApprovalPolicy(approvers=Approvers(users=("bob",)))
anns_vote = Decision(actor="ann", channel="api", outcome="approved", at=now())

REFUSALS: Mapping[str, tuple[dict[str, Any], str]] = {
    "wrong approver": ({"policy": bobs}, "HITL_NOT_AN_APPROVER"),
    "owner": ({"policy": anyone, "owner_id": "ann"}, "HITL_SELF_APPROVAL"),
    "requester": ({"policy": anyone, "requested_by": "ann"}, "HITL_SELF_APPROVAL"),
    "second vote of a quorum": ({"policy": two, "decisions": [anns_vote]}, "HITL_ALREADY_VOTED"),
    "decided": ({"status": "approved", "decided_by": "bob"}, "HITL_APPROVAL_NOT_PENDING"),
    "expired": ({"expires_at": now() - timedelta(seconds=1)}, "HITL_APPROVAL_EXPIRED"),
    "form missing": ({"form_schema": {"required": ["limit"]}}, "VALIDATION_ERROR"),
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path, APPROVAL_LINK_SECRET=SECRET) as api:
        yield api


async def through_the_older_route(api: Api, approval: ApprovalRecord) -> str:
    return await over_http(api, f"{approval.id}/approve", {"decidedBy": "ann"})


async def through_decisions(api: Api, approval: ApprovalRecord) -> str:
    return await over_http(api, f"{approval.id}/decisions", {"outcome": "approved"})


async def through_many(api: Api, approval: ApprovalRecord) -> str:
    body = {"decisions": [{"id": approval.id, "outcome": "approved"}]}
    answer = await api.client.post("/api/v1/hitl/approvals/decisions", json=body, headers=ANN)
    return str(answer.json()["results"][0].get("error", {}).get("code", "accepted"))


async def through_a_link(api: Api, approval: ApprovalRecord) -> str:
    token = a_link(approval)
    return code_of((await api.client.post(f"/api/v1/hitl/links/{token}", json={"outcome": "approve"})).json())


async def through_the_command_line(api: Api, approval: ApprovalRecord) -> str:
    return await refusal_of(approval, lambda: record_vote(api.store, A_TENANT, approval.id, a_vote("cli")))


async def through_prefects_form(api: Api, approval: ApprovalRecord) -> str:
    """The flow takes the answer; what it refuses is in its log and not on the record."""
    before = (await api.store.read(A_TENANT, ApprovalRecord, approval.id)).record
    world = cast("Runtime", SimpleNamespace(store=api.store))
    await _take(world, approval, ApprovalInput(approved=True, decided_by="ann"))
    if before != (await api.store.read(A_TENANT, ApprovalRecord, approval.id)).record:
        return "accepted"
    return await refusal_of(approval, lambda: record_vote(api.store, A_TENANT, approval.id, a_vote("prefect-ui")))


CHANNELS = (
    through_the_older_route,
    through_decisions,
    through_many,
    through_a_link,
    through_the_command_line,
    through_prefects_form,
)

Channel = Callable[[Api, ApprovalRecord], Awaitable[str]]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.__name__)
async def test_a_refusal_is_the_same_through_every_channel(api: Api, channel: Channel, refusal: str) -> None:
    changes, code = REFUSALS[refusal]
    await api.holds(approval := an_approval(**{"policy": anyone, "execution_id": None, **changes}))

    assert code == await channel(api, approval)
    assert approval == (await api.store.read(A_TENANT, ApprovalRecord, approval.id)).record


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.__name__)
async def test_who_may_decide_may_through_every_channel(api: Api, channel: Channel) -> None:
    await api.holds(approval := an_approval(policy=anyone, execution_id=None))

    assert "accepted" == await channel(api, approval)
    decided = (await api.store.read(A_TENANT, ApprovalRecord, approval.id)).record
    assert ("approved", "ann") == (decided.status, decided.decided_by)


# --- links -----------------------------------------------------------------------------------------------------------


async def test_a_link_decides_once_in_the_name_of_its_recipient(api: Api) -> None:
    await api.holds(approval := an_approval(policy=two, execution_id=None))
    made = await api.client.post(
        f"/api/v1/hitl/approvals/{approval.id}/links", json={"recipient": "ann"}, headers={**ANN, "X-User-ID": "cy"}
    )
    path = made.json()["path"]

    shown = [(await api.client.get(path)).json() for _ in range(2)]
    assert [("pending", False)] * 2 == [(view["approval"]["status"], view["isUsed"]) for view in shown]
    used = (await api.client.post(path, json={"outcome": "approved"})).json()
    assert ("link", "ann") == (used["decisions"][0]["channel"], used["decisions"][0]["actor"])
    again = await api.client.post(path, json={"outcome": "approved"})
    assert (410, "HITL_LINK_USED") == (again.status_code, code_of(again.json()))


async def test_a_link_that_is_late_forged_or_for_something_else_is_refused(api: Api) -> None:
    await api.holds(approval := an_approval(execution_id=None))
    late, only_no = a_link(approval, seconds=-1), a_link(approval, outcomes=("rejected",))

    for token, status, code in (
        (late, 410, "HITL_LINK_EXPIRED"),
        (late[:-4] + "AAAA", 404, "HITL_LINK_INVALID"),
        (only_no, 403, "HITL_LINK_FORBIDS"),
    ):
        answer = await api.client.post(f"/hitl/links/{token}", json={"outcome": "approved"})
        assert (status, code) == (answer.status_code, code_of(answer.json()))


async def test_two_uses_of_one_link_at_once_are_one(api: Api) -> None:
    await api.holds(approval := an_approval(policy=two, execution_id=None))
    path = f"/api/v1/hitl/links/{a_link(approval)}"

    answers = await asyncio.gather(*(api.client.post(path, json={"outcome": "approve"}) for _ in range(10)))

    assert [200, *[410] * 9] == sorted(answer.status_code for answer in answers)


# --- helpers ---------------------------------------------------------------------------------------------------------

ANN = {"X-Tenant-ID": A_TENANT, "X-User-ID": "ann"}


def a_link(approval: ApprovalRecord, *, seconds: float = 60, outcomes: tuple[str, ...] = ("approved",)) -> str:
    claims = signed_links.LinkClaims(
        approval_id=approval.id,
        tenant_id=A_TENANT,
        recipient="ann",
        outcomes=outcomes,
        expires_at=now() + timedelta(seconds=seconds),
        nonce=signed_links.new_nonce(),
    )
    return signed_links.issue(signed_links.secret_of(SECRET), claims)


def a_vote(channel: str) -> Vote:
    return Vote(actor="ann", outcome="approved", channel=channel)


async def over_http(api: Api, path: str, body: object) -> str:
    return code_of((await api.client.post(f"/api/v1/hitl/approvals/{path}", json=body, headers=ANN)).json())


async def refusal_of(approval: ApprovalRecord, decide: Callable[[], Awaitable[object]]) -> str:
    try:
        await decide()
    except Refused as refusal:
        return answer_of(refusal).code
    return "accepted"


def code_of(answer: dict[str, Any]) -> str:
    return str(answer.get("error", {}).get("code", "accepted"))
