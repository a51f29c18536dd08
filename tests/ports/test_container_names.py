"""The containers in Cosmos DB have the names that the configuration file has for them."""

from pathlib import Path

from blocks.adapters.cosmos.client import cosmos_client
from blocks.contracts.records import ExecutionRecord
from blocks.services import open_store
from blocks.settings import load_settings
from tests.support.factories import A_TENANT, an_execution, new_id
from tests.support.servers.cosmos import CosmosEmulator

FILE = """
cosmos_db:
  containers: {workflows: acme_workflows, executions: acme_executions}
"""


async def test_containers_are_created_and_used_under_the_names_of_the_file(
    tmp_path: Path, cosmos_emulator: CosmosEmulator
) -> None:
    (tmp_path / "own.yaml").write_text(FILE)
    database, execution = new_id(), an_execution()
    settings = load_settings(
        {
            "ORCHESTRATOR_CONFIG": str(tmp_path / "own.yaml"),
            "COSMOS_DB_ENDPOINT": cosmos_emulator.endpoint,
            "COSMOS_DB_KEY": cosmos_emulator.key,
            "COSMOS_DB_DATABASE_ID": database,
            "COSMOS_DB_CA_FILE": str(cosmos_emulator.ca_file),
        }
    )

    async with open_store(settings) as store:
        await store.provision()
        await store.create(A_TENANT, execution)
        read = await store.read(A_TENANT, ExecutionRecord, execution.id)

    assert execution == read.record
    assert {
        "acme_workflows",
        "acme_executions",
        "workflow_steps",
        "hitl_approvals",
        "workflow_dead_letters",
        "workflow_audit",
        "workflow_claims",
    } == await containers_of(cosmos_emulator, database)


async def containers_of(emulator: CosmosEmulator, database: str) -> set[str]:
    async with cosmos_client(emulator.endpoint, emulator.key, str(emulator.ca_file)) as client:
        containers = client.get_database_client(database).list_containers()
        return {container["id"] async for container in containers}
