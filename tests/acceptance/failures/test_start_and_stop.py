"""Our processes may start in any order, before anything they need is there, and stop soon whatever
is away.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ProcessRecord
from blocks.ports import Query
from deployments.local.readiness import api_url
from tests.support.factories import A_TENANT
from tests.support.servers.cosmos import CosmosEmulator
from tests.support.servers.cosmos_fault_proxy import Drop
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.analysis_services import opportunity_event, services_on
from tests.support.system.ledger import TERMINAL, ledger_of
from tests.support.system.linked import Links, linked_orchestra
from tests.support.system.orchestra import Orchestra, Process
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

STOP_SECONDS = 15.0


@pytest.fixture
async def parts(
    tmp_path: Path,
    links: Links,
    rabbitmq: RabbitMQNode,
    cosmos_emulator: CosmosEmulator,
    prefect_server: PrefectServer,
) -> AsyncIterator[Orchestra]:
    """Store, broker and Prefect are not there yet."""
    async with linked_orchestra(
        tmp_path, links, rabbitmq, cosmos_emulator, prefect_server
    ) as parts:
        links.broker.cut()
        links.prefect.cut()
        links.cosmos.inject(Drop())
        yield parts


def ours(parts: Orchestra) -> list[Process]:
    return [parts.listener, parts.worker, parts.api]


async def until_logged(process: Process, words: str) -> None:
    async def has_logged() -> bool:
        return words in process.log

    try:
        await eventually(has_logged, within_seconds=60)
    except AssertionError:
        raise AssertionError(f"{process.name} has not logged {words!r}:\n{process.log}") from None


async def checks(parts: Orchestra) -> dict[str, Any]:
    """What `/ready` reports of each part, by its name; empty while nothing answers."""
    with suppress(httpx.TransportError):
        async with httpx.AsyncClient(base_url=api_url(parts.settings), timeout=10) as client:
            found: dict[str, Any] = (await client.get("/ready")).json()["checks"]
            return found
    return {}


async def stopped(process: Process) -> float:
    """After how many seconds it had ended, well, once it was asked to."""
    began = time.monotonic()
    assert await asyncio.to_thread(process.stop) == 0, process.log
    return time.monotonic() - began


async def test_processes_that_start_before_everything_they_need_go_on_as_the_parts_come(
    parts: Orchestra, links: Links
) -> None:
    for process in ours(parts):
        process.start()
    await until_logged(parts.listener, "waiting for the record store, at most 60 s")
    await until_logged(parts.worker, "waiting for Prefect, at most 60 s")
    down = await eventually(lambda: checks(parts), within_seconds=60)
    assert {"error"} == {check["status"] for check in down.values()}
    assert {"database", "broker", "prefect", "listener", "worker"} == down.keys()

    links.prefect.pass_all()
    links.cosmos.heal()
    await until_logged(parts.listener, "the record store is there after")
    await until_logged(parts.listener, "waiting for the broker, at most 60 s")
    links.broker.pass_all()
    await until_logged(parts.listener, "listening on queue")

    async def all_is_well() -> bool:
        found = await checks(parts)
        return bool(found) and {"ok"} == {check["status"] for check in found.values()}

    await eventually(all_is_well, within_seconds=60)
    async with ledger_of(parts.bus, parts.name) as ledger, services_on(parts.bus, parts.name):
        await parts.bus.publish(opportunity_event(A_TENANT, str(uuid4()), id=str(uuid4())))

        async def is_announced() -> bool:
            return bool(ledger.of(*TERMINAL))

        await eventually(is_announced, within_seconds=60)
    took = {process.name: await stopped(process) for process in ours(parts)}
    print("stopped after", ", ".join(f"{name} {seconds:.1f} s" for name, seconds in took.items()))  # noqa: T201
    assert max(took.values()) < STOP_SECONDS
    assert [] == (await parts.store.query(SYSTEM_TENANT, Query(ProcessRecord))).items
    for process in ours(parts):
        assert process.log.count("waiting for the record store") <= 1
        assert "Traceback" not in process.log


async def test_a_listener_for_which_a_part_never_comes_ends_with_one_line_that_names_it(
    parts: Orchestra,
) -> None:
    parts.listener.start(STARTUP_WAIT_SECONDS="2")

    async def has_ended() -> bool:
        return parts.listener.is_dead

    await eventually(has_ended, within_seconds=60)
    assert parts.listener.exit_code == 1
    assert parts.listener.log.splitlines()[-1].startswith(
        "error: the record store did not come within 2 s: "
    )
    assert "Traceback" not in parts.listener.log


async def test_processes_that_still_wait_stop_at_once(parts: Orchestra) -> None:
    for process in ours(parts):
        process.start()
    await until_logged(parts.listener, "waiting for the record store")
    await until_logged(parts.worker, "waiting for Prefect")
    await until_logged(parts.api, "The API listens on")
    took = {process.name: await stopped(process) for process in ours(parts)}
    print("stopped after", ", ".join(f"{name} {seconds:.1f} s" for name, seconds in took.items()))  # noqa: T201
    assert max(took.values()) < STOP_SECONDS


async def test_processes_stop_in_time_though_everything_has_gone_away(
    parts: Orchestra, links: Links
) -> None:
    links.broker.pass_all()
    links.prefect.pass_all()
    links.cosmos.heal()
    for process in ours(parts):
        process.start()

    async def all_is_well() -> bool:
        found = await checks(parts)
        return bool(found) and {"ok"} == {check["status"] for check in found.values()}

    await eventually(all_is_well, within_seconds=60)
    links.broker.blackhole()
    links.prefect.blackhole()
    links.cosmos.inject(Drop())
    took = {process.name: await stopped(process) for process in ours(parts)}
    print("stopped after", ", ".join(f"{name} {seconds:.1f} s" for name, seconds in took.items()))  # noqa: T201
    assert max(took.values()) < 25
