"""A rule is edited in rows, without a script; what has no field in them stays as it was."""

from typing import Any

import msgspec
import pytest

from api.definitions.routes import wanted_in
from api.pages.settings.rows import ApproverRow, ConditionRow, Rows, rows_of, with_rows
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import WorkflowDefinition
from tests.support.api.api_client import Api
from tests.support.factories import A_TENANT
from tests.support.pages.visitor import Shown, Visitor

PATH = f"/settings/definitions/{WORKFLOW}"
RISKY = {"path": "results.risk.riskScore", "op": "gte", "value": 0.5}
LARGE = {"path": "subject.amount", "op": "gte", "value": 1_000_000}
STAGES: dict[str, Any] = {
    "enabled": True,
    "stages": [
        {"name": "manager", "policy": {"approvers": {"roles": ["manager"]}, "allowSelf": True}},
        {
            "name": "finance",
            "conditions": [LARGE, {"path": "subject.stage", "op": "in", "value": ["won", "lost"]}],
            "policy": {"approvers": {"users": ["bob", "cid"]}, "quorum": 2},
            "expiresAfterSeconds": 7200.0,
            "remindAfterSeconds": [60.0],
        },
    ],
}


@pytest.mark.parametrize(
    "rule",
    [
        {"enabled": False},
        {"enabled": True, "minAmount": 7, "formSchema": {"type": "object"}, "onReject": "complete"},
        {"enabled": True, "conditions": []},
        {
            "enabled": True,
            "conditions": [
                {**RISKY, "onUnknown": "skip"},
                {"path": "subject.stage", "op": "in", "value": ["won", 7, "7", True]},
                {"path": "subject.stage", "op": "in", "value": ["a, b"]},
                {"path": "subject.id", "op": "eq", "value": "007"},
                {"path": "subject.id", "op": "ne", "value": " 7 "},
                {"path": "subject.ownerId", "op": "exists", "value": False},
                {"path": "subject.ownerId", "op": "exists"},
            ],
        },
        {
            "enabled": True,
            "policy": {"approvers": {"users": ["ann"]}, "reasonRequired": "always"},
            "expiresAfterSeconds": 100.0,
            "onExpiry": "escalate",
            "escalations": [{"afterSeconds": 9.0, "approvers": {"users": ["bob"]}}],
        },
        STAGES,
    ],
)
def test_rows_that_are_not_changed_change_nothing(rule: dict[str, Any]) -> None:
    whole = {"enabled": True, "approval": rule, "steps": {"risk": {"critical": True}}}

    assert wanted_in(whole) == wanted_in(with_rows(whole, rows_of(whole)))


def test_stages_become_the_only_terms_and_back() -> None:
    whole: dict[str, Any] = {"approval": STAGES}
    manager, finance = rows_of(whole).approvers
    alone = msgspec.structs.replace(finance, name="", above="")

    one = with_rows(whole, Rows(True, rows_of(whole).conditions, [alone]))["approval"]

    assert ("stages" in one, 2, 7200.0) == (
        False,
        one["policy"]["quorum"],
        one["expiresAfterSeconds"],
    )
    rows = rows_of({"approval": one})
    two = with_rows({"approval": one}, Rows(True, rows.conditions, [manager, *rows.approvers]))
    assert [{"roles": ["manager"], "users": []}, {"roles": [], "users": ["bob", "cid"]}] == [
        stage["policy"]["approvers"] for stage in two["approval"]["stages"]
    ]
    assert "policy" not in two["approval"]


def test_an_empty_row_is_none() -> None:
    whole: dict[str, Any] = {"approval": STAGES}
    rows = rows_of(whole)
    more = Rows(True, [*rows.conditions, ConditionRow()], [*rows.approvers, ApproverRow()])

    assert with_rows(whole, rows) == with_rows(whole, more)


async def test_a_person_adds_rows_and_saves_them(api: Api, ada: Visitor) -> None:
    shown = await ada.open(PATH)
    shown = await sent(ada, **typed(shown) | {"enabled": "true"}, add="approver")
    shown = await sent(ada, **typed(shown), add="condition")
    rows = typed(shown)
    assert [3, 2] == [len(rows[name]) for name in ("condition-path", "approver-name")]
    rows["condition-path"][2], rows["condition-value"][2] = "subject.stage", "closing"
    rows["condition-op"][2] = "eq"
    rows["approver-name"] = ["manager", "finance"]
    rows["approver-roles"] = ["manager", "finance"]
    rows["approver-above"] = ["", "1,000,000"]
    rows["approver-hours"] = ["24", "48"]

    shown = await sent(ada, **rows, act="save")

    assert "Saved" in shown.text
    rule = (await api.store.read(A_TENANT, WorkflowDefinition, WORKFLOW)).record.approval
    assert rule.enabled
    assert ("subject.stage", "eq", "closing") == (
        rule.every_condition[2].path,
        rule.every_condition[2].op,
        rule.every_condition[2].value,
    )
    assert [("manager", 86_400, []), ("finance", 172_800, [1_000_000])] == [
        (one.name, one.expires_after_seconds, [inner.value for inner in one.conditions])
        for one in rule.stages
    ]


async def test_a_row_is_removed_and_nothing_is_saved(api: Api, ada: Visitor) -> None:
    await ada.open(PATH)

    shown = await sent(ada, **typed(ada.shown), remove="condition-0", act="save")

    assert ["subject.amount"] == typed(shown)["condition-path"]
    assert "The platform's defaults hold" in (await ada.open(PATH)).text


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("condition-path", "results.risk.score", "conditions.0.path"),
        ("approver-quorum", "many", "quorum"),
        ("approver-hours", "soon", "expiresAfterSeconds"),
        ("approver-hours", "1e300", "expiresAfterSeconds"),
    ],
)
async def test_what_is_wrong_is_named_and_what_was_typed_stays(
    ada: Visitor, field: str, value: str, problem: str
) -> None:
    rows = typed(await ada.open(PATH))
    rows[field][0] = value

    shown = await sent(ada, **rows, act="check")

    assert (400, True) == (shown.status, problem in shown.text)
    assert value == typed(shown)[field][0]


async def test_experts_edit_json(ada: Visitor) -> None:
    shown = await ada.open(f"{PATH}?raw=true")

    assert [] == [tag for tag, named in shown.tags if named.get("name") == "condition-path"]
    assert ["text"] == [named["id"] for tag, named in shown.tags if tag == "textarea"]


async def sent(ada: Visitor, **fields: Any) -> Shown:
    return await ada.send(PATH, **fields)


def typed(shown: Shown | None) -> dict[str, list[str]]:
    """What the rows of the page hold, as a browser would send it."""
    assert shown
    rows: dict[str, list[str]] = {}
    select = ""
    for tag, named in shown.tags:
        name = named.get("name") or ""
        if tag == "input" and name.startswith(("condition-", "approver-")):
            rows.setdefault(name, []).append(named.get("value") or "")
        if tag == "select":
            select = name
        if tag == "option" and "selected" in named and select:
            rows.setdefault(select, []).append(named.get("value") or "")
    return rows
