"""Journeys by the flow's own functions: real services over HTTP, the embedded bus and store."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from blocks.actions.cancelling import cancel_execution
from blocks.actions.retrying import reopen_execution
from blocks.approvals import lifecycle
from blocks.approvals.decisions import Vote
from blocks.claims import claims, journeys, log, prompts
from blocks.claims.money.ledger import read_fee
from blocks.claims.packets.packets import archive_key, read_packet
from blocks.contracts.claims.findings import Claim
from blocks.contracts.records import ApprovalRecord
from blocks.contracts.records.claims import PhaseRecord
from blocks.ports import RecordStore, Stored
from deployments.simulated.claims.faults import Fault
from tests.support.factories import A_TENANT
from tests.support.journeys.carried import Carried, carried
from tests.support.journeys.triggers import A_USER, Died, Fuse, Fused
from tests.support.waiting import eventually


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Carried]:
    async with carried(tmp_path) as here:
        yield here


async def asked(here: Carried, service: str) -> int:
    """How often the service was asked for the user."""
    return (await here.platform.requests(A_USER))[service]


async def test_an_onboarding_goes_on_by_itself_until_it_needs_a_word_from_outside(
    here: Carried,
) -> None:
    journey = await here.triggered(1)

    assert "waiting" == journey.status
    assert None is journey.flow_run_id
    phases = await here.phases(journey.id)
    assert [1, 2, 3, 4, 5, 5] == sorted(one.phase for one in phases)
    assert {"completed"} == {one.status for one in phases}
    assert ["submitted", "prompted", "review", "submitted"] == [
        claim.status for claim in await here.claims(journey.id)
    ]
    assert ["phase_1", "phase_2", "phase_3"] == [
        (await here.phase(journey.id, number)).triggered_by for number in (2, 3, 4)
    ]
    assert {"sync": 1, "detection": 1, "matching": 1, "submission": 2} == {
        service: count for service, count in (await here.platform.requests(A_USER)).items() if count
    }


async def test_the_log_has_each_phase_in_order_and_once(here: Carried) -> None:
    journey = await here.triggered(1)

    lines = await log.entries(here.store, A_TENANT, [journey.id])
    of_sync = [(line.phase, line.mark) for line in lines if line.claim_key is None]
    assert of_sync == [(n, mark) for n in (1, 2, 3, 4) for mark in ("started", "completed")]
    of_claims = [line for line in lines if line.claim_key]
    assert len({line.id for line in lines}) == len(lines)
    assert 4 == len(of_claims)
    assert all(line.created_at >= lines[7].created_at for line in of_claims)


async def test_a_journey_whose_matches_come_under_the_id_of_a_matching_job_ends(
    here: Carried,
) -> None:
    """As the platform's matching worker sends them."""
    await here.platform.fault(Fault(kind="later", service="matching"))
    found = [{"claim_id": "c-1", "confidence": 0.9}]
    journey = await here.triggered(3, claims=found)
    assert [3] == [phase.phase for phase in await here.phases(journey.id)]

    matched = await here.triggered(4, sync_id="job-7", matches=found)
    paid = await here.triggered(7, amount=100)

    assert journey.id == matched.id == paid.id
    assert ("completed", 7) == (paid.status, (paid.results or {})["phase"])


async def test_a_payout_is_charged_once_and_its_packet_opens(here: Carried, tmp_path: Path) -> None:
    journey = await here.triggered(1)
    claim = (await here.claims(journey.id))[0]

    after = await here.triggered(7, claim_id=claim.claim_id, amount=100.5)
    await here.trigger(7, claim_id=claim.claim_id, amount=100.5)

    assert after.id == journey.id
    paid = (await here.claims(journey.id))[0]
    assert "paid" == paid.status
    [charge] = await here.platform.charges(claim.claim_id)
    assert (10050, 2010) == (charge["amount_recovered_cents"], charge["fee_cents"])
    fee = await read_fee(here.store, A_TENANT, claim.id)
    assert fee
    assert ("charged", 8040) == (fee.status, fee.payout_cents)
    packet = await read_packet(here.store, A_TENANT, claim.id)
    archive = tmp_path / "packet.zip"
    archive.write_bytes(await here.parts.files.read(archive_key(packet.id)))
    assert "metadata.json" in {Path(name).name for name in ZipFile(archive).namelist()}
    payout = await here.phase(journey.id, 7)
    assert {"amount_recovered": 100.5, "platform_fee": 20.1, "seller_payout": 80.4}.items() <= (
        payout.result or {}
    ).items()


