"""Who may not decide may not through any channel: each refusal, through each door that a person can
come in by.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from logging.handlers import BufferingHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner

from api.http.errors import answer_of
from blocks.approvals.decisions import Refused, Vote
from blocks.approvals.lifecycle import record_vote
from blocks.contracts.approvals import ApprovalPolicy, Approvers, Decision
from blocks.contracts.records import ApprovalRecord
from deployments.cli.app import cli
from flows.shared import gate_wait
from flows.shared.runtime import Runtime
from tests.support.api.api_client import Api, an_api
from tests.support.api.approval_links import SECRET, a_token
from tests.support.audit_log import entries
from tests.support.factories import A_TENANT, an_approval, now

anyone = ApprovalPolicy()
two = ApprovalPolicy(quorum=2)
bobs = ApprovalPolicy(approvers=Approvers(users=("bob",)))
anns_vote = Decision(actor="ann", channel="api", outcome="approved", at=now())

REFUSALS: Mapping[str, tuple[dict[str, Any], str]] = {
    "wrong approver": ({"policy": bobs}, "HITL_NOT_AN_APPROVER"),
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
    token = a_token(approval)
    return code_of(
        (await api.client.post(f"/api/v1/hitl/links/{token}", json={"outcome": "approve"})).json()
    )


async def through_its_page(api: Api, approval: ApprovalRecord) -> str:
    path = f"/hitl/links/{a_token(approval)}/page"
    stage = re.search('name="stage" value="([^"]*)"', (await api.client.get(path)).text)
    form = {"outcome": "approved", "stage": stage[1] if stage else approval.stage or ""}
    page = await api.client.post(path, data=form)
    if page.status_code == 303:
        return "accepted"
    named = re.search("HITL_[A-Z_]+", page.text)
    return named[0] if named else {400: "VALIDATION_ERROR"}[page.status_code]


async def through_the_command_line(api: Api, approval: ApprovalRecord) -> str:
    """The command itself, on the files of the API's own store and bus."""
    arguments = ["approvals", "approve", approval.id, "--tenant", A_TENANT, "--as", "ann"]
    result = await asyncio.to_thread(
        CliRunner().invoke, cli, arguments, obj={}, env={"ORCHESTRATOR_DATA_DIR": api.folder}
    )
    match result.exception:
        case None:
            assert result.output.startswith(f"{approval.id} is ")
            return "accepted"
        case Refused() as refusal:
            return answer_of(refusal).code
        case other:
            raise other


async def through_prefects_form(api: Api, approval: ApprovalRecord) -> str:
    """The flow takes the answer; what it refuses is in its log and not on the record."""
    return await in_prefects_form(api, approval, is_trusted=True)


async def in_prefects_form(api: Api, approval: ApprovalRecord, *, is_trusted: bool) -> str:
    settings = SimpleNamespace(approvals=SimpleNamespace(trust_prefect_ui=is_trusted))
    context = cast("Runtime", SimpleNamespace(store=api.store, settings=settings))
    typed = {"decision": "approve", "decided_by": "ann"}
    with captured(gate_wait.log) as lines:
        await gate_wait._take(context, approval, typed)
    refusals = [
        argument for line in lines for argument in line.args or () if isinstance(argument, Refused)
    ]
    return answer_of(refusals[0]).code if refusals else "accepted"


CHANNELS = (
    through_the_older_route,
    through_decisions,
    through_many,
    through_a_link,
    through_its_page,
    through_the_command_line,
    through_prefects_form,
)

Channel = Callable[[Api, ApprovalRecord], Awaitable[str]]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.__name__)
async def test_a_refusal_is_the_same_through_every_channel(
    api: Api, channel: Channel, refusal: str
) -> None:
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
    [entry] = await entries(api.store)
    assert ("approval.decide", "ann", "done") == (entry.action, entry.actor, entry.result)


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.__name__)
async def test_the_owner_may_decide_through_every_channel_but_not_what_the_owner_asked_for(
    api: Api, channel: Channel
) -> None:
    await api.holds(
        theirs := an_approval(policy=anyone, execution_id=None, owner_id="ann", requested_by="bob"),
        own := an_approval(policy=anyone, execution_id=None, owner_id="ann", requested_by="ann"),
        allowed := an_approval(
            policy=ApprovalPolicy(allow_self=True), execution_id=None, requested_by="ann"
        ),
    )

    answers = [await channel(api, approval) for approval in (theirs, own, allowed)]

    assert ["accepted", "HITL_SELF_APPROVAL", "accepted"] == answers


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.__name__)
async def test_a_quorum_of_two_is_two_people_through_every_channel(
    api: Api, channel: Channel
) -> None:
    await api.holds(approval := an_approval(policy=two, execution_id=None))

    assert "accepted" == await channel(api, approval)
    assert ("pending", 1) == await standing_of(api, approval)
    assert "HITL_ALREADY_VOTED" == await channel(api, approval)
    assert ("pending", 1) == await standing_of(api, approval)

    await record_vote(
        api.store, A_TENANT, approval.id, Vote(actor="bob", outcome="approved", channel="api")
    )
    assert ("approved", 2) == await standing_of(api, approval)
    assert "HITL_APPROVAL_NOT_PENDING" == await channel(api, approval)


