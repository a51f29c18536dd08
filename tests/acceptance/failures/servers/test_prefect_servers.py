"""Two Prefect servers behind HAProxy, as in compose.yaml, and the count that its alert reads."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.operations.redis_server import RedisServer
from tests.support.scale.prefect_servers import PrefectServers
from tests.support.servers.postgres import Postgres
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

WITHIN_SECONDS = 15.0


@pytest.fixture
def servers(
    tmp_path: Path, postgres: Postgres, redis_server: RedisServer
) -> Iterator[PrefectServers]:
    database = postgres.create_database("two_prefect_servers")
    servers = PrefectServers(tmp_path / "servers", database, redis_server)
    try:
        servers.start()
        yield servers
    finally:
        servers.close()


async def test_one_of_two_killed_the_other_answers_and_the_proxy_counts_one_until_it_is_back(
    servers: PrefectServers,
) -> None:
    async with httpx.AsyncClient(timeout=10) as client:

        async def is_answered() -> bool:
            answer = await client.post(f"{servers.api_url}/flow_runs/count", json={})
            return answer.is_success

        async def active() -> float:
            shown = (await client.get(servers.metrics_url)).raise_for_status().text
            [servers_up] = [
                sample.value
                for family in text_string_to_metric_families(shown)
                for sample in family.samples
                if sample.name == "haproxy_backend_active_servers"
                and sample.labels == {"proxy": "servers"}
            ]
            return servers_up

        async def there_are(count: int) -> None:
            async def look() -> bool:
                return await active() == count

            await eventually(look, within_seconds=WITHIN_SECONDS, every_seconds=0.2)

        await there_are(2)
        servers.members[0].kill()
        await eventually(is_answered, within_seconds=WITHIN_SECONDS, every_seconds=0.2)
        await there_are(1)
        assert [True] * 10 == [await is_answered() for _ in range(10)]

        await asyncio.to_thread(servers.start)
        await there_are(2)