async def test_a_journey_is_completed_when_its_last_claim_is(here: Carried) -> None:
    journey = await here.triggered(1)
    first, prompted, review, last = await here.claims(journey.id)
    await here.triggered(6, claim_id=first.claim_id)
    await here.triggered(6, claim_id=prompted.claim_id)
    await here.triggered(7, claim_id=review.claim_id)
    assert "waiting" == (await here.journey(journey.id)).status

    ended = await here.triggered(7, claim_id=last.claim_id)

    assert "completed" == ended.status
    assert ended.announced_at
    assert {"phase": 7, "claims": 4, "paid": 2, "rejected": 2} == ended.results
    lines = await log.entries(here.store, A_TENANT, [journey.id])
    [completing] = [line for line in lines if line.completes_sync]
    assert (7, last.id) == (completing.phase, completing.claim_key)


async def test_a_confirmed_prompt_submits_its_claim(here: Carried) -> None:
    journey = await here.triggered(1)
    prompted = (await here.claims(journey.id))[1]
    assert prompted.approval_id
    approval = (await here.store.read(A_TENANT, ApprovalRecord, prompted.approval_id)).record
    assert (prompted.claim_id, "pending") == (approval.subject, approval.status)

    vote = Vote(actor="ann", outcome="approved", channel="api")
    await lifecycle.record_vote(here.store, A_TENANT, approval.id, vote)
    decided = (await here.store.read(A_TENANT, ApprovalRecord, approval.id)).record
    await prompts.settle_prompt(here.store, here.bus, decided)
    assert "pending" == (await here.journey(journey.id)).status
    await here.carry(journey.id)

    claim = (await here.claims(journey.id))[1]
    assert ("submitted", 1) == (claim.status, claim.submissions)


async def test_a_service_that_is_down_fails_the_phase_and_a_retry_does_it(here: Carried) -> None:
    await here.platform.fault(Fault(kind="error", service="detection"))
    failed = await here.triggered(1)
    assert ("failed", "phase_2") == (failed.status, failed.failed_step)
    assert failed.announced_at
    assert "detection" in (failed.error or "")
    assert "failed" == (await here.phase(failed.id, 2)).status
    assert 1 == (await here.platform.requests(A_USER))["sync"]

    await here.platform.repair()
    await reopen_execution(here.store, here.bus, A_TENANT, failed.id)
    retried = await here.carry(failed.id)

    assert "waiting" == retried.status
    again = await here.phase(failed.id, 2)
    assert ("completed", 2, "retry") == (again.status, again.round, again.triggered_by)
    assert 1 == (await here.platform.requests(A_USER))["sync"]


async def test_a_retry_at_rest_does_what_failed_and_leaves_the_other_claims_alone(
    here: Carried,
) -> None:
    await here.triggered(1)
    await here.platform.fault(Fault(kind="error", service="payments"))
    claim = (await here.claims(journey_id := (await here.trigger(1)).execution_id))[0]
    waiting = await here.triggered(7, claim_id=claim.claim_id, amount="100")
    assert ("waiting", "phase_7") == (waiting.status, waiting.failed_step)

    await here.platform.repair()
    await reopen_execution(here.store, here.bus, A_TENANT, journey_id)
    retried = await here.carry(journey_id)

    assert ("waiting", None) == (retried.status, retried.failed_step)
    assert ("completed", 2) == (
        (paid := await here.phase(journey_id, 7)).status,
        paid.round,
    )
    assert {1} == {one.round for one in await here.phases(journey_id) if one.phase != 7}
    assert 1 == len(await here.platform.charges(claim.claim_id))


