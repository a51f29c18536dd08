"""Routes for older clients are marked as such, and state where to go instead."""

from collections.abc import AsyncIterator

import pytest

from api.documentation.completed import operations
from tests.support.api.api_client import Api, an_api
from tests.support.factories import AN_ID, an_approval, an_execution

EXECUTION, APPROVAL = (
    an_execution(id=AN_ID, subject="opportunity-1"),
    an_approval(id=AN_ID, execution_id=None),
)


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("deprecated")) as api:
        await api.holds(EXECUTION, APPROVAL)
        yield api


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("/api/v1/workflows?opportunityId=opportunity-1", "/api/v1/executions"),
        (f"/api/v1/workflows/{EXECUTION.id}", f"/api/v1/executions/{EXECUTION.id}"),
        ("/api/v1/workflows/unknown", "/api/v1/executions/unknown"),
        ("/api/hitl/approvals", "/api/v1/hitl/approvals"),
        (f"/hitl/approvals/{APPROVAL.id}", f"/api/v1/hitl/approvals/{APPROVAL.id}"),
        ("/hitl/links/no-token", "/api/v1/hitl/links/no-token"),
    ],
)
async def test_an_older_route_names_the_one_to_use_instead(
    api: Api, path: str, instead: str
) -> None:
    answer = await api.get(path)

    assert "@1795219200" == answer.headers["deprecation"]
    assert (
        f'<{instead}>; rel="successor-version", </docs>; rel="deprecation"'
        == answer.headers["link"]
    )


@pytest.mark.parametrize(
    "path", ["/api/v1/executions", f"/api/v1/hitl/approvals/{APPROVAL.id}", "/health"]
)
async def test_no_other_route_is_marked_as_deprecated(api: Api, path: str) -> None:
    assert "deprecation" not in (await api.get(path)).headers


async def test_the_document_marks_the_older_routes_and_no_others(api: Api) -> None:
    documents = [
        (await api.client.get(f"/schema/{part}.json")).json() for part in ("openapi", "compatible")
    ]

    for path, _, operation in (one for document in documents for one in operations(document)):
        is_older = path.startswith(("/api/v1/workflows", "/api/hitl", "/hitl"))
        assert is_older == operation.get("deprecated", False), path
