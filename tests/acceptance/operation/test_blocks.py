"""Settings from Prefect's blocks: bootstrap registers them, operators change them, the environment
overrides them.
"""

from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr, ValidationError

from blocks.ports import Unavailable
from blocks.prefect_blocks import (
    BLOCKS,
    MessageBroker,
    Notifications,
    PlatformServices,
    RecordDatabase,
    save_blocks,
)
from blocks.settings import BadSetting, Settings, load_settings
from blocks.settings.block_variables import VARIABLES
from tests.support.factories import new_id
from tests.support.servers.ports import free_port
from tests.support.servers.prefect_server import PrefectServer

SET = {
    "RABBITMQ_URL": "amqp://orchestrator:first@broker/",
    "COSMOS_DB_ENDPOINT": "https://records.example/",
    "COSMOS_DB_KEY": "a-key",
    "JWT_SECRET": "a secret of more than thirty-two bytes",
    "WEBHOOK_ALLOWED_HOSTS": "mail.internal",
}

AnyBlock = MessageBroker | RecordDatabase | Notifications | PlatformServices


@pytest.fixture
def name() -> str:
    return f"blocks-{new_id()}"


def environment(server: PrefectServer, name: str, **more: str) -> Mapping[str, str]:
    return {"ORCHESTRATOR_BLOCKS": name, "PREFECT_API_URL": server.api_url, **more}


async def saved(server: PrefectServer, settings: Settings, name: str) -> list[str]:
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        async with get_client() as client:
            return await save_blocks(settings, client, name)


def test_every_field_of_every_block_stands_for_a_variable() -> None:
    assert {block._block_type_slug: set(block.model_fields) for block in BLOCKS} == {
        slug: set(variables) for slug, variables in VARIABLES.items()
    }


SECRET = "hunter2-and-more"
CREDENTIALS = (
    f"https://user:{SECRET}@host.example/",
    f"https://host.example/?sig={SECRET}",
    f"amqp://{SECRET}@broker/",
    f"AccountEndpoint=https://host.example;AccountKey={SECRET}",
    f'{{"keys": [{{"kty": "oct", "k": "{SECRET}", "url": "https://x"}}]}}',
)


def a_block(block: type[AnyBlock], **changes: str) -> AnyBlock:
    written = block.of(load_settings(SET)).model_dump()
    return block(**written | changes)


def refusal(block: type[AnyBlock], field: str, typed: str) -> str | None:
    try:
        a_block(block, **{field: typed})
    except ValidationError as refused:
        return str(refused)
    return None


@pytest.mark.parametrize("block", BLOCKS)
async def test_no_field_of_any_block_shows_a_credential(
    prefect_server: PrefectServer, name: str, block: type[AnyBlock]
) -> None:
    refusals = {
        (field, typed): refusal(block, field, typed)
        for field in block.model_fields
        for typed in CREDENTIALS
    }
    taken = {field: typed for (field, typed), refused in refusals.items() if refused is None}
    holding = a_block(block, **taken)
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        await holding.asave(name)
    type_url = f"{prefect_server.api_url}/block_types/slug/{block._block_type_slug}"
    url = f"{type_url}/block_documents/name/{name}"
    async with httpx.AsyncClient() as client:
        shown, with_secrets = await client.get(url), await client.get(f"{url}?include_secrets=true")

    assert [] == [
        refused for refused in refusals.values() if refused and "is shown in clear" not in refused
    ]
    assert [] == [refused for refused in refusals.values() if refused and SECRET in refused]
    assert set(block.model_fields) == set(shown.json()["data"])
    assert SECRET not in shown.text + repr(holding)
    assert taken == {field: with_secrets.json()["data"][field] for field in taken}


async def test_a_process_reads_what_bootstrap_wrote(
    prefect_server: PrefectServer, name: str
) -> None:
    written = load_settings({**SET, "PREFECT_API_URL": prefect_server.api_url})
    await saved(prefect_server, written, name)

    assert written == load_settings(environment(prefect_server, name))


async def test_an_edit_holds_and_the_environment_overrides_it(
    prefect_server: PrefectServer, name: str
) -> None:
    await saved(prefect_server, load_settings(SET), name)
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        broker: MessageBroker = await MessageBroker.aload(name)
        broker.url = SecretStr("amqp://orchestrator:second@broker/")
        await broker.asave(name, overwrite=True)

    edited = load_settings(environment(prefect_server, name))
    overridden = load_settings(
        environment(prefect_server, name, RABBITMQ_URL="amqp://local/", RABBITMQ_QUEUE="")
    )

    assert "amqp://orchestrator:second@broker/" == edited.rabbitmq.url
    assert ("amqp://local/", edited.rabbitmq.queue) == (
        overridden.rabbitmq.url,
        overridden.rabbitmq.queue,
    )
    assert "https://records.example/" == overridden.cosmos_db.endpoint


async def test_missing_blocks_are_reported_and_bootstrap_goes_on_without_them(
    prefect_server: PrefectServer, name: str
) -> None:
    with pytest.raises(BadSetting, match=f"no block message-broker/{name}.*orchestrator bootstrap"):
        load_settings(environment(prefect_server, name))

    alone = load_settings({"PREFECT_API_URL": prefect_server.api_url})
    assert alone == load_settings(environment(prefect_server, name), blocks_may_be_missing=True)


def test_a_prefect_that_is_away_is_reported(tmp_path: Path) -> None:
    away = {
        "ORCHESTRATOR_BLOCKS": "default",
        "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
    }
    with pytest.raises(
        Unavailable, match=r"message-broker/default cannot be read from Prefect: ConnectError"
    ):
        load_settings(away)
    with pytest.raises(BadSetting, match="set PREFECT_API_URL"):
        load_settings({"ORCHESTRATOR_BLOCKS": "default"})
