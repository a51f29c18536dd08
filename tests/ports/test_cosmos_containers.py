"""Containers in Cosmos DB: what is indexed, what expires, who may do what."""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from azure.core.credentials import AccessToken

from blocks.adapters.cosmos.client import cosmos_client
from blocks.adapters.cosmos.container_policies import indexing_policy, kinds_of
from blocks.adapters.cosmos.record_store import CosmosRecordStore
from blocks.clock import utc_now
from blocks.contracts.records import CONTAINERS, ExecutionRecord, IdempotencyRecord
from blocks.ports import Query
from blocks.settings import BadSetting, load_settings
from deployments.reference.containers import write_policies
from tests.support.factories import A_TENANT, an_execution, new_id
from tests.support.servers.cosmos import CosmosEmulator

PAGE = (Path(__file__).parents[2] / "docs" / "cosmos.md").read_text()


class Token:
    """The credential of an identity; the emulator accepts any."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_closed = False

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.asked += scopes
        return AccessToken("an-identitys-token", 4_000_000_000)

    async def close(self) -> None:
        self.is_closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()


@pytest.fixture
async def database(cosmos_emulator: CosmosEmulator) -> str:
    name = new_id()
    async with store_in(cosmos_emulator, name, cosmos_emulator.key) as store:
        await store.provision()
    return name


def store_in(emulator: CosmosEmulator, database: str, credential: Any) -> CosmosRecordStore:
    return CosmosRecordStore(
        emulator.endpoint, credential, database=database, ca_file=str(emulator.ca_file)
    )


async def properties_of(emulator: CosmosEmulator, database: str, container: str) -> Any:
    async with cosmos_client(emulator.endpoint, emulator.key, str(emulator.ca_file)) as client:
        return await client.get_database_client(database).get_container_client(container).read()


async def document_of(emulator: CosmosEmulator, database: str, record: Any) -> Mapping[str, Any]:
    async with cosmos_client(emulator.endpoint, emulator.key, str(emulator.ca_file)) as client:
        container = client.get_database_client(database).get_container_client(record.container)
        document: Mapping[str, Any] = await container.read_item(record.id, A_TENANT)
        return document


@pytest.mark.parametrize("container", CONTAINERS)
async def test_a_new_container_indexes_what_is_queried_and_lets_records_expire(
    cosmos_emulator: CosmosEmulator, database: str, container: str
) -> None:
    made = await properties_of(cosmos_emulator, database, container)

    paths = {one["path"] for one in made["indexingPolicy"]["includedPaths"]}
    assert {one["path"] for one in indexing_policy(container)["includedPaths"]} <= paths
    assert {"/tenantId/?", "/kind/?", "/sortKey/?"} <= paths
    assert "/*" not in paths
    assert "/*" in {one["path"] for one in made["indexingPolicy"]["excludedPaths"]}
    assert -1 == made["defaultTtl"]


def test_results_bodies_and_free_text_are_not_indexed() -> None:
    paths = {
        container: {one["path"] for one in indexing_policy(container)["includedPaths"]}
        for container in CONTAINERS
    }

    assert {"/status/?", "/subject/?", "/triggerIds/[]/?"} <= paths["workflow_executions"]
    assert not [path for path in paths["workflow_executions"] if "result" in path]
    assert not {"/error/?", "/triggers/?"} & paths["workflow_executions"]
    assert "/content/?" not in paths["workflow_dead_letters"]


def test_the_policies_are_printed_as_azures_command_takes_them(tmp_path: Path) -> None:
    write_policies(tmp_path / "policies")

    printed = {file.stem: json.loads(file.read_text()) for file in tmp_path.glob("*/*.json")}

    assert {container: indexing_policy(container) for container in CONTAINERS} == printed


def test_every_container_has_its_kinds_of_records() -> None:
    assert ["AuditEntry"] == [kind.__name__ for kind in kinds_of("workflow_audit")]
    assert all(kinds_of(container) for container in CONTAINERS)


async def test_an_answer_kept_for_its_key_expires_and_an_execution_does_not(
    cosmos_emulator: CosmosEmulator, database: str
) -> None:
    kept = IdempotencyRecord(id=new_id(), tenant_id=A_TENANT, created_at=utc_now(), digest="d")
    execution = an_execution()

    async with store_in(cosmos_emulator, database, cosmos_emulator.key) as store:
        await store.create(A_TENANT, kept)
        await store.create(A_TENANT, execution)
        assert kept == (await store.read(A_TENANT, IdempotencyRecord, kept.id)).record

    ttl = (await document_of(cosmos_emulator, database, kept))["ttl"]
    assert timedelta(hours=24).total_seconds() == ttl
    assert "ttl" not in await document_of(cosmos_emulator, database, execution)


async def test_an_identity_is_asked_for_a_token_of_the_account(
    cosmos_emulator: CosmosEmulator, database: str
) -> None:
    token, execution = Token(), an_execution()

    async with store_in(cosmos_emulator, database, token) as store:
        await store.create(A_TENANT, execution)
        page = await store.query(A_TENANT, Query(ExecutionRecord))

    assert [execution] == [stored.record for stored in page.items]
    assert {"https://127.0.0.1/.default"} == set(token.asked)
    assert token.is_closed


def test_a_key_beside_an_identity_is_refused() -> None:
    account = {"COSMOS_DB_ENDPOINT": "https://account.example:443/"}

    assert load_settings({**account, "COSMOS_DB_CREDENTIAL": "identity"}).cosmos_db.key == ""
    with pytest.raises(BadSetting, match="COSMOS_DB_CREDENTIAL"):
        load_settings({**account, "COSMOS_DB_CREDENTIAL": "identity", "COSMOS_DB_KEY": "a2V5"})


def test_the_role_of_the_page_permits_what_the_store_calls_and_no_more() -> None:
    [block] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    role = json.loads(block)
    base = "Microsoft.DocumentDB/databaseAccounts"
    containers = f"{base}/sqlDatabases/containers"

    [permission] = role["Permissions"]
    assert {
        f"{base}/readMetadata",
        f"{containers}/executeQuery",
        *(f"{containers}/items/{act}" for act in ("create", "read", "replace", "delete")),
    } == set(permission["DataActions"])
