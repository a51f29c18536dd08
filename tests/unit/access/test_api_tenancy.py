"""Every route under /api/v1 shows one tenant's data, and that of no other."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from blocks.contracts.records import Record
from tests.support.api.api_client import Api, an_api
from tests.support.factories import (
    A_TENANT,
    AN_ID,
    ANOTHER_TENANT,
    an_approval,
    an_execution,
    new_id,
)

EXECUTION, APPROVAL = an_execution(id=AN_ID, subject="opportunity-1"), an_approval(id=AN_ID)

READS: list[tuple[str, Record, str]] = [
    ("/api/v1/executions/", EXECUTION, "EXECUTION_NOT_FOUND"),
    ("/api/v1/workflows/", EXECUTION, "WORKFLOW_NOT_FOUND"),
    ("/api/v1/hitl/approvals/", APPROVAL, "HITL_APPROVAL_NOT_FOUND"),
]
LISTS = ["/api/v1/executions", "/api/v1/workflows?opportunityId=opportunity-1"]
ROUTES = [*LISTS, *(route + record.id for route, record, _ in READS)]


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("api")) as api:
        await api.holds(EXECUTION, APPROVAL)
        yield api


@pytest.mark.parametrize(("route", "record", "code"), READS)
async def test_an_own_id_is_found(api: Api, route: str, record: Record, code: str) -> None:
    assert 200 == (await api.get(route + record.id)).status_code


@pytest.mark.parametrize(("route", "record", "code"), READS)
async def test_another_tenants_id_is_answered_exactly_like_an_unknown_one(
    api: Api, route: str, record: Record, code: str
) -> None:
    foreign = await api.get(route + record.id, ANOTHER_TENANT)
    unknown = await api.get(route + new_id(), ANOTHER_TENANT)

    assert (404, code) == (foreign.status_code, foreign.json()["error"]["code"])
    assert (unknown.status_code, unknown.content) == (foreign.status_code, foreign.content)
    assert {*unknown.headers} == {*foreign.headers}


@pytest.mark.parametrize("route", LISTS)
async def test_a_list_holds_nothing_of_another_tenant(api: Api, route: str) -> None:
    own = await api.client.get(route, headers={"X-Tenant-ID": A_TENANT})
    foreign = await api.client.get(route, headers={"X-Tenant-ID": ANOTHER_TENANT})

    assert EXECUTION.id in own.text
    assert EXECUTION.id not in foreign.text


async def test_a_tenant_is_the_same_in_capitals(api: Api) -> None:
    tenant_id = "abcdefab-cdef-4abc-8def-abcdefabcdef"
    execution = an_execution(tenant_id=tenant_id)
    await api.holds(execution)

    assert (
        tenant_id
        == (await api.get(f"/api/v1/executions/{execution.id}", tenant_id.upper())).json()[
            "tenantId"
        ]
    )


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("headers", [{}, {"X-Tenant-ID": ""}])
async def test_without_a_tenant_nothing_is_shown(
    api: Api, route: str, headers: dict[str, str]
) -> None:
    response = await api.client.get(route, headers=headers)

    assert 401 == response.status_code
    assert {
        "error": {"code": "UNAUTHORIZED", "message": "Tenant ID is required"}
    } == response.json()


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "malformed", ["acme", "1" * 32, UUID(A_TENANT).urn, f"{A_TENANT},{ANOTHER_TENANT}", "*"]
)
async def test_a_tenant_that_is_no_uuid_is_refused(api: Api, route: str, malformed: str) -> None:
    response = await api.client.get(route, headers={"X-Tenant-ID": malformed})

    error = response.json()["error"]
    # The routes of the older service answer as it did.
    is_of_ours = route.startswith("/api/v1/executions")
    assert ((400, "VALIDATION_ERROR") if is_of_ours else (403, "FORBIDDEN")) == (
        response.status_code,
        error["code"],
    )
    assert "Invalid tenant ID format" == error["message"]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("second", [A_TENANT, ANOTHER_TENANT, ""])
async def test_two_tenant_headers_are_refused_even_when_they_agree(
    api: Api, route: str, second: str
) -> None:
    response = await api.client.get(
        route, headers=[("X-Tenant-ID", A_TENANT), ("x-tenant-id", second)]
    )

    assert 400 == response.status_code
    assert {
        "field": "X-Tenant-ID",
        "message": "must be given once",
        "source": "header",
    } in response.json()["error"]["details"]


async def test_the_tenant_is_asked_for_before_anything_else(api: Api) -> None:
    assert 401 == (await api.client.get("/api/v1/executions?limit=nonsense")).status_code
