"""Which two requests of the engine are left out, and that nothing is lost by it."""

import inspect
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, FlowRunPolicy
from prefect.flow_engine import AsyncFlowRunEngine

from blocks.prefect_internals.run_client import RunClient

AT_THE_START = {"flow_version": "1", "empirical_policy": FlowRunPolicy(retries=3)}


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What reaches the server."""
    sent: list[Any] = []

    async def read(_: PrefectClient, flow_run_id: UUID) -> FlowRun:
        sent.append(flow_run_id)
        return FlowRun(id=flow_run_id, flow_id=uuid4())

    async def write(_: PrefectClient, flow_run_id: UUID, **changes: Any) -> None:
        sent.append((flow_run_id, changes))

    monkeypatch.setattr(PrefectClient, "read_flow_run", read)
    monkeypatch.setattr(PrefectClient, "update_flow_run", write)
    return sent


def a_client(run: FlowRun) -> RunClient:
    return RunClient(PrefectClient("http://127.0.0.1:9/api"), run)


async def test_the_first_read_of_the_run_is_what_the_worker_knows_and_later_ones_are_sent(
    requests: list[Any],
) -> None:
    run = FlowRun(id=uuid4(), flow_id=uuid4())
    client = a_client(run)

    assert run is await client.read_flow_run(run.id)
    assert run is not await client.read_flow_run(run.id)

    assert [run.id] == requests


async def test_the_read_of_another_run_is_sent(requests: list[Any]) -> None:
    await a_client(FlowRun(id=uuid4(), flow_id=uuid4())).read_flow_run(other := uuid4())

    assert [other] == requests


async def test_what_the_engine_writes_at_the_start_is_sent_once_and_only_when_it_is_needed(
    requests: list[Any],
) -> None:
    run = FlowRun(id=uuid4(), flow_id=uuid4())
    client = a_client(run)

    await client.update_flow_run(run.id, **AT_THE_START)
    assert [] == requests
    await client.send_postponed()
    await client.send_postponed()

    assert [(run.id, AT_THE_START)] == requests


@pytest.mark.parametrize("changes", [{"name": "new"}, {"empirical_policy": FlowRunPolicy()}])
async def test_every_other_write_is_sent_at_once(
    requests: list[Any], changes: dict[str, Any]
) -> None:
    run = FlowRun(id=uuid4(), flow_id=uuid4())
    await a_client(run).update_flow_run(run.id, **changes)

    assert [(run.id, changes)] == requests


def test_it_shares_the_connections_of_its_client() -> None:
    shared = PrefectClient("http://127.0.0.1:9/api")

    assert shared._client is RunClient(shared, FlowRun(flow_id=uuid4()))._client


def test_the_engine_writes_before_the_run_begins_and_reads_before_the_flow_is_called() -> None:
    writes = inspect.getsource(AsyncFlowRunEngine.initialize_run)
    reads = inspect.getsource(AsyncFlowRunEngine.setup_run_context)

    assert 1 == writes.count("update_flow_run(")
    assert all(name in writes for name in AT_THE_START)
    assert 1 == reads.count("client.read_flow_run(")
