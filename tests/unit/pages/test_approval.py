"""One approval for a person who is signed in: all that they need, and each way to decide it."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from blocks.contracts.approvals import ApprovalPolicy, Approvers, Stage
from blocks.contracts.claims.phases import WORKFLOW as CLAIMS
from blocks.contracts.claims.prompts import GATE, OPTIONS, Prompt
from blocks.contracts.records import ApprovalRecord
from tests.support.api.api_client import Api
from tests.support.factories import A_TENANT, ANOTHER_TENANT, a_stand_in, an_approval, now
from tests.support.pages.visitor import Visitor, signed_in

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
FOUND = {
    "risk": {
        "riskScore": 0.91,
        "detectedRisks": [{"riskName": "No champion", "severity": "high", "seen": "twice"}],
        "model": "m-7",
    },
    "forecast": {"revenueForecast": {"best": 120, "expected": 90}, "confidence": 0.7},
    "recommendations": {"recommendations": [{"title": "Call the CFO"}, "Wait"], "count": 2},
    "market": "flat",
}


async def asked(api: Api, **changes: Any) -> ApprovalRecord:
    approval = an_approval(**{"execution_id": None, "subject": "quote-1"} | changes)
    await api.holds(approval)
    return approval


async def now_of(api: Api, approval: ApprovalRecord) -> ApprovalRecord:
    return (await api.store.read(A_TENANT, ApprovalRecord, approval.id)).record


def path_of(approval: ApprovalRecord) -> str:
    return f"/approvals/{approval.id}"


# --- looking --------------------------------------------------------------------------------------


async def test_all_of_the_context_is_there_to_read(api: Api, ann: Visitor) -> None:
    approval = await asked(api, context=FOUND, summary="**20 %** off?")

    shown = await ann.open(path_of(approval))

    wanted = "20 % off? 0.91 No champion high twice m-7 Best 120 Expected 90 70 % Call the CFO Wait"
    for word in [*wanted.split(), A_TENANT, "Market", "flat"]:
        assert word in shown.text
    assert 'class="bars"' in shown.html


@pytest.mark.parametrize(
    ("context", "word"),
    [
        ({"risk": "odd"}, "odd"),
        ({"risk": {"detectedRisks": {"a": "odd"}}}, "odd"),
        ({"forecast": {"revenueForecast": [{"month": "May", "value": 3, "note": "odd"}]}}, "odd"),
        ({"forecast": {"revenueForecast": [1, "odd"]}}, "odd"),
        ({"forecast": {"revenueForecast": [-5, 7777]}}, "7,777"),
        ({"recommendations": {"recommendations": "odd"}}, "odd"),
        ({"recommendations": [{"a": {"b": "odd"}}]}, "odd"),
        ({"reasons": [{"odd": 1}]}, "Odd"),
    ],
)
async def test_a_result_of_another_shape_is_shown_as_it_is(
    api: Api, ann: Visitor, context: dict[str, Any], word: str
) -> None:
    approval = await asked(api, context=context)

    assert word in (await ann.open(path_of(approval))).text


async def test_what_comes_from_outside_is_text(api: Api, ann: Visitor) -> None:
    found = {HOSTILE: [HOSTILE], "risk": {"detectedRisks": [{"title": HOSTILE, HOSTILE: HOSTILE}]}}
    approval = await asked(api, subject=HOSTILE, summary=HOSTILE, context=found, owner_id=HOSTILE)

    shown = await ann.open(path_of(approval))

    assert 200 == shown.status
    assert "<script>alert" not in shown.html
    assert "<img src=x" not in shown.html


async def test_another_tenants_approval_is_not_there(api: Api, ann: Visitor) -> None:
    foreign = await asked(api, tenant_id=ANOTHER_TENANT, subject="foreign")

    shown = await ann.open(path_of(foreign))

    assert 404 == shown.status
    assert "foreign" not in shown.text


async def test_the_stages_show_who_is_asked_in_which(api: Api, ann: Visitor) -> None:
    stages = [
        Stage(name="manager", policy=ApprovalPolicy(approvers=Approvers(users=("ann",)))),
        Stage(name="finance", policy=ApprovalPolicy(approvers=Approvers(roles=("cfo",)))),
    ]
    approval = await asked(api, stages=stages, stage="manager", policy=stages[0].policy)

    shown = await ann.open(path_of(approval))

    assert "manager : busy finance : next" in shown.text
    assert "finance any cfo" in shown.text


async def test_who_is_absent_and_who_decides_for_them_is_named(api: Api) -> None:
    policy = ApprovalPolicy(approvers=Approvers(users=("ann",)))
    approval = await asked(api, policy=policy)
    await api.holds(a_stand_in(person="ann", stand_in="bob"))

    async with signed_in(api.app, "approver", user="bob") as bob:
        shown = await bob.open(path_of(approval))
        assert "bob decides for ann" in shown.text
        assert "You decide for ann" in shown.text
        shown = await bob.send(path_of(approval), outcome="approved")

    assert "bob for ann" in shown.text
    assert "ann" == (await now_of(api, approval)).decisions[0].on_behalf_of


async def test_a_part_is_answered_to_the_script(api: Api, ann: Visitor) -> None:
    approval = await asked(api)

    part = await ann.client.get(path_of(approval), headers={"HX-Request": "true"})

    assert part.text.lstrip().startswith('<div id="state"')


# --- deciding -------------------------------------------------------------------------------------


async def test_an_approval_is_on_the_record_with_its_form(api: Api, ann: Visitor) -> None:
    schema = {"required": ["limit"], "properties": {"limit": {"type": "integer", "maximum": 9}}}
    approval = await asked(api, form_schema=schema)
    await ann.open(path_of(approval))

    fields = {"outcome": "approved", "reason": "good margin"}
    shown = await ann.send(path_of(approval), **fields, **{"form.limit": "10"})
    assert (400, True) == (shown.status, "10 is greater than the maximum of 9" in shown.text)
    assert "good margin" in shown.html

    shown = await ann.send(path_of(approval), **fields, **{"form.limit": "7"})

    assert (200, True) == (shown.status, "ann approved it on" in shown.text)
    [decision] = (await now_of(api, approval)).decisions
    assert ("page", {"limit": 7}, "good margin") == (
        decision.channel,
        decision.form,
        decision.reason,
    )
    assert path_of(approval) not in shown.forms


async def test_a_rejection_needs_its_reason(api: Api, ann: Visitor) -> None:
    approval = await asked(api, policy=ApprovalPolicy())
    await ann.open(path_of(approval))

    shown = await ann.send(path_of(approval), outcome="rejected")
    assert (400, True) == (shown.status, 'id="reason-error"' in shown.html)

    await ann.send(path_of(approval), outcome="rejected", reason="too risky")
    assert "rejected" == (await now_of(api, approval)).status


async def test_who_comes_second_reads_who_decided_and_when(api: Api, ann: Visitor) -> None:
    approval = await asked(api)
    await ann.open(path_of(approval))
    async with signed_in(api.app, "approver", user="bob") as bob:
        await bob.open(path_of(approval))
        await bob.send(path_of(approval), outcome="approved")

    shown = await ann.send(path_of(approval), outcome="rejected", reason="no")

    assert 409 == shown.status
    assert "already decided. bob approved it on" in shown.text
    assert "approved" == (await now_of(api, approval)).status


async def test_a_vote_does_not_count_in_a_stage_that_was_not_read(api: Api, ann: Visitor) -> None:
    stages = [Stage(name="manager"), Stage(name="finance")]
    approval = await asked(api, stages=stages, stage="manager")
    await ann.open(path_of(approval))
    async with signed_in(api.app, "approver", user="bob") as bob:
        await bob.open(path_of(approval))
        await bob.send(path_of(approval), outcome="approved")

    shown = await ann.send(path_of(approval), outcome="approved")

    assert (409, True) == (shown.status, "moved to another stage" in shown.text)
    assert ("pending", 1) == ((left := await now_of(api, approval)).status, len(left.decisions))
    await ann.send(path_of(approval), outcome="approved")
    assert "approved" == (await now_of(api, approval)).status


async def test_a_prompt_is_answered_with_one_of_its_options(api: Api, ann: Visitor) -> None:
    prompt = Prompt(
        claim_key="k", claim_id="c-1", user_id="u", sync_id="s", question="Is it?",
        options=list(OPTIONS), confidence=0.6,
    )  # fmt: skip
    approval = await asked(
        api, workflow=CLAIMS, gate=GATE, context=msgspec.to_builtins(prompt), subject="c-1"
    )
    shown = await ann.open(path_of(approval))
    assert "A specialist must look at it" in shown.text

    await ann.send(path_of(approval), option="manual", reason="odd")

    decided = await now_of(api, approval)
    assert ("rejected", {"selected_option": "manual"}) == (
        decided.status,
        decided.decisions[0].form,
    )


@pytest.mark.parametrize(
    ("roles", "user", "word"),
    [
        (("viewer",), "ann", "Deciding needs the role approver"),
        (("approver",), "cy", "Others may decide"),
        (("approver",), "req", "asked for"),
    ],
)
async def test_who_may_not_decide_reads_why_and_has_no_form(
    api: Api, roles: tuple[str, ...], user: str, word: str
) -> None:
    policy = ApprovalPolicy(approvers=Approvers(users=("ann", "req")))
    approval = await asked(api, policy=policy, requested_by="req")

    async with signed_in(api.app, *roles, user=user) as visitor:
        shown = await visitor.open(path_of(approval))

    assert path_of(approval) not in shown.forms
    assert word in shown.text


async def test_what_has_expired_can_not_be_decided(api: Api, ann: Visitor) -> None:
    approval = await asked(api, expires_at=now() - timedelta(minutes=1))

    assert path_of(approval) not in (await ann.open(path_of(approval))).forms


# --- questions ------------------------------------------------------------------------------------


async def test_a_question_goes_back_and_its_answer_comes(api: Api, ann: Visitor) -> None:
    approval = await asked(api)
    await ann.open(path_of(approval))

    shown = await ann.send(f"{path_of(approval)}/ask", text="Why so much?")

    assert "Why so much?" in shown.text
    assert f"{path_of(approval)}/ask" not in shown.forms
    async with signed_in(api.app, "operator", user="olga") as olga:
        await olga.open(path_of(approval))
        shown = await olga.send(f"{path_of(approval)}/answer", text="List prices rose.")

    assert "olga answered" in shown.text
    [question] = (await now_of(api, approval)).questions
    assert ("ann", "List prices rose.") == (question.actor, question.answer)


async def test_an_empty_question_is_refused(api: Api, ann: Visitor) -> None:
    approval = await asked(api)
    await ann.open(path_of(approval))

    shown = await ann.send(f"{path_of(approval)}/ask", text=" ")

    assert (400, True) == (shown.status, "must not be empty" in shown.text)
    assert not (await now_of(api, approval)).questions
