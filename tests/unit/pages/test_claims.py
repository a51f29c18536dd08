"""`/claims`: a journey as people see it, and answering its questions without a script."""

from msgspec.structs import replace

from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.records.claims import ClaimRecord
from tests.support.api.api_client import Api
from tests.support.claims.phase_entries import an_entry
from tests.support.claims.records import A_USER, a_claim, a_journey, a_prompt_about
from tests.support.factories import A_TENANT, ANOTHER_TENANT
from tests.support.pages.visitor import Visitor, signed_in
from tests.support.payouts.packets import a_fee, a_packet

HOSTILE = "<script>alert(1)</script>"


async def asked(api: Api) -> tuple[ExecutionRecord, ClaimRecord, ApprovalRecord]:
    """A journey with a claim about which a person is asked."""
    journey = a_journey()
    claim = a_claim(journey, status="prompted", claim_type=HOSTILE)
    prompt = a_prompt_about(claim)
    claim = replace(claim, approval_id=prompt.id)
    await api.holds(journey, claim, prompt)
    return journey, claim, prompt


def path_of(journey: ExecutionRecord) -> str:
    return f"/claims/{journey.input['syncId']}?userId={A_USER}"


async def test_it_lists_the_tenants_journeys(api: Api, ann: Visitor) -> None:
    ours, theirs = a_journey(), a_journey(tenant_id=ANOTHER_TENANT)
    await api.holds(ours, theirs)

    shown = await ann.open("/claims")

    assert path_of(ours) in shown.links()
    assert path_of(theirs) not in shown.links()
    assert (await ann.open(path_of(theirs))).status == 404
    assert "No such journey" in (await ann.open("/claims?status=failed&userId=")).text


async def test_without_any_it_says_what_to_do(ann: Visitor) -> None:
    assert "No journeys yet" in (await ann.open("/claims")).text


async def test_a_journey_shows_phases_claims_and_money(api: Api, ann: Visitor) -> None:
    journey = a_journey()
    paid, owed = a_claim(journey, status="paid"), a_claim(journey, status="paid")
    entry = an_entry(2, execution_id=journey.id)
    euros = a_fee(owed, 100_000, 20_000, "eur")
    await api.holds(journey, paid, owed, a_fee(paid), euros, a_packet(paid), entry)

    shown = await ann.open(path_of(journey))

    assert "Zero-Friction Onboarding" in shown.text
    assert "Hyper-Transparency Layer" in shown.text
    assert paid.claim_id in shown.text
    assert "125.50 USD" in shown.text  # as it was found
    assert "Recovered 1,000.00 EUR fee 200.00 EUR, kept by the seller 800.00 EUR" in shown.text
    assert "Recovered 1,234.56 USD" in shown.text
    assert "Phase 2 completed" in shown.text


async def test_a_hostile_text_is_text(api: Api, ann: Visitor) -> None:
    journey, _, _ = await asked(api)

    assert HOSTILE not in (await ann.open(path_of(journey))).html


async def test_a_prompt_is_answered(api: Api, ann: Visitor) -> None:
    journey, _, prompt = await asked(api)
    shown = await ann.open(path_of(journey))
    assert "Does it prove the claim?" in shown.text

    shown = await ann.send(f"/evidence/prompts/{prompt.id}/answer", option="reject")

    assert shown.path == path_of(journey)
    assert "Answer recorded." in shown.text
    assert "Does it prove the claim?" not in shown.text
    decided = (await api.store.read(A_TENANT, ApprovalRecord, prompt.id)).record
    assert (decided.status, decided.decided_by, decided.decided_through) == (
        "rejected",
        "ann",
        "page",
    )


async def test_a_second_answer_is_said_to_be_none(api: Api, ann: Visitor) -> None:
    journey, _, prompt = await asked(api)
    shown = await ann.open(path_of(journey))
    fields = shown.form(f"/evidence/prompts/{prompt.id}/answer") | {"option": ["confirm"]}
    await ann.send(f"/evidence/prompts/{prompt.id}/answer", option="reject")

    again = await ann.client.post(f"/evidence/prompts/{prompt.id}/answer", data=fields)

    assert "Prompt is not pending: it is answered" in again.text


async def test_who_only_looks_answers_nothing(api: Api) -> None:
    journey, _, prompt = await asked(api)
    async with signed_in(api.app, "viewer") as visitor:
        shown = await visitor.open(path_of(journey))
        assert "An approver answers it." in shown.text
        assert f"/evidence/prompts/{prompt.id}/answer" not in shown.forms

        token = shown.form("/logout") | {"option": ["confirm"]}
        refused = await visitor.client.post(f"/evidence/prompts/{prompt.id}/answer", data=token)

    assert refused.status_code == 403


async def test_an_operator_cancels_and_retries(api: Api) -> None:
    journey = a_journey()
    await api.holds(journey)
    base = f"/claims/{journey.input['syncId']}"
    async with signed_in(api.app, "operator") as visitor:
        await visitor.open(path_of(journey))
        assert "Cancelled." in (await visitor.send(f"{base}/cancel", reason="by mistake")).text
        assert "Under way again" in (await visitor.send(f"{base}/retry")).text

    now = (await api.store.read(A_TENANT, ExecutionRecord, journey.id)).record
    assert (now.status, now.retries) == ("pending", 1)


async def test_a_part_is_answered_to_the_script(api: Api, ann: Visitor) -> None:
    journey, _, _ = await asked(api)
    await ann.open(path_of(journey))

    part = await ann.client.get(path_of(journey), headers={"HX-Request": "true"})

    assert part.text.lstrip().startswith('<div id="journey"')
