"""The inbox: what waits for a person, in which order, and deciding it without a script."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from blocks.adapters.forwarding import ForwardingRecordStore
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.contracts.approvals import ApprovalPolicy, Approvers
from blocks.contracts.records import ApprovalRecord
from blocks.ports import R, RecordStore, Stored, Unavailable
from tests.support.api.api_client import Api, an_api
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_approval, now
from tests.support.pages.visitor import Shown, Visitor, signed_in
from tests.unit.approval_stages.terms import in_stages, stage

ALONE: dict[str, Any] = {"execution_id": None}


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


async def test_a_form_sent_twice_decides_one_stage(api: Api, ann: Visitor) -> None:
    approval = in_stages(stage("manager", "ann"), stage("finance", "ann", repeat=True), **ALONE)
    await api.holds(approval)
    read = await ann.open("/inbox")
    [ticked] = [one["value"] for _, one in read.tags if one.get("name") == "ids"]
    fields = {**read.form("/inbox"), "ids": ticked or "", "outcome": "approved"}

    for _ in range(2):
        shown = Shown(await ann.client.post("/inbox", data=fields))

    assert "not taken, another stage is asked now. It is pending: in stage finance" in shown.text
    kept = (await api.store.read(A_TENANT, ApprovalRecord, approval.id)).record
    assert ("pending", ["manager"]) == (kept.status, [one.stage for one in kept.decisions])


async def test_a_decision_that_names_no_stage_is_not_taken(api: Api, ann: Visitor) -> None:
    approval = in_stages(stage("manager", "ann"), stage("finance", "bob"), **ALONE)
    await api.holds(approval)
    await ann.open("/inbox")

    await ann.send("/inbox", ids=[approval.id], outcome="approved")

    kept = (await api.store.read(A_TENANT, ApprovalRecord, approval.id)).record
    assert [] == kept.decisions


async def test_who_comes_second_reads_who_decided(api: Api, ann: Visitor) -> None:
    approval = an_approval(subject="Acme", execution_id=None)
    await api.holds(approval)
    await ann.open("/inbox")
    async with signed_in(api.app, "approver", user="bob") as bob:
        await bob.open("/inbox")
        await bob.send("/inbox", ids=[approval.id], outcome="rejected", reason="no")

    shown = await ann.send("/inbox", ids=[approval.id], outcome="approved")

    assert "Acme: not taken, it is already decided. bob rejected it on" in shown.text


async def test_what_was_decided_before_the_store_went_away_is_not_lost(
    tmp_path: Path,
) -> None:
    approvals = [an_approval(subject=name, execution_id=None) for name in ("a", "b", "c")]
    async with (
        SqliteRecordStore(tmp_path / "records.db") as embedded,
        an_api(tmp_path, store=Gone(embedded, approvals[1].id)) as api,
        signed_in(api.app, "approver", user="ann") as ann,
    ):
        await api.holds(*approvals)
        await ann.open("/inbox")
        ids = [one.id for one in approvals]
        one = {"outcome": "approved", "decidedBy": "ann"}
        body = {"decisions": [{**one, "id": id} for id in ids]}

        shown = await ann.send("/inbox", ids=ids, outcome="approved")
        answer = await api.send("POST", "/api/v1/hitl/approvals/decisions", body)

        kept = [(await embedded.read(A_TENANT, ApprovalRecord, id)).record for id in ids]
    assert ["approved", "pending", "pending"] == [one.status for one in kept]
    assert "1 approved." in shown.text
    assert "2 times: not known to be decided: the store does not answer" in shown.text
    assert [409, 503, 503] == [one["status"] for one in answer.json()["results"]]


class Gone(ForwardingRecordStore):
    """A store that does not answer for this approval."""

    def __init__(self, store: RecordStore, id: str) -> None:
        super().__init__(store)
        self._id = id

    async def read(self, tenant_id: str, kind: type[R], id: str) -> Stored[R]:
        if id == self._id:
            raise Unavailable("it went away")
        return await super().read(tenant_id, kind, id)


async def test_another_tenants_approval_cannot_be_decided(api: Api, ann: Visitor) -> None:
    foreign = an_approval(tenant_id=ANOTHER_TENANT, execution_id=None)
    await api.holds(foreign, an_approval(execution_id=None))
    await ann.open("/inbox")

    shown = await ann.send("/inbox", ids=[foreign.id], outcome="approved")

    assert "not taken: HITL approval not found" in shown.text
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
