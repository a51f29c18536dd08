"""A continuation leads on in the list it was given for; to whoever uses it elsewhere it is one
clear error.
"""

from collections.abc import AsyncIterator
from hashlib import sha256
from urllib.parse import quote

import pytest

from blocks.contracts.records.dead_letters import DeadLetterRecord
from tests.support.api.api_client import Api, an_api
from tests.support.api.every_route import a_record
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_approval, an_execution

LISTS = {
    "/api/v1/executions": [
        "workflow=opportunity-analysis",
        "status=pending",
        "subject=s",
        "createdAfter=2020-01-01T00:00:00Z",
        "createdBefore=2999-01-01T00:00:00Z",
    ],
    "/api/v1/hitl/approvals": [
        "status=pending",
        "workflow=opportunity-analysis",
        "overdue=true",
        "mine=true",
    ],
    "/api/v1/dead-letters": [
        "status=waiting",
        "type=order.placed",
        "createdBefore=2999-01-01T00:00:00Z",
    ],
}
"""Each list with filters that leave all of its records."""


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("cursors")) as api:
        for tenant_id in (A_TENANT, ANOTHER_TENANT):
            for _ in range(3):
                await api.holds(an_execution(tenant_id=tenant_id, subject="s"))
                await api.holds(an_approval(tenant_id=tenant_id, execution_id=None))
                await a_record(api.store, DeadLetterRecord, tenant_id)
        yield api


async def first(api: Api, path: str, filters: str = "") -> str:
    return str((await api.get(f"{path}?limit=1&{filters}")).json()["continuation"])


async def is_refused(
    api: Api,
    path: str,
    continuation: str,
    filters: str = "",
    tenant_id: str = A_TENANT,
    user: str = "ann",
) -> bool:
    answer = await api.client.get(
        f"{path}?limit=1&{filters}&continuation={quote(continuation)}",
        headers={"X-Tenant-ID": tenant_id, "X-User-ID": user},
    )
    problem = {
        "field": "continuation",
        "message": "Not a continuation of this list with these filters",
        "source": "query",
    }
    if answer.status_code == 400:
        assert [problem] == answer.json()["error"]["details"]
    return answer.status_code == 400


@pytest.mark.parametrize("path", LISTS)
async def test_it_leads_on_in_its_own_list(api: Api, path: str) -> None:
    for filters in ("", LISTS[path][0]):
        assert not await is_refused(api, path, await first(api, path, filters), filters)


@pytest.mark.parametrize("path", LISTS)
async def test_another_tenant_cannot_use_it(api: Api, path: str) -> None:
    assert await is_refused(api, path, await first(api, path), tenant_id=ANOTHER_TENANT)


@pytest.mark.parametrize("path", LISTS)
async def test_no_other_list_takes_it(api: Api, path: str) -> None:
    continuation = await first(api, path)

    assert [] == [
        other for other in LISTS if other != path and not await is_refused(api, other, continuation)
    ]


@pytest.mark.parametrize(
    ("path", "filters"), [(path, one) for path, filters in LISTS.items() for one in filters]
)
async def test_it_is_good_for_its_own_filters_only(api: Api, path: str, filters: str) -> None:
    if "mine" not in filters and "overdue" not in filters:
        assert await is_refused(api, path, await first(api, path, filters))
    assert await is_refused(api, path, await first(api, path), filters)


async def test_what_is_left_for_one_user_is_no_page_of_another(api: Api) -> None:
    path = "/api/v1/hitl/approvals"
    mine = await api.client.get(
        f"{path}?limit=1&mine=true",
        headers={"X-Tenant-ID": A_TENANT, "X-User-ID": "ann", "X-User-Roles": "approver"},
    )
    continuation = mine.json()["continuation"]

    assert not await is_refused(api, path, continuation, "mine=true", user="ann")
    assert await is_refused(api, path, continuation, "mine=true", user="bob")


async def test_nothing_in_it_can_be_changed(api: Api) -> None:
    path = "/api/v1/executions"
    continuation = await first(api, path)
    changed = [
        continuation[:place]
        + ("A" if continuation[place] != "A" else "B")
        + continuation[place + 1 :]
        for place in range(len(continuation))
    ]

    for altered in (
        *changed,
        continuation[:-1],
        continuation + "=",
        continuation + "A",
        continuation.lower(),
    ):
        assert await is_refused(api, path, altered), altered


async def test_whoever_forges_one_gets_the_same_answer(api: Api) -> None:
    forged = sha256(b"guess").hexdigest()[:16] + (await first(api, "/api/v1/executions"))[16:]

    assert await is_refused(api, "/api/v1/executions", forged)
