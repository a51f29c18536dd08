"""The rules of a tenant: edited as JSON, and checked against what was found last."""

from typing import Any

import msgspec
import pytest

from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import WorkflowDefinition
from tests.support.api.api_client import Api
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_execution
from tests.support.pages.visitor import Visitor, signed_in

PATH = f"/settings/definitions/{WORKFLOW}"
RAW = f"{PATH}?raw=true"


def a_rule(**rule: Any) -> str:
    return msgspec.json.encode({"approval": {"enabled": True, **rule}}).decode()


async def test_a_rule_is_saved_and_taken_back(api: Api, ada: Visitor) -> None:
    await ada.open(RAW)

    shown = await ada.send(PATH, text=a_rule(minAmount=7), act="save")

    assert "Saved" in shown.text
    stored = (await api.store.read(A_TENANT, WorkflowDefinition, WORKFLOW)).record
    assert (7, True, "ada") == (
        stored.approval.min_amount,
        stored.approval.enabled,
        stored.updated_by,
    )

    await ada.send(PATH, act="reset")

    assert (await api.store.read(A_TENANT, WorkflowDefinition, WORKFLOW)).record.is_default


async def test_a_check_judges_what_was_found_last_and_changes_nothing(
    api: Api, ada: Visitor
) -> None:
    for subject, score, tenant in (
        ("risky", 0.9, A_TENANT),
        ("calm", 0.1, A_TENANT),
        ("foreign", 0.9, ANOTHER_TENANT),
    ):
        done = an_execution(
            tenant_id=tenant,
            subject=subject,
            status="completed",
            results={"risk": {"riskScore": score}},
        )
        await api.holds(done)
    condition = {"path": "results.risk.riskScore", "op": "gte", "value": 0.5}
    before = await ada.open(RAW)
    text = a_rule(conditions=[condition])

    shown = await ada.send(PATH, text=text, act="check")

    assert "Asked for 1 of the last 2" in shown.text
    assert "risky asked" in shown.text
    assert "calm not asked" in shown.text
    assert "foreign" not in shown.text
    assert (await ada.open(RAW)).text == before.text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not JSON"),
        ("[]", "must be a JSON object"),
        ('{"aproval": {}}', "aproval"),
        (a_rule(conditions=[{"path": "results.risk.score", "op": "gte", "value": 1}]), "risk"),
        (a_rule(minRiskScore=80), "approval.minRiskScore"),
    ],
)
@pytest.mark.parametrize("act", ["check", "save"])
async def test_what_is_wrong_is_named_and_the_text_stays(
    api: Api, ada: Visitor, text: str, problem: str, act: str
) -> None:
    await ada.open(RAW)

    shown = await ada.send(PATH, text=text, act=act)

    assert (400, True) == (shown.status, problem in shown.text)
    assert "Not right yet" in shown.text


async def test_who_comes_second_does_not_overwrite(ada: Visitor) -> None:
    first = await ada.open(RAW)
    await ada.send(PATH, text=a_rule(minAmount=7), act="save")

    fields = first.form(PATH) | {"text": a_rule(minAmount=8), "act": "save"}
    answer = await ada.client.post(PATH, data=fields)

    assert 412 == answer.status_code


async def test_a_part_is_answered_to_the_script(ada: Visitor) -> None:
    fields = (await ada.open(RAW)).form(PATH) | {"text": "{"}

    part = await ada.client.post(PATH, data=fields, headers={"HX-Request": "true"})

    assert part.text.lstrip().startswith('<section id="checked"')


async def test_they_are_for_admins(api: Api) -> None:
    async with signed_in(api.app, "operator", "approver") as visitor:
        assert 403 == (await visitor.open(PATH)).status


async def test_a_workflow_without_rules_is_not_there(ada: Visitor) -> None:
    assert 404 == (await ada.open("/settings/definitions/nonsense")).status
