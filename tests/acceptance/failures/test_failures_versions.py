"""A rolling restart from an older version to this one, under load: side by side, they do everything
once.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blocks.ports import Message
from tests.support.analyses import an_opportunity, ended
from tests.support.scale.older_source import unpack_older_source
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.analysis_services import AnalysisServices
from tests.support.system.invariants import done_once
from tests.support.system.ledger import Ledger
from tests.support.system.orchestra import Orchestra, on_rabbitmq, orchestra
from tests.support.waiting import eventually


@pytest.fixture
def older_source(tmp_path: Path) -> Path:
    source = unpack_older_source(tmp_path)
    return source or pytest.skip("this checkout has no history to take an older version from")


@pytest.fixture
async def parts(
    tmp_path: Path, prefect_server: PrefectServer, rabbitmq: RabbitMQNode
) -> AsyncIterator[Orchestra]:
    async with orchestra(tmp_path, prefect_server, **on_rabbitmq(rabbitmq, tmp_path.name)) as parts:
        yield parts


@pytest.mark.slow
async def test_a_rolling_restart_from_an_older_version_does_everything_once(
    parts: Orchestra, ledger: Ledger, services: AnalysisServices, older_source: Path
) -> None:
    events: list[Message] = []
    older = [parts.one_more(name) for name in ("listener", "worker", "api")]
    for part in older:
        part.source = older_source
        part.start()
    load = asyncio.create_task(publish_for_ever(parts, events))
    try:
        await finished(parts, events, 10)
        for part, newer in zip(older, (parts.listener, parts.worker, parts.api), strict=True):
            newer.start()
            await finished(parts, events, len(events) + 10)  # side by side
            part.stop()
            await finished(parts, events, len(events) + 10)
    finally:
        load.cancel()

    for event in events:
        assert "completed" == (await ended(parts, event)).status
    await done_once(parts, ledger, events)


async def publish_for_ever(parts: Orchestra, events: list[Message]) -> None:
    """A few events each second."""
    while True:
        event = an_opportunity()
        await parts.bus.publish(event)
        events.append(event)
        await asyncio.sleep(0.2)


async def finished(parts: Orchestra, events: list[Message], wanted: int) -> None:
    """So many have been published, and the last of them has ended."""

    async def published() -> bool:
        return len(events) >= wanted

    await eventually(published, within_seconds=120)
    await ended(parts, events[wanted - 1], within_seconds=120)
