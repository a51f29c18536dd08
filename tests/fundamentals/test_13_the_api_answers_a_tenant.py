"""The API answers a tenant.

Every request proves who it comes from and for which tenant: the access token names the tenant,
and a request for another one is refused before any record is read. The API reads the same records
as everyone else and holds no state of its own. Lists come newest first, a page at a time; what
another tenant has is not found. A request that starts something writes the record and notifies
the dispatchers.

Code: `api/app.py` lists the routes, `api/access` decides who may, `api/executions` is one area of
it.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blocks.contracts.records import ExecutionRecord
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import a_token, as_user
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_execution

PATH = "/api/v1/executions"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


async def test_a_tenant_sees_its_own_executions(api: Api) -> None:
    own = an_execution()
    await api.holds(own, an_execution(tenant_id=ANOTHER_TENANT))

    listed = (await api.get(PATH, A_TENANT)).json()["items"]
    from_outside = await api.get(f"{PATH}/{own.id}", ANOTHER_TENANT)

    assert [own.id] == [execution["id"] for execution in listed]
    assert 404 == from_outside.status_code


async def test_a_token_is_good_for_its_tenant_only(api: Api) -> None:
    headers = as_user(a_token("viewer", tenant_id=A_TENANT), tenant_id=ANOTHER_TENANT)

    assert 403 == (await api.client.get(PATH, headers=headers)).status_code


async def test_a_role_limits_what_a_user_may_do(api: Api) -> None:
    viewer = as_user(a_token("viewer"))

    assert 200 == (await api.client.get(PATH, headers=viewer)).status_code
    assert 403 == (await api.client.post(PATH, json={}, headers=viewer)).status_code


async def test_a_request_starts_an_execution(api: Api) -> None:
    body = {"workflow": "opportunity-analysis", "subject": "opportunity-1", "input": {}}

    answer = await api.send("POST", PATH, body)

    assert answer.is_success
    execution = await api.store.read(A_TENANT, ExecutionRecord, answer.json()["id"])
    assert ("pending", "opportunity-1") == (execution.record.status, execution.record.subject)
