"""A step as Prefect's task: its attempts, the delays between them, and its limit."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import monotonic

import pytest
from msgspec.structs import replace
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.contracts.events import JsonObject
from blocks.contracts.operations import Step
from blocks.contracts.operations.catalogue import LOG_ROTATION
from blocks.operations.work import NotConfigured
from flows.shared.operations.operation_run import Failed, Outcome, Skipped
from flows.shared.operations.recorded_execution import as_task
from tests.support.servers.prefect_server import PrefectServer

pytestmark = pytest.mark.long

THRICE = replace(LOG_ROTATION, attempts=3, backoff=timedelta(seconds=0.5))
STEP = Step("rotate-logs", "Rotate Logs", limit_seconds=1.0)

Work = Callable[[], Awaitable[JsonObject]]


async def outcome_of(server: PrefectServer, work: Work) -> Outcome:
    @flow(name="attempts", persist_result=False)
    async def attempts() -> None:
        found.append(await as_task(THRICE, STEP, work))

    found: list[Outcome] = []
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        await attempts()
    [outcome] = found
    return outcome


async def test_a_step_that_fails_is_tried_again_after_a_wait_that_grows_by_the_same(
    prefect_server: PrefectServer,
) -> None:
    tries: list[float] = []

    async def work() -> JsonObject:
        tries.append(monotonic())
        if len(tries) < 3:
            raise OSError("the disk is full")
        return {"logsRotated": 2}

    assert {"logsRotated": 2} == await outcome_of(prefect_server, work)
    first, second, third = tries
    assert 0.5 <= second - first < 1.0 <= third - second


async def test_after_its_attempts_it_has_failed_with_the_last_reason(
    prefect_server: PrefectServer,
) -> None:
    tries = []

    async def work() -> JsonObject:
        tries.append(1)
        raise OSError(f"try {len(tries)}, password=canary")

    outcome = await outcome_of(prefect_server, work)

    assert isinstance(outcome, Failed)
    assert ("step-failed", 3) == (outcome.code, len(tries))
    assert "try 3" in outcome.error
    assert "canary" not in outcome.error


async def test_an_attempt_that_hangs_is_given_up_at_the_limit(
    prefect_server: PrefectServer,
) -> None:
    given_up = []

    async def work() -> JsonObject:
        try:
            await asyncio.sleep(60)
        finally:
            given_up.append(1)
        return {}

    assert Failed("it was not done within 1 s", "step-timeout") == await outcome_of(
        prefect_server, work
    )
    assert 3 == len(given_up)


async def test_a_step_without_settings_is_not_tried_again(prefect_server: PrefectServer) -> None:
    tries = []

    async def work() -> JsonObject:
        tries.append(1)
        raise NotConfigured("LOG_ROTATION_PATHS names no log files")

    assert Skipped("LOG_ROTATION_PATHS names no log files") == await outcome_of(
        prefect_server, work
    )
    assert [1] == tries
