"""Stages and stand-ins hold through every channel: each of them decides by the one function."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blocks import deciding
from blocks.approvals.decisions import Vote
from blocks.contracts.records import ApprovalRecord
from blocks.services import open_bus
from blocks.settings import load_settings
from tests.support.api.api_client import Api, an_api
from tests.support.api.approval_links import SECRET
from tests.support.factories import A_TENANT, a_stand_in, an_approval, an_execution
from tests.support.flow_runs import RememberedFlowRuns
from tests.unit.approval_stages.terms import in_stages, stage
from tests.unit.approvals.test_approval_refusals import CHANNELS, Channel

every_channel = pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.__name__)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path, APPROVAL_LINK_SECRET=SECRET) as api:
        yield api


async def now_of(api: Api, approval: ApprovalRecord) -> ApprovalRecord:
    return (await api.store.read(A_TENANT, ApprovalRecord, approval.id)).record


@every_channel
async def test_a_vote_leads_to_the_next_stage_and_a_second_one_does_not_count(
    api: Api, channel: Channel
) -> None:
    approval = in_stages(stage("one", "ann"), stage("two", "ann", "bob"), execution_id=None)
    await api.holds(approval)

    assert "accepted" == await channel(api, approval)
    assert ("pending", "two") == ((now := await now_of(api, approval)).status, now.stage)
    assert "HITL_ALREADY_VOTED" == await channel(api, now)
    assert 1 == len((await now_of(api, approval)).decisions)


@every_channel
async def test_a_stand_in_decides_for_the_absent_person(api: Api, channel: Channel) -> None:
    approval = in_stages(stage("one", "cid"), execution_id=None)
    await api.holds(approval)
    assert "HITL_NOT_AN_APPROVER" == await channel(api, approval)

    await api.holds(a_stand_in(person="cid", stand_in="ann"))

    assert "accepted" == await channel(api, approval)
    now = await now_of(api, approval)
    assert ("approved", "ann", "cid") == (
        now.status,
        now.decided_by,
        now.decisions[0].on_behalf_of,
    )


async def test_only_the_last_stage_lets_the_suspended_run_go_on(api: Api) -> None:
    execution = an_execution(status="awaiting_approval", flow_run_id="run-1")
    approval = in_stages(stage("one", "ann"), stage("two", "bob"), execution_id=execution.id)
    await api.holds(execution, approval)
    flow_runs = RememberedFlowRuns()
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": api.folder})

    async with open_bus(settings, "test") as bus:
        for actor, resumed in (("ann", []), ("bob", ["run-1"])):
            vote = Vote(actor=actor, outcome="approved", channel="api")
            await deciding.decide(api.store, bus, flow_runs, A_TENANT, approval.id, vote)
            assert resumed == flow_runs.resumed


async def test_of_many_votes_at_once_no_stage_takes_more_than_it_needs(api: Api) -> None:
    approval = in_stages(
        stage("one", *(f"u{number}" for number in range(20)), quorum=2),
        stage("two", *(f"u{number}" for number in range(20)), quorum=3),
        execution_id=None,
    )
    await api.holds(approval)

    answers = await asyncio.gather(
        *(
            api.client.post(
                f"/api/v1/hitl/approvals/{approval.id}/decisions",
                json={"outcome": "approved"},
                headers={"X-Tenant-ID": A_TENANT, "X-User-ID": f"u{number}"},
            )
            for number in range(20)
        )
    )

    now = await now_of(api, approval)
    taken = len(now.decisions)  # who voted in the first stage too late has no vote in the second
    assert [200] * taken + [409] * (20 - taken) == sorted(one.status_code for one in answers)
    assert ["one", "one", "two", "two", "two"][:taken] == [one.stage for one in now.decisions]
    assert 2 <= taken == len({one.actor for one in now.decisions}) <= 5


async def test_an_approval_of_before_stages_is_read_and_decided_as_it_was(api: Api) -> None:
    await api.holds(approval := an_approval(execution_id=None))

    shown = (await api.get(f"/api/v1/hitl/approvals/{approval.id}")).json()

    assert not {"stage", "stages", "questions", "openQuestion"} & shown.keys()