# --- links ----------------------------------------------------------------------------------------


async def test_a_link_decides_once_in_the_name_of_its_recipient(api: Api) -> None:
    await api.holds(approval := an_approval(policy=two, execution_id=None))
    made = await api.client.post(
        f"/api/v1/hitl/approvals/{approval.id}/links",
        json={"recipient": "ann"},
        headers={**ANN, "X-User-ID": "cy"},
    )
    path = made.json()["path"]

    shown = [(await api.client.get(path)).json() for _ in range(2)]
    assert [("pending", False)] * 2 == [
        (view["approval"]["status"], view["isUsed"]) for view in shown
    ]
    used = (await api.client.post(path, json={"outcome": "approved"})).json()
    assert ("link", "ann") == (used["decisions"][0]["channel"], used["decisions"][0]["actor"])
    again = await api.client.post(path, json={"outcome": "approved"})
    assert (410, "HITL_LINK_USED") == (again.status_code, code_of(again.json()))


async def test_a_link_that_is_late_forged_or_for_something_else_is_refused(api: Api) -> None:
    await api.holds(approval := an_approval(execution_id=None))
    late, only_no = a_token(approval, seconds=-1), a_token(approval, outcomes=("rejected",))

    for token, status, code in (
        (late, 410, "HITL_LINK_EXPIRED"),
        (late[:-4] + "AAAA", 404, "HITL_LINK_INVALID"),
        (only_no, 403, "HITL_LINK_FORBIDS"),
    ):
        answer = await api.client.post(f"/hitl/links/{token}", json={"outcome": "approved"})
        assert (status, code) == (answer.status_code, code_of(answer.json()))


async def test_two_uses_of_one_link_at_once_are_one(api: Api) -> None:
    await api.holds(approval := an_approval(policy=two, execution_id=None))
    path = f"/api/v1/hitl/links/{a_token(approval)}"

    answers = await asyncio.gather(
        *(api.client.post(path, json={"outcome": "approve"}) for _ in range(10))
    )

    assert [200, *[410] * 9] == sorted(answer.status_code for answer in answers)


# --- helpers --------------------------------------------------------------------------------------

ANN = {"X-Tenant-ID": A_TENANT, "X-User-ID": "ann"}


async def standing_of(api: Api, approval: ApprovalRecord) -> tuple[str, int]:
    now = (await api.store.read(A_TENANT, ApprovalRecord, approval.id)).record
    return now.status, len(now.decisions)


@contextmanager
def captured(log: logging.Logger) -> Iterator[list[logging.LogRecord]]:
    """What is logged meanwhile."""
    handler = BufferingHandler(capacity=1000)
    log.addHandler(handler)
    try:
        yield handler.buffer
    finally:
        log.removeHandler(handler)


async def over_http(api: Api, path: str, body: object) -> str:
    return code_of(
        (await api.client.post(f"/api/v1/hitl/approvals/{path}", json=body, headers=ANN)).json()
    )


def code_of(answer: dict[str, Any]) -> str:
    return str(answer.get("error", {}).get("code", "accepted"))


@pytest.mark.parametrize("policy", [two, ApprovalPolicy(approvers=Approvers(users=("ann",)))])
async def test_a_name_typed_into_prefects_form_counts_for_people_only_where_its_ui_is_trusted(
    api: Api, policy: ApprovalPolicy
) -> None:
    await api.holds(approval := an_approval(policy=policy, execution_id=None))

    assert "HITL_NOT_AN_APPROVER" == await in_prefects_form(api, approval, is_trusted=False)
    assert "accepted" == await in_prefects_form(api, approval, is_trusted=True)
    assert ["ann"] == [one.actor for one in (await stored(api, approval)).decisions]


async def test_a_name_typed_into_prefects_form_is_recorded_as_a_claim(api: Api) -> None:
    await api.holds(approval := an_approval(policy=anyone, execution_id=None))

    assert "accepted" == await in_prefects_form(api, approval, is_trusted=False)
    assert ("approved", "claimed:ann") == (
        (now_is := await stored(api, approval)).status,
        now_is.decided_by,
    )
    assert "claimed:ann" in [entry.actor for entry in await entries(api.store)]


async def stored(api: Api, approval: ApprovalRecord) -> ApprovalRecord:
    return (await api.store.read(A_TENANT, ApprovalRecord, approval.id)).record
