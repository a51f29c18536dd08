"""Settings from Prefect's blocks: bootstrap registers them, operators change them, the environment overrides them."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from blocks.ports import Unavailable
from blocks.prefect_blocks import BLOCKS, MessageBroker, save_blocks
from blocks.settings import BadSetting, Settings, load_settings
from blocks.settings.block_variables import VARIABLES
from tests.support.factories import new_id
from tests.support.ports import free_port
from tests.support.prefect_server import PrefectServer

SET = {
    "RABBITMQ_URL": "amqp://orchestrator:first@broker/",
    "COSMOS_DB_ENDPOINT": "https://records.example/",
    "COSMOS_DB_KEY": "a-key",
    "JWT_SECRET": "a secret of more than thirty-two bytes",
    "WEBHOOK_ALLOWED_HOSTS": "mail.internal",
}


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


async def test_a_process_reads_what_bootstrap_wrote(prefect_server: PrefectServer, name: str) -> None:
    written = load_settings({**SET, "PREFECT_API_URL": prefect_server.api_url})
    await saved(prefect_server, written, name)

    assert written == load_settings(environment(prefect_server, name))


async def test_an_edit_holds_and_the_environment_overrides_it(prefect_server: PrefectServer, name: str) -> None:
    await saved(prefect_server, load_settings(SET), name)
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        broker: MessageBroker = await MessageBroker.aload(name)
        broker.url = SecretStr("amqp://orchestrator:second@broker/")
        await broker.asave(name, overwrite=True)

    edited = load_settings(environment(prefect_server, name))
    overridden = load_settings(environment(prefect_server, name, RABBITMQ_URL="amqp://local/", RABBITMQ_QUEUE=""))

    assert "amqp://orchestrator:second@broker/" == edited.rabbitmq.url
    assert ("amqp://local/", edited.rabbitmq.queue) == (overridden.rabbitmq.url, overridden.rabbitmq.queue)
    assert "https://records.example/" == overridden.cosmos_db.endpoint


async def test_missing_blocks_are_told_and_bootstrap_goes_on_without_them(
    prefect_server: PrefectServer, name: str
) -> None:
    with pytest.raises(BadSetting, match=f"no block message-broker/{name}.*orchestrator bootstrap"):
        load_settings(environment(prefect_server, name))

    alone = load_settings({"PREFECT_API_URL": prefect_server.api_url})
    assert alone == load_settings(environment(prefect_server, name), blocks_may_be_missing=True)


def test_a_prefect_that_is_away_is_told(tmp_path: Path) -> None:
    away = {"ORCHESTRATOR_BLOCKS": "default", "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api"}
    with pytest.raises(Unavailable, match=r"message-broker/default cannot be read from Prefect: ConnectError"):
        load_settings(away)
    with pytest.raises(BadSetting, match="set PREFECT_API_URL"):
        load_settings({"ORCHESTRATOR_BLOCKS": "default"})
