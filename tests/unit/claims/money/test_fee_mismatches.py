"""What the payment service answers is compared with the ledger: anything else than the fee stops,
where people see it, until one of them decides.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from blocks.claims.asking.charges import Charge, read_charge
from blocks.claims.money import fee_decisions
from blocks.claims.money.fee_decisions import NotMismatched, ask_again, confirm_charge
from blocks.claims.money.fees import FeeMismatch, charge_fee
from blocks.claims.money.ledger import read_fee
from blocks.claims.packets.gathering import NotPaid, facts_of
from blocks.contracts import ids
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import ClaimRecord, FeeRecord, PhaseRecord
from blocks.observability.metrics import claims as metrics
from blocks.ports import NotFound, RecordStore, Unavailable
from deployments.simulated.claims.faults import Fault
from flows.claims.phases import Done
from tests.support.factories import A_TENANT
from tests.support.journeys import carried as carrying
from tests.support.journeys.carried import Carried, carried, doing
from tests.support.payouts.payments import RememberedPayments, a_claim
from tests.support.servers.canned_http import answer, canned_http

TWENTY = Decimal(20)
AN_ANSWER: dict[str, Any] = {
    "chargeId": "ch-1",
    "feeCents": 2_000,
    "currency": "usd",
    "amountRecoveredCents": 10_000,
    "userId": "ann",
    "claimId": "clm-1",
    "idempotencyKey": ids.fee_id(a_claim().id),
}


class Stating(RememberedPayments):
    """Charges, and states this of it."""

    def __init__(self, stated: dict[str, Any]) -> None:
        super().__init__()
        self.stated = stated

    async def charge(self, **asked: Any) -> Charge:
        await super().charge(**asked)
        return read_charge({"success": True, "data": self.stated})


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in AN_ANSWER.items() if key != name}


async def charged_as(store: RecordStore, stated: dict[str, Any]) -> FeeRecord:
    return await charge_fee(store, Stating(stated), a_claim(), 10_000, "usd", TWENTY)


# --- what is compared -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stated",
    [
        AN_ANSWER,
        {"charge_id": 7, "platform_fee_cents": 2_000, "currency": " USD "},
        {**AN_ANSWER, "commission_cents": 2_000, "status": "succeeded"},
        {"payment_intent_id": "pi_1", "id": {}, "feeCents": 2_000, "currency": "usd"},
    ],
)
async def test_an_answer_that_is_the_ledgers_fee_settles_it(
    store: RecordStore, stated: dict[str, Any]
) -> None:
    assert "charged" == (await charged_as(store, stated)).status


@pytest.mark.parametrize(
    ("stated", "mismatch"),
    [
        ({**AN_ANSWER, "feeCents": 2_001}, "the fee is 20.01, not 20.00"),
        ({**AN_ANSWER, "feeCents": 0}, "the fee is 0.00, not 20.00"),
        ({**AN_ANSWER, "feeCents": -2_000}, "the fee is -20.00, not 20.00"),
        ({**AN_ANSWER, "currency": "eur"}, "the currency is eur, not usd"),
        ({**AN_ANSWER, "amountRecoveredCents": 1}, "the amount is 0.01, not 100.00"),
        ({**AN_ANSWER, "userId": "bob"}, "the user is bob, not ann"),
        ({**AN_ANSWER, "claimId": "clm-2"}, "the claim is clm-2, not clm-1"),
        ({**AN_ANSWER, "idempotencyKey": "k"}, "the key is k, not "),
        (without("chargeId"), "the charge's id is not stated"),
        (without("feeCents"), "the fee is not stated"),
        (without("currency"), "the currency is not stated"),
        ({**AN_ANSWER, "feeCents": None}, "the fee is not stated"),
        ({**AN_ANSWER, "chargeId": " "}, "the charge's id is not readable"),
        ({**AN_ANSWER, "feeCents": "2000"}, "the fee is not readable"),
        ({**AN_ANSWER, "feeCents": "NaN"}, "the fee is not readable"),
        ({**AN_ANSWER, "feeCents": Decimal("2000.0")}, "the fee is not readable"),
        ({**AN_ANSWER, "feeCents": True}, "the fee is not readable"),
        ({**AN_ANSWER, "feeCents": 10**5_000}, "the fee is not readable"),
        ({**AN_ANSWER, "currency": "jpy"}, "the currency is not readable"),
        ({**AN_ANSWER, "currency": ""}, "the currency is not readable"),
        ({**AN_ANSWER, "commissionCents": 1}, "the fee is not readable"),
        ({**AN_ANSWER, "fee_cents": 1}, "the fee is not readable"),
        ({**AN_ANSWER, "status": "requires_action"}, "status is not readable"),
        ({}, "the charge's id is not stated; the fee is not stated; the currency is not stated"),
    ],
)
async def test_any_other_answer_stops_the_fee_where_people_see_it(
    store: RecordStore, stated: dict[str, Any], mismatch: str
) -> None:
    counted = metrics.FEES_MISMATCHED._value.get()

    with pytest.raises(FeeMismatch):
        await charged_as(store, stated)

    fee = await read_fee(store, A_TENANT, a_claim().id)
    assert fee
    assert ("mismatched", None) == (fee.status, fee.charged_at)
    assert mismatch in (fee.mismatch or "")
    assert fee.mismatched_at
    assert counted + 1 == metrics.FEES_MISMATCHED._value.get()
    with pytest.raises(NotPaid):
        await facts_of(store, a_claim())


@pytest.mark.parametrize("affirmed", [None, 0, 1, "false", "true"])
def test_a_success_that_is_no_boolean_is_not_readable(affirmed: object) -> None:
    assert ("success",) == read_charge({"success": affirmed, "data": AN_ANSWER}).unreadable


@pytest.mark.parametrize(
    ("answer", "unreadable"),
    [
        ({"status": "pending"}, "status"),
        ({"status": "failed"}, "status"),
        ({"status": None}, "status"),
        ({"status": True}, "status"),
        ({"status": 402}, "status"),
        ({"data": {**AN_ANSWER, "success": False}}, "success"),
        ({"data": {**AN_ANSWER, "ok": False}}, "ok"),
        ({"data": {**AN_ANSWER, "status": 200}}, "status"),
        ({"status": "pending", "data": {**AN_ANSWER, "status": "paid"}}, "status"),
    ],
)
def test_a_charge_that_was_not_made_is_none_wherever_the_answer_states_that(
    answer: dict[str, Any], unreadable: str
) -> None:
    assert (unreadable,) == read_charge({"data": AN_ANSWER, **answer}).unreadable


@pytest.mark.parametrize("status", ["success", "ok", "succeeded", 200, 201])
def test_a_status_around_the_charge_may_be_that_of_the_answer(status: object) -> None:
    assert () == read_charge({"success": True, "status": status, "data": AN_ANSWER}).unreadable


async def test_nothing_more_is_asked_for_under_this_key_or_another(store: RecordStore) -> None:
    payments = Stating({**AN_ANSWER, "feeCents": 1})
    for amount, percent in ((10_000, TWENTY), (10_000, TWENTY), (99_900, Decimal(30))):
        with pytest.raises(FeeMismatch):
            await charge_fee(store, payments, a_claim(), amount, "usd", percent)

    assert 1 == len(payments.asked)


async def test_a_good_answer_does_not_undo_a_bad_one_that_came_first(store: RecordStore) -> None:
    class First(RememberedPayments):
        """While it is asked, another process gets the bad answer."""

        async def charge(self, **asked: Any) -> Charge:
            with pytest.raises(FeeMismatch):
                await charged_as(store, {**AN_ANSWER, "feeCents": 1})
            return await super().charge(**asked)

    with pytest.raises(FeeMismatch):
        await charge_fee(store, First(), a_claim(), 10_000, "usd", TWENTY)

    fee = await read_fee(store, A_TENANT, a_claim().id)
    assert fee
    assert "mismatched" == fee.status


# --- what a person decides ------------------------------------------------------------------------


async def test_a_fee_that_agrees_leaves_nothing_to_decide(store: RecordStore) -> None:
    bus: Any = None
    await charged_as(store, AN_ANSWER)

    with pytest.raises(NotMismatched, match="the fee is charged"):
        await ask_again(store, bus, A_TENANT, a_claim().id, "ann")
    with pytest.raises(NotFound):
        await confirm_charge(store, bus, A_TENANT, "another claim", "ch-1", "ann")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Carried]:
    async with carried(tmp_path) as here:
        yield here


Decide = Callable[[Carried, str], Awaitable[FeeRecord]]


async def confirm(here: Carried, claim_key: str) -> FeeRecord:
    return await confirm_charge(here.store, here.bus, A_TENANT, claim_key, "ch-9", "ann")


async def ask_once_more(here: Carried, claim_key: str) -> FeeRecord:
    return await ask_again(here.store, here.bus, A_TENANT, claim_key, "ann")


OVERCHARGED = {"success": True, "data": {"chargeId": "ch-9", "feeCents": 2_011, "currency": "usd"}}


async def test_the_phase_fails_with_its_own_code_and_a_repetition_charges_nothing(
    here: Carried,
) -> None:
    await here.platform.fault(Fault(kind="answer", service="payments", answer=OVERCHARGED))

    failed = await here.triggered(7, claim_id="c-1", amount=100.5)
    again = await here.triggered(7, claim_id="c-1", amount=100.5)

    assert ("failed", "fee-mismatch") == (failed.status, failed.error_code)
    assert "the fee is 20.11, not 20.10" in (failed.error or "")
    assert ("failed", "fee-mismatch") == (again.status, again.error_code)
    assert 1 == (await here.platform.requests())["payments"]
    [claim] = await here.claims(failed.id)
    assert "found" == claim.status


@pytest.mark.parametrize(
    ("decide", "charge_id", "charges"), [(confirm, 9, 0), (ask_once_more, None, 1)]
)
async def test_a_persons_decision_lets_the_claim_go_on(
    here: Carried,
    decide: Decide,
    charge_id: int | None,
    charges: int,
) -> None:
    failed, claim = await overcharged(here)

    await decide(here, claim.id)
    ended = await here.carry(failed.id)

    fee = await read_fee(here.store, A_TENANT, claim.id)
    assert fee
    assert ("completed", "charged") == (ended.status, fee.status)
    assert charge_id is None or f"ch-{charge_id}" == fee.charge_id
    assert charges == len(await here.platform.charges("c-1"))
    assert "the fee is 20.11, not 20.10" in (fee.mismatch or "")


@pytest.mark.parametrize("decide", [confirm, ask_once_more], ids=["charged", "ask-again"])
async def test_a_decision_made_while_the_phase_fails_by_its_fee_is_not_lost(
    here: Carried, decide: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The phase has seen the mismatch, and its failure is not on record yet."""
    fault = Fault(kind="answer", service="payments", answer=OVERCHARGED, requests=1)
    await here.platform.fault(fault)

    async def deciding(record: PhaseRecord, work: Any) -> Done:
        try:
            return await doing(record, work)
        except FeeMismatch:
            await decide(here, record.claim_key or "")
            raise

    monkeypatch.setattr(carrying, "doing", deciding)
    ended = await here.triggered(7, claim_id="c-1", amount=100.5)

    fee, payout = await fee_of_claim(here, ended.id), await here.phase(ended.id, 7)
    assert ("completed", "charged") == (ended.status, fee.status)
    assert ("completed", 2, "fee decision") == (payout.status, payout.round, payout.triggered_by)


