"""/api/v1/dispatch and cancelling: what changes the course of things."""

from collections.abc import AsyncIterator

import pytest

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.states import ExecutionStatus
from tests.support.api.api_client import Api, an_api
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_approval, an_execution

SHARE = {"weight": 3.0, "priority": 1, "runningMax": 10}


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("api")) as api:
        yield api


async def test_without_a_policy_all_tenants_are_alike(api: Api) -> None:
    response = await api.get("/api/v1/dispatch", tenant_id=SYSTEM_TENANT)

    assert {
        "default": {"weight": 1.0, "priority": 0, "runningMax": None},
        "tenants": {},
        "runningMax": None,
        "batchMax": None,
    } == response.json()


async def test_a_share_is_set_and_taken_away(api: Api) -> None:
    path = f"/api/v1/dispatch/tenants/{A_TENANT.upper()}"

    changed = await api.send("PUT", path, SHARE, tenant_id=SYSTEM_TENANT)
    assert {A_TENANT: SHARE} == changed.json()["tenants"]

    assert 204 == (await api.send("DELETE", path, tenant_id=SYSTEM_TENANT)).status_code
    assert {} == (await api.get("/api/v1/dispatch", SYSTEM_TENANT)).json()["tenants"]


async def test_the_default_share_is_set_by_its_name(api: Api) -> None:
    changed = await api.send(
        "PUT", "/api/v1/dispatch/tenants/default", SHARE, tenant_id=SYSTEM_TENANT
    )

    assert SHARE == changed.json()["default"]


async def test_a_limit_that_is_not_named_stays(api: Api) -> None:
    await api.send("PATCH", "/api/v1/dispatch", {"runningMax": 50}, tenant_id=SYSTEM_TENANT)

    changed = await api.send("PATCH", "/api/v1/dispatch", {"batchMax": 20}, tenant_id=SYSTEM_TENANT)
    assert (50, 20) == (changed.json()["runningMax"], changed.json()["batchMax"])

    changed = await api.send(
        "PATCH", "/api/v1/dispatch", {"runningMax": None}, tenant_id=SYSTEM_TENANT
    )
    assert (None, 20) == (changed.json()["runningMax"], changed.json()["batchMax"])


@pytest.mark.parametrize(
    ("body", "field"),
    [({"weight": 0}, "weight"), ({"weight": "much"}, "weight"), ({"runningMax": -1}, "runningMax")],
)
async def test_a_share_that_is_none_is_refused_by_its_field(
    api: Api, body: object, field: str
) -> None:
    refused = await api.send(
        "PUT", f"/api/v1/dispatch/tenants/{A_TENANT}", body, tenant_id=SYSTEM_TENANT
    )

    assert (400, "VALIDATION_ERROR") == (refused.status_code, refused.json()["error"]["code"])
    assert field in str(refused.json()["error"]["details"])


async def test_the_policy_is_not_for_tenants(api: Api) -> None:
    for method, path, body in [
        ("GET", "/api/v1/dispatch", None),
        ("PATCH", "/api/v1/dispatch", {"runningMax": 1}),
        ("PUT", f"/api/v1/dispatch/tenants/{A_TENANT}", SHARE),
        ("DELETE", f"/api/v1/dispatch/tenants/{A_TENANT}", None),
    ]:
        assert 403 == (await api.send(method, path, body)).status_code


@pytest.mark.parametrize("status", ["pending", "running", "awaiting_approval"])
async def test_an_open_execution_is_cancelled_with_its_reason(
    api: Api, status: ExecutionStatus
) -> None:
    execution = an_execution(status=status)
    await api.holds(execution)

    response = await api.send(
        "POST", f"/api/v1/executions/{execution.id}/cancel", {"reason": "sold"}
    )

    assert (200, "cancelled", "sold") == (
        response.status_code,
        response.json()["status"],
        response.json()["error"],
    )
    assert (await api.store.read(A_TENANT, ExecutionRecord, execution.id)).record.announced_at


async def test_cancelling_withdraws_what_a_person_was_asked(api: Api) -> None:
    execution = an_execution(status="awaiting_approval")
    approval = an_approval(execution_id=execution.id)
    await api.holds(execution, approval)

    await api.send("POST", f"/api/v1/executions/{execution.id}/cancel", {})

    assert (
        "cancelled" == (await api.store.read(A_TENANT, ApprovalRecord, approval.id)).record.status
    )


async def test_what_has_ended_is_not_cancelled(api: Api) -> None:
    execution = an_execution(status="completed")
    await api.holds(execution)

    refused = await api.send("POST", f"/api/v1/executions/{execution.id}/cancel", {})

    assert (409, "EXECUTION_ENDED") == (refused.status_code, refused.json()["error"]["code"])


async def test_another_tenant_cannot_cancel(api: Api) -> None:
    execution = an_execution()
    await api.holds(execution)

    refused = await api.send(
        "POST", f"/api/v1/executions/{execution.id}/cancel", {}, tenant_id=ANOTHER_TENANT
    )

    assert 404 == refused.status_code
    assert (
        "pending" == (await api.store.read(A_TENANT, ExecutionRecord, execution.id)).record.status
    )
