"""Of several things that are wrong with a request, the first of this order is answered, as the
older service did: 401, 403, 400, 404, 409.
"""

from collections.abc import AsyncIterator, Mapping

import httpx
import pytest

from blocks.contracts import analysis
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import a_token, as_user
from tests.support.factories import A_TENANT, an_approval, an_execution, new_id

PREFIXES = ("/api/v1/hitl/approvals", "/api/hitl/approvals", "/hitl/approvals")
WORKFLOWS = "/api/v1/workflows"

MALFORMED = ("acme", "7", "%20", "a" * 300, "00000000-0000-0000-0000")

Headers = Mapping[str, str]

NO_AUTH = httpx.Auth()
"""The headers are all that a request shows."""

NO_TOKEN: Headers = {"X-Tenant-ID": A_TENANT}
NO_TENANT: Headers = {"Authorization": f"Bearer {a_token('approver', 'operator')}"}
NOT_A_UUID: Headers = {**NO_TENANT, "X-Tenant-ID": "acme"}
NO_ROLE: Headers = as_user(a_token("viewer"))
ANN: Headers = as_user(a_token("approver", "operator"))

GOOD = '{"decidedBy": "ann"}'
OTHERS = '{"decidedBy": "bob"}'
BAD_BODIES = (
    "",
    "{}",
    "null",
    "[]",
    "{",
    '{"decidedBy": ""}',
    '{"decidedBy": 7}',
    '{"comment": "x"}',
)


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("order"), REQUESTS_PER_MINUTE="0") as api:
        yield api


async def post(api: Api, path: str, headers: Headers, body: str) -> tuple[int, str, str]:
    typed = {**headers, "Content-Type": "application/json"}
    response = await api.client.post(path, content=body, headers=typed, auth=NO_AUTH)
    error = response.json().get("error", {})
    return response.status_code, error.get("code", ""), error.get("message", "")


@pytest.fixture(scope="module")
async def decided(api: Api) -> str:
    await api.holds(approval := an_approval(execution_id=None, status="approved"))
    return approval.id


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("word", ["approve", "reject"])
@pytest.mark.parametrize("body", ["", GOOD])
async def test_who_may_not_decide_learns_nothing_of_the_body_or_the_approval(
    api: Api, decided: str, prefix: str, word: str, body: str
) -> None:
    for id in (decided, new_id(), *MALFORMED):
        assert [401, 401, 403, 403] == [
            (await post(api, f"{prefix}/{id}/{word}", headers, body))[0]
            for headers in (NO_TOKEN, NO_TENANT, NOT_A_UUID, NO_ROLE)
        ]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("word", ["approve", "reject", "decisions"])
@pytest.mark.parametrize("body", BAD_BODIES)
async def test_a_body_that_is_wrong_comes_before_an_approval_that_is_not_there_or_not_pending(
    api: Api, decided: str, prefix: str, word: str, body: str
) -> None:
    for id in (decided, new_id(), *MALFORMED):
        answered = await post(api, f"{prefix}/{id}/{word}", ANN, body)
        assert (id, 400, "VALIDATION_ERROR") == (id, *answered[:2])


@pytest.mark.parametrize("word", ["approve", "reject"])
@pytest.mark.parametrize(
    ("which", "status", "code"),
    [
        ("decided", 409, "HITL_APPROVAL_NOT_PENDING"),
        ("unknown", 404, "HITL_APPROVAL_NOT_FOUND"),
        *((one, 404, "HITL_APPROVAL_NOT_FOUND") for one in MALFORMED),
    ],
)
async def test_a_body_that_is_right_meets_the_approval(
    api: Api, decided: str, word: str, which: str, status: int, code: str
) -> None:
    id = {"decided": decided, "unknown": new_id()}.get(which, which)
    path = f"{PREFIXES[0]}/{id}/{word}"

    assert (status, code) == (await post(api, path, ANN, GOOD))[:2]
    assert (403, "FORBIDDEN") == (await post(api, path, ANN, OTHERS))[:2]


@pytest.mark.parametrize("word", ["approve", "reject"])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"decidedBy": ""}', "decidedBy is required"),
        ('{"decidedBy": "  "}', "decidedBy is required"),
        ("{}", "Invalid request"),
        ("", "Invalid request"),
    ],
)
async def test_an_empty_decider_is_named_in_the_older_services_words(
    api: Api, word: str, body: str, message: str
) -> None:
    answered = await post(api, f"{PREFIXES[0]}/{new_id()}/{word}", ANN, body)

    assert (400, "VALIDATION_ERROR", message) == answered


# --- workflows ------------------------------------------------------------------------------------


async def test_workflows_are_checked_in_the_same_order(api: Api) -> None:
    await api.holds(ended := an_execution(workflow=analysis.WORKFLOW, status="completed"))
    paths = [f"{WORKFLOWS}/{id}/retry" for id in (ended.id, new_id(), *MALFORMED)]

    for headers, statuses in (
        (NO_TOKEN, [401] * 7),
        (NO_TENANT, [401] * 7),
        (NOT_A_UUID, [403] * 7),
        (NO_ROLE, [403] * 7),
        (ANN, [409, *[404] * 6]),
    ):
        assert statuses == [(await post(api, path, headers, ""))[0] for path in paths]


@pytest.mark.parametrize("query", ["", "?opportunityId=", f"?opportunityId={'a' * 201}"])
async def test_a_list_of_workflows_needs_its_opportunity(api: Api, query: str) -> None:
    statuses = [
        (await api.client.get(f"{WORKFLOWS}{query}", headers=headers, auth=NO_AUTH)).status_code
        for headers in (NO_TOKEN, NO_TENANT, NOT_A_UUID, ANN)
    ]

    assert [401, 401, 403, 400] == statuses


@pytest.mark.parametrize("id", ["5c0cf4cc-9f2a-4a0c-9d6d-0c8f4b8b6a11", *MALFORMED])
async def test_a_workflow_that_is_none_is_not_found(api: Api, id: str) -> None:
    answered = await api.client.get(f"{WORKFLOWS}/{id}", headers=ANN, auth=NO_AUTH)

    assert (404, "WORKFLOW_NOT_FOUND") == (answered.status_code, answered.json()["error"]["code"])