@pytest.mark.parametrize("decide", [confirm, ask_once_more], ids=["charged", "ask-again"])
async def test_a_decision_made_again_after_a_crash_requests_the_payout(
    here: Carried, decide: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed, claim = await overcharged(here)
    with monkeypatch.context() as crash:
        crash.setattr(fee_decisions, "_request_payout", crashed)
        with pytest.raises(Unavailable):
            await decide(here, claim.id)

    await decide(here, claim.id)
    ended = await here.carry(failed.id)

    assert ("completed", "charged") == (
        ended.status,
        (await fee_of_claim(here, ended.id)).status,
    )


async def test_another_decision_does_not_follow_the_first(here: Carried) -> None:
    await here.platform.fault(Fault(kind="answer", service="payments", answer=OVERCHARGED))
    failed = await here.triggered(7, claim_id="c-1", amount=100.5)
    [claim] = await here.claims(failed.id)
    await confirm(here, claim.id)

    with pytest.raises(NotMismatched):
        await ask_once_more(here, claim.id)
    with pytest.raises(NotMismatched):
        await confirm_charge(here.store, here.bus, A_TENANT, claim.id, "ch-10", "ann")
    assert "ch-9" == (await fee_of_claim(here, failed.id)).charge_id


async def overcharged(here: Carried) -> tuple[ExecutionRecord, ClaimRecord]:
    """A journey whose claim was charged too much, once; and that claim."""
    fault = Fault(kind="answer", service="payments", answer=OVERCHARGED, requests=1)
    await here.platform.fault(fault)
    failed = await here.triggered(7, claim_id="c-1", amount=100.5)
    [claim] = await here.claims(failed.id)
    return failed, claim


async def fee_of_claim(here: Carried, journey_id: str) -> FeeRecord:
    [claim] = await here.claims(journey_id)
    fee = await read_fee(here.store, A_TENANT, claim.id)
    assert fee
    return fee


async def crashed(*_: object) -> None:
    raise Unavailable("the process has died")


async def test_a_number_that_json_does_not_have_is_a_field_that_is_not_readable(
    tmp_path: Path,
) -> None:
    body = b'{"chargeId": "ch-1", "feeCents": NaN, "currency": "usd"}'
    async with (
        canned_http(answer(body)) as (served, url),
        carried(tmp_path, CLAIMS_PAYMENTS_URL=url) as here,
    ):
        failed = await here.triggered(7, claim_id="c-1", amount=100)

    assert 1 == len(served.received)
    assert "fee-mismatch" == failed.error_code
    assert "the fee is not readable" in (failed.error or "")


async def test_what_is_no_answer_at_all_is_asked_for_again_under_the_same_key(
    here: Carried,
) -> None:
    """Nothing is known of the charge, and its key makes the next request safe."""
    await here.platform.fault(Fault(kind="garbage", service="payments", after_work=True))
    failed = await here.triggered(7, claim_id="c-1", amount=100)
    await here.platform.repair()

    ended = await here.triggered(7, claim_id="c-1", amount=100)

    assert ("bad-answer", "completed") == (failed.error_code, ended.status)
    assert 1 == len(await here.platform.charges("c-1"))
