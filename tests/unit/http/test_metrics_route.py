"""`/metrics` on the port that tenants reach: closed, unless a setting opens it."""

from pathlib import Path

import pytest

from blocks.settings import BadSetting, load_settings
from tests.support.api.api_client import an_api


async def test_tenants_see_no_metrics_unless_it_is_set(tmp_path: Path) -> None:
    async with an_api(tmp_path, METRICS_ON_API_PORT="false") as api:
        assert 404 == (await api.client.get("/metrics")).status_code


def test_it_is_closed_by_default() -> None:
    assert load_settings({}).metrics.on_api_port is False


async def test_it_can_be_opened_at_a_path_of_the_operators_choice_with_a_token(
    tmp_path: Path,
) -> None:
    async with an_api(tmp_path, METRICS_PATH="/internal/metrics", METRICS_BEARER_TOKEN="t") as api:
        answers = [
            await api.client.get("/metrics"),
            await api.client.get("/internal/metrics", headers={"Authorization": "Bearer wrong"}),
            await api.client.get("/internal/metrics", headers={"Authorization": "Bearer t"}),
        ]

    assert [404, 401, 200] == [answer.status_code for answer in answers]


@pytest.mark.parametrize("path", ["metrics", "/", "/health", "/a b", "/{id}", "/schema"])
def test_a_path_that_is_none_or_taken_is_refused(path: str) -> None:
    with pytest.raises(BadSetting, match="METRICS_PATH"):
        load_settings({"METRICS_PATH": path})
