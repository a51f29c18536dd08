"""The inbox: what waits for a person, in which order, and deciding it without a script."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from blocks.contracts.approvals import ApprovalPolicy, Approvers
from blocks.contracts.records import ApprovalRecord
from tests.support.api.api_client import Api, an_api
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_approval, now
from tests.support.pages.visitor import Visitor, signed_in


@pytest.fixture
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("api")) as api:
        yield api


@pytest.fixture
async def ann(api: Api) -> AsyncIterator[Visitor]:
    async with signed_in(api.app, "approver", user="ann") as visitor:
        yield visitor


async def test_what_is_overdue_comes_first(api: Api, ann: Visitor) -> None:
    await api.holds(
        an_approval(subject="early", created_at=now() - timedelta(days=3), execution_id=None),
        an_approval(subject="late", due_at=now() - timedelta(hours=1), execution_id=None),
    )

    shown = await ann.open("/inbox")

    assert shown.text.index("late") < shown.text.index("early")
    assert "overdue" in shown.text


async def test_it_lists_what_the_person_may_decide(api: Api, ann: Visitor) -> None:
    for_bob = ApprovalPolicy(approvers=Approvers(users=("bob",)))
    await api.holds(
        an_approval(subject="for-anyone", execution_id=None),
        an_approval(subject="for-bob", policy=for_bob, execution_id=None),
    )

    assert "for-bob" not in (await ann.open("/inbox")).text
    assert "for-bob" in (await ann.open("/inbox?whose=all")).text


async def test_another_tenants_approval_does_not_show(api: Api, ann: Visitor) -> None:
    await api.holds(an_approval(subject="foreign", tenant_id=ANOTHER_TENANT, execution_id=None))

    assert "foreign" not in (await ann.open("/inbox?whose=all")).text


async def test_several_are_decided_at_once(api: Api, ann: Visitor) -> None:
    approvals = [an_approval(subject=name, execution_id=None) for name in ("one", "two")]
    await api.holds(*approvals)
    await ann.open("/inbox")

    shown = await ann.send("/inbox", ids=[one.id for one in approvals], outcome="approved")

    assert "2 approved" in shown.text
    stored = [(await api.store.read(A_TENANT, ApprovalRecord, one.id)).record for one in approvals]
    assert [("approved", "ann", "page")] * 2 == [
        (one.status, one.decided_by, one.decided_through) for one in stored
    ]


async def test_another_tenants_approval_cannot_be_decided(api: Api, ann: Visitor) -> None:
    foreign = an_approval(tenant_id=ANOTHER_TENANT, execution_id=None)
    await api.holds(foreign, an_approval(execution_id=None))
    await ann.open("/inbox")

    shown = await ann.send("/inbox", ids=[foreign.id], outcome="approved")

    assert "1 not taken: " in shown.text
    kept = (await api.store.read(ANOTHER_TENANT, ApprovalRecord, foreign.id)).record
    assert kept.status == "pending"


async def test_who_only_looks_decides_nothing(api: Api) -> None:
    approval = an_approval(execution_id=None)
    await api.holds(approval)
    async with signed_in(api.app, "viewer") as visitor:
        shown = await visitor.open("/inbox")
        assert "Approve ticked" not in shown.text

        shown = await visitor.send("/inbox", ids=[approval.id], outcome="approved")

    assert shown.status == 403
    assert (await api.store.read(A_TENANT, ApprovalRecord, approval.id)).record.status == "pending"


async def test_a_part_is_answered_to_the_script(api: Api, ann: Visitor) -> None:
    await ann.open("/inbox")

    part = await ann.client.get("/inbox", headers={"HX-Request": "true"})

    assert part.text.lstrip().startswith('<div id="inbox"')