async def test_a_retry_leaves_a_failure_alone_that_a_later_phase_has_made_good(
    here: Carried,
) -> None:
    await here.triggered(1)
    claim, other = (await here.claims(journey_id := (await here.trigger(1)).execution_id))[:2]
    await here.platform.fault(Fault(kind="error", service="rejections"))
    failed = await here.triggered(6, claim_id=claim.claim_id, rejection_reason="no proof")
    assert "phase_6" == failed.failed_step
    await here.triggered(7, claim_id=claim.claim_id, amount="100")
    await here.platform.fault(Fault(kind="error", service="payments"))
    await here.triggered(7, claim_id=other.claim_id, amount="100")

    await here.platform.repair()
    await reopen_execution(here.store, here.bus, A_TENANT, journey_id)
    await here.carry(journey_id)

    assert ("failed", 1) == (
        (superseded := await here.phase(journey_id, 6)).status,
        superseded.round,
    )
    assert {"completed"} == {one.status for one in await here.phases(journey_id) if one.phase == 7}


async def test_the_same_trigger_requests_a_failed_phase_once_more(here: Carried) -> None:
    await here.platform.fault(Fault(kind="error", service="sync"))
    failed = await here.triggered(1)
    await here.platform.repair()

    assert "waiting" == (await here.triggered(1)).status
    assert 2 == (await here.phase(failed.id, 1)).round


async def test_a_rejected_claim_is_submitted_once_more(here: Carried) -> None:
    journey = await here.triggered(1)
    claim = (await here.claims(journey.id))[0]
    await here.triggered(6, claim_id=claim.claim_id, rejection_reason="no proof")
    assert "rejected" == (await here.claims(journey.id))[0].status

    await here.triggered(5, claim_id=claim.claim_id, amazon_case_id="77-new")

    again = (await here.claims(journey.id))[0]
    assert ("submitted", 2, "77-new") == (again.status, again.submissions, again.amazon_case_id)


async def test_a_claim_that_no_sync_has_named_is_paid_in_a_journey_of_its_own(
    here: Carried,
) -> None:
    ended = await here.triggered(7, claim_id="loose", amount="12.34")

    assert "completed" == ended.status
    assert {"phase": 7, "claims": 1, "paid": 1} == ended.results
    assert 1 == len(await here.platform.charges("loose"))


@pytest.mark.parametrize(
    ("named", "found", "paid"),
    [(None, "eur", "eur"), ("usd", "eur", "usd"), (None, None, "usd")],
)
async def test_a_payout_that_came_first_is_charged_in_the_currency_of_its_claim(
    here: Carried, named: str | None, found: str | None, paid: str
) -> None:
    """US dollars are the platform's default of a payout, where neither names a currency."""
    await here.trigger(7, claim_id="early", amount="12.34", currency=named)
    claim = {"claim_id": "early", "amount": "20", "currency": found}
    await here.triggered(3, claims=[claim])

    [charge] = await here.platform.charges("early")
    assert (1234, paid) == (charge["amount_recovered_cents"], charge["currency"])


async def test_a_claim_joins_the_sync_that_names_it(here: Carried) -> None:
    alone = await here.triggered(5, claim_id="early")
    assert "waiting" == alone.status

    named = await here.triggered(3, claims=[{"claim_id": "early", "confidence": 0.9}])
    former = await here.carry(alone.id)

    assert "completed" == former.status
    [claim] = await here.claims(named.id)
    assert ("submitted", [alone.id]) == (claim.status, claim.joined_from)
    assert [3, 4, 5] == sorted(one.phase for one in await here.phases(named.id))


