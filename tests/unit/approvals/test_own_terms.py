"""Who may ask for an approval in which terms: every role, every field."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from api.approvals.documents import NewApproval
from blocks.contracts.roles import ROLES
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import a_token, as_user
from tests.support.factories import an_execution, now

PATH = "/api/v1/hitl/approvals"
LATER = (now() + timedelta(days=1)).isoformat()

OWN_TERMS: dict[str, list[Any]] = {
    "policy": [
        {"approvers": {"users": ["ann"]}},
        {"approvers": {"roles": ["vp"]}},
        {"quorum": 2},
        {"allowSelf": True},
        {"reasonRequired": "never"},
    ],
    "onReject": ["complete"],
    "options": [["approved"], ["rejected"]],
    "escalations": [[{"at": LATER, "approvers": {"users": ["ann"]}}]],
    "gate": ["analysis"],
}
"""An admin's where an execution waits."""

ALWAYS_AN_ADMINS: dict[str, list[Any]] = {"onExpiry": ["approve"]}

ANYONES: dict[str, list[Any]] = {
    "subject": ["quote-1"],
    "opportunityId": ["opp-1"],
    "workflow": ["opportunity-analysis"],
    "summary": ["Please"],
    "context": [{"a": 1}],
    "riskScore": [0.5],
    "amount": [5],
    "ownerId": ["bob"],
    "approverId": ["bob"],
    "recipientId": ["bob"],
    "correlationId": ["c-1"],
    "formSchema": [{"properties": {"limit": {"type": "number"}}}],
    "dueAt": [LATER],
    "expiresAt": [LATER],
    "reminders": [[LATER]],
    "policy": [{}],
    "onExpiry": ["fail", "reject", "escalate"],
    "onReject": ["fail"],
    "options": [["rejected", "approved"]],
    "escalations": [[]],
}


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("api")) as api:
        yield api


async def statuses(api: Api, role: str, terms: dict[str, list[Any]], **also: Any) -> dict[str, int]:
    """One status a field and value, of an approval that says nothing else of itself."""
    headers, found = as_user(a_token(role)), {}
    for field, values in terms.items():
        for value in values:
            body = {"subject": "s", **also, field: value}
            found[f"{field}={value}"] = (
                await api.client.post(PATH, json=body, headers=headers)
            ).status_code
    return found


def test_every_field_is_in_one_of_the_tables() -> None:
    fields = set(NewApproval.__struct_encode_fields__) - {"executionId"}

    assert fields == OWN_TERMS.keys() | ALWAYS_AN_ADMINS.keys() | ANYONES.keys()


@pytest.mark.parametrize("role", ROLES)
async def test_terms_of_ones_own_on_an_execution_are_an_admins(api: Api, role: str) -> None:
    await api.holds(execution := an_execution(status="running"))
    allowed, asks = (
        {201} if role == "admin" else {403},
        {201} if role in ("operator", "admin") else {403},
    )

    for terms in (OWN_TERMS, ALWAYS_AN_ADMINS):
        assert allowed == set(
            (await statuses(api, role, terms, executionId=execution.id)).values()
        ), terms
    assert asks == set((await statuses(api, role, ANYONES, executionId=execution.id)).values())


@pytest.mark.parametrize("role", ROLES)
async def test_alone_only_a_yes_by_silence_is_an_admins(api: Api, role: str) -> None:
    allowed, asks = (
        {201} if role == "admin" else {403},
        {201} if role in ("operator", "admin") else {403},
    )

    assert allowed == set((await statuses(api, role, ALWAYS_AN_ADMINS)).values())
    assert asks == set((await statuses(api, role, OWN_TERMS)).values())
