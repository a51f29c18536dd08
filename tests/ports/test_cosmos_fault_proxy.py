"""The proxy that stands for a Cosmos DB account in trouble does to requests what a test orders."""

import asyncio
import ssl
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from blocks.adapters.cosmos.record_store import CosmosRecordStore
from tests.support.factories import A_TENANT, an_execution, new_id
from tests.support.servers.cosmos import CosmosEmulator
from tests.support.servers.cosmos_fault_proxy import (
    APPLIED_THEN_DROPPED,
    PRECONDITION_FAILED,
    UNAVAILABLE,
    WRITES,
    CosmosFaultProxy,
    Delay,
    Drop,
    throttled,
)


@pytest.fixture
def proxy(cosmos_emulator: CosmosEmulator) -> Iterator[CosmosFaultProxy]:
    with CosmosFaultProxy(cosmos_emulator) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: CosmosFaultProxy) -> Iterator[httpx.Client]:
    context = ssl.create_default_context(cafile=str(proxy.ca_file))
    with httpx.Client(base_url=proxy.endpoint, verify=context, trust_env=False) as client:
        yield client


def a_database(client: httpx.Client, id: str = "") -> httpx.Response:
    return client.post("/dbs", json={"id": id or new_id()})


async def test_the_store_works_through_it_and_goes_nowhere_else(proxy: CosmosFaultProxy) -> None:
    store = CosmosRecordStore(
        proxy.endpoint, proxy.key, database=new_id(), ca_file=str(proxy.ca_file)
    )
    execution = an_execution()
    async with store:
        await store.provision()
        created = await store.create(A_TENANT, execution)
        assert created == await store.read(A_TENANT, type(execution), execution.id)
    assert proxy.requests["account"] >= 1
    assert proxy.requests["create"] >= 1
    assert not proxy.faults


@pytest.mark.parametrize(
    ("fault", "status", "headers"),
    [
        (throttled(250), 429, {"x-ms-retry-after-ms": "250"}),
        (PRECONDITION_FAILED, 412, {}),
        (UNAVAILABLE, 503, {}),
    ],
)
def test_a_refusal_never_reaches_the_account(
    proxy: CosmosFaultProxy, client: httpx.Client, fault: Any, status: int, headers: dict[str, str]
) -> None:
    id = new_id()
    proxy.inject(fault, times=1)
    refused = a_database(client, id)
    assert status == refused.status_code
    assert headers.items() <= dict(refused.headers).items()
    assert a_database(client, id).status_code == 201


def test_a_fault_is_done_as_often_as_ordered(proxy: CosmosFaultProxy, client: httpx.Client) -> None:
    proxy.inject(UNAVAILABLE, times=2)
    assert [503, 503, 201] == [a_database(client).status_code for _ in range(3)]
    assert {"create": 2} == proxy.faults


def test_a_fault_is_done_for_as_long_as_ordered(
    proxy: CosmosFaultProxy, client: httpx.Client
) -> None:
    began = time.monotonic()
    proxy.inject(UNAVAILABLE, for_seconds=0.3)
    while a_database(client).status_code == 503:
        assert time.monotonic() - began < 5
    assert time.monotonic() - began >= 0.3


def test_a_fault_hits_the_operations_and_paths_it_was_ordered_for(
    proxy: CosmosFaultProxy, client: httpx.Client
) -> None:
    id = new_id()
    proxy.inject(UNAVAILABLE, *WRITES, path="^/dbs/")
    assert a_database(client, id).status_code == 201
    assert client.post(f"/dbs/{id}/colls", json={"id": "any"}).status_code == 503
    assert client.get(f"/dbs/{id}").status_code == 200


def test_what_is_applied_and_then_dropped_is_done(
    proxy: CosmosFaultProxy, client: httpx.Client
) -> None:
    id = new_id()
    with proxy.broken(APPLIED_THEN_DROPPED), pytest.raises(httpx.TransportError):
        a_database(client, id)
    assert a_database(client, id).status_code == 409


def test_what_is_dropped_is_not_done(proxy: CosmosFaultProxy, client: httpx.Client) -> None:
    id = new_id()
    with proxy.broken(Drop()), pytest.raises(httpx.TransportError):
        a_database(client, id)
    assert a_database(client, id).status_code == 201


async def test_what_is_delayed_is_done_later(proxy: CosmosFaultProxy, client: httpx.Client) -> None:
    proxy.inject(Delay(seconds=0.3), times=1)
    began = time.monotonic()
    assert (await asyncio.to_thread(a_database, client)).status_code == 201
    assert time.monotonic() - began >= 0.3
