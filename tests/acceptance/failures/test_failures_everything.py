"""The host goes down and comes back: every process, the broker and the Prefect server are killed at
once.
"""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.analyses import an_opportunity, ended, recorded
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.analysis_services import services_on
from tests.support.system.invariants import done_once
from tests.support.system.ledger import REQUESTED, Ledger
from tests.support.system.orchestra import Orchestra, on_rabbitmq, orchestra

RECOVERED_WITHIN_SECONDS = 60.0
"""From the first process that is started again to the last end that is announced, on a host that
does nothing else.
"""


@pytest.fixture
async def parts(
    tmp_path: Path, prefect_server: PrefectServer, rabbitmq: RabbitMQNode
) -> AsyncIterator[Orchestra]:
    async with orchestra(tmp_path, prefect_server, **on_rabbitmq(rabbitmq, tmp_path.name)) as parts:
        yield parts


@pytest.mark.slow
async def test_after_a_reboot_of_the_host_all_that_was_accepted_ends_once(
    parts: Orchestra,
    ledger: Ledger,
    prefect_server: PrefectServer,
    rabbitmq: RabbitMQNode,
    record_property: Any,
) -> None:
    under_way, untouched = (
        [an_opportunity() for _ in range(10)],
        [an_opportunity() for _ in range(10)],
    )
    async with services_on(parts.bus, parts.name, silent=REQUESTED) as services:
        rabbitmq.settle()
        start(parts)
        await parts.bus.publish(*under_way)
        for event in under_way:
            await recorded(parts, event, "running")
        parts.listener.kill()
        await parts.bus.publish(*untouched)  # confirmed, and not yet received

        for part in (parts.worker, parts.api, rabbitmq, prefect_server):
            part.kill()
        rabbitmq.start()
        prefect_server.start()
        start(parts)
        restarted = time.monotonic()
        await services.speak()

        for event in (*under_way, *untouched):
            assert "completed" == (await ended(parts, event, within_seconds=120)).status
        seconds = time.monotonic() - restarted
    await done_once(parts, ledger, [*under_way, *untouched])
    record_property("seconds until all had ended", seconds)
    assert seconds < RECOVERED_WITHIN_SECONDS


def start(parts: Orchestra) -> None:
    for part in (parts.listener, parts.worker, parts.api):
        part.start()
