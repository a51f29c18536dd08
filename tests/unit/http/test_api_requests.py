"""What every request leaves behind: an id, a count, a duration, one line in the log."""

import logging
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from tests.support.api.api_client import Api, an_api
from tests.support.factories import new_id


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("api")) as api:
        yield api


@pytest.mark.parametrize("path", ["/health", "/nope", "/api/v1/executions"])
async def test_the_callers_request_id_comes_back(api: Api, path: str) -> None:
    response = await api.client.get(path, headers={"x-request-id": "gateway-17.a_b"})

    assert ["gateway-17.a_b"] == response.headers.get_list("x-request-id")


@pytest.mark.parametrize("given", ["", "two words", "<script>", "a" * 129, "line\tbreak"])
async def test_a_request_id_unfit_for_a_log_is_replaced(api: Api, given: str) -> None:
    response = await api.client.get("/health", headers={"x-request-id": given})

    assert UUID(response.headers["x-request-id"])


@pytest.mark.parametrize("path", ["/health", "/nope"])
async def test_a_request_without_an_id_is_given_one(api: Api, path: str) -> None:
    first, second = await api.client.get(path), await api.client.get(path)

    assert UUID(first.headers["x-request-id"]) != UUID(second.headers["x-request-id"])


async def test_a_request_is_counted_under_its_route_and_not_its_path(api: Api) -> None:
    labels = {"method": "GET", "route": "/api/v1/executions/{executionId}", "status": "404"}
    before = counted(labels)

    await api.get(f"/api/v1/executions/{new_id()}")
    await api.get(f"/api/v1/executions/{new_id()}")

    assert before + 2 == counted(labels)


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/nope", {"method": "GET", "route": "unmatched", "status": "404"}),
        ("DELETE", "/health", {"method": "DELETE", "route": "unmatched", "status": "405"}),
        ("BREW", "/health", {"method": "OTHER", "route": "unmatched", "status": "405"}),
    ],
)
async def test_what_a_caller_makes_up_becomes_no_label(
    api: Api, method: str, path: str, labels: dict[str, str]
) -> None:
    before = counted(labels)

    await api.client.request(method, path)

    assert before + 1 == counted(labels)


async def test_metrics_are_in_the_text_format_with_the_documented_buckets(api: Api) -> None:
    await api.client.get("/health")

    response = await api.client.get("/metrics")

    assert "text/plain; version=0.0.4; charset=utf-8" == response.headers["content-type"]
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    assert "http_requests" in families
    bounds = {
        sample.labels.get("le") for sample in families["http_request_duration_seconds"].samples
    }
    assert {
        "0.005",
        "0.01",
        "0.025",
        "0.05",
        "0.1",
        "0.25",
        "0.5",
        "1.0",
        "2.5",
        "5.0",
        "10.0",
        "+Inf",
    } == bounds - {None}


async def test_a_request_is_one_line_in_the_log_unless_a_machine_polls(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="api")

    await api.client.get("/health")
    await api.client.get("/api/v1/executions?limit=1", headers={"x-request-id": "r-1"})

    [line] = [record.getMessage() for record in caplog.records if record.name.startswith("api")]
    assert line.startswith("GET /api/v1/executions answered 401 in ")
    assert line.endswith(" ms (request r-1)")


@pytest.mark.parametrize("path", ["/health", "/api/v1/executions", "/nope"])
async def test_no_answer_may_be_kept_or_guessed_at(api: Api, path: str) -> None:
    headers = (await api.get(path)).headers

    assert ("no-store", "nosniff") == (headers["cache-control"], headers["x-content-type-options"])


def counted(labels: dict[str, str]) -> float:
    return REGISTRY.get_sample_value("http_requests_total", labels) or 0