async def test_phases_that_a_death_left_behind_follow_their_claim(here: Carried) -> None:
    await here.platform.fault(Fault(kind="error", service="detection"))
    await here.trigger(5, claim_id="early")
    sync = await here.journey((await here.trigger(2)).execution_id)
    dies = Fuse()
    dies.set(2, is_done_first=True)
    with pytest.raises(Died):
        await claims.name_claim(Fused(here.store, dies), here.bus, sync, Claim(claim_id="early"))

    await here.carry(sync.id)

    assert [2, 5] == sorted(one.phase for one in await here.phases(sync.id))
    assert ["submitted"] == [claim.status for claim in await here.claims(sync.id)]


async def test_a_cancelled_journey_is_left_by_its_run(here: Carried) -> None:
    await here.platform.fault(Fault(kind="hang", service="sync"))
    accepted = await here.trigger(1)
    carrying = asyncio.create_task(here.carry(accepted.execution_id))
    await eventually(lambda: asked(here, "sync"))

    await cancel_execution(
        here.store,
        here.bus,
        here.parts.context.flow_runs,
        A_TENANT,
        accepted.execution_id,
        "enough",
    )
    await here.parts.context.execution_cancelled(accepted.execution_id.encode())

    assert "cancelled" == (await asyncio.wait_for(carrying, 10)).status
    assert "ignored" == (await here.trigger(2)).outcome


async def test_a_trigger_while_the_journey_is_carried_is_done_by_the_same_run(
    here: Carried,
) -> None:
    await here.platform.fault(Fault(kind="hang", service="matching", requests=1))
    accepted = await here.trigger(3, claims=[{"claim_id": "slow", "confidence": 0.9}])
    carrying = asyncio.create_task(here.carry(accepted.execution_id))
    await eventually(lambda: asked(here, "matching"))

    await here.trigger(7, claim_id="slow", amount=10)
    await here.parts.context.journey_woken(accepted.execution_id.encode())
    await eventually(lambda: here.platform.charges("slow"))

    assert "running" == (await here.journey(accepted.execution_id)).status
    carrying.cancel()
    await asyncio.wait([carrying])


async def test_thresholds_and_switches_decide_the_route(tmp_path: Path) -> None:
    async with carried(tmp_path, FEATURE_FLAG_EV_AUTO_SUBMIT="false") as here:
        journey = await here.triggered(1)
        assert ["prompted", "prompted", "review", "prompted"] == [
            claim.status for claim in await here.claims(journey.id)
        ]


async def test_payouts_of_all_claims_at_once_complete_the_sync_once(here: Carried) -> None:
    journey = await here.triggered(1)
    for claim in await here.claims(journey.id):
        await here.trigger(7, claim_id=claim.claim_id)

    ended = await here.carry(journey.id)

    assert "completed" == ended.status
    lines = await log.entries(here.store, A_TENANT, [journey.id])
    assert 1 == len([line for line in lines if line.completes_sync])


async def test_a_case_that_is_known_after_the_submission_is_noted(here: Carried) -> None:
    await here.platform.fault(Fault(kind="error", service="submission", status=400))
    failed = await here.triggered(5, claim_id="own")
    await claims.move_on(
        here.store, A_TENANT, (await here.claims(failed.id))[0].id, "submitted", submissions=1
    )

    await here.triggered(5, claim_id="own", amazon_case_id="77")

    [claim] = await here.claims(failed.id)
    assert ("submitted", 1, "77") == (claim.status, claim.submissions, claim.amazon_case_id)


async def test_a_journey_of_many_claims_is_not_read_again_for_each(
    here: Carried, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    async def counted(store: RecordStore, tenant_id: str, id: str) -> list[Stored[PhaseRecord]]:
        read.append(id)
        return await phases_of(store, tenant_id, id)

    phases_of = journeys.phases_of
    monkeypatch.setattr(journeys, "phases_of", counted)
    sure = [{"claim_id": f"c-{number}", "confidence": 0.9} for number in range(30)]
    journey = await here.triggered(4, matches=sure)
    assert "waiting" == journey.status
    for claim in await here.claims(journey.id):
        await here.trigger(7, claim_id=claim.claim_id, amount=10)

    paid = await here.carry(journey.id)

    assert ("completed", 30) == (paid.status, (paid.results or {})["paid"])
    assert len(read) <= 15
