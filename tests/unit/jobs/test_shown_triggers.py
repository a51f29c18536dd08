"""Triggers by hand, shown in Prefect afterwards: once, and in no one's way."""

import asyncio
from collections.abc import Mapping

import pytest

from blocks.contracts.jobs import JOB_BY_ID
from blocks.contracts.records import ExecutionRecord
from blocks.jobs import shown, triggers
from blocks.jobs.shown import show_in_prefect
from blocks.ports import RecordStore
from tests.support.flow_runs import RememberedFlowRuns


async def a_trigger(store: RecordStore) -> ExecutionRecord:
    request = triggers.by_hand(JOB_BY_ID["outcome-sync"], "api", "request-1", {})
    return (await triggers.accept(store, request)).record


async def test_a_trigger_by_hand_is_a_completed_run_of_its_jobs_deployment(
    store: RecordStore,
) -> None:
    prefect, execution = RememberedFlowRuns(), await a_trigger(store)

    assert await show_in_prefect(prefect, execution)

    [(deployment, name, parameters, message)] = prefect.recorded.values()
    assert "batch-job/outcome-sync" == deployment
    assert f"outcome-sync {execution.created_at:%Y-%m-%d %H:%M} by api" == name
    assert {"job": "outcome-sync"} == parameters
    assert execution.id in message
    assert execution.trigger_ids[0] in message


async def test_a_repeated_trigger_is_shown_once(store: RecordStore) -> None:
    prefect = RememberedFlowRuns()
    for _ in range(2):
        await show_in_prefect(prefect, await a_trigger(store))

    assert 1 == len(prefect.recorded)


async def test_without_prefect_a_trigger_is_out_all_the_same(store: RecordStore) -> None:
    prefect = RememberedFlowRuns()
    prefect.is_down = True

    assert not await show_in_prefect(prefect, await a_trigger(store))


class SilentFlowRuns(RememberedFlowRuns):
    """Prefect accepts the connection and never answers."""

    async def record_completed(
        self, deployment: str, *, key: str, name: str, parameters: Mapping[str, str], message: str
    ) -> str:
        await asyncio.get_running_loop().create_future()
        return key


async def test_a_silent_prefect_holds_nothing_up(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "LIMIT_SECONDS", 0.01)

    assert not await show_in_prefect(SilentFlowRuns(), await a_trigger(store))
