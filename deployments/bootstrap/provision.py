"""The store's containers and the bus's queues, which must exist before any process starts."""

from collections.abc import AsyncIterator
from functools import partial

from blocks.ports import EventBus
from blocks.processes.startup import wait_until_available
from blocks.services import open_bus, open_store
from blocks.settings import Settings
from blocks.topology import neighbours_queues, topology


async def provision(settings: Settings) -> list[str]:
    """The store's containers and the bus's exchange and queues exist. Idempotent.

    Returns a line for each queue of a neighbour that is not as its owner declares it. Waits for the
    parts as long as the settings allow; raises `Unavailable` when one does not come, and
    `DeclaredOtherwise` at once for what exists with other arguments than this system needs.
    """
    limit = settings.startup.wait_seconds
    async with open_store(settings) as store:
        await wait_until_available("the record store", store.provision, limit_seconds=limit)
    async with open_bus(settings, "bootstrap") as bus:
        await wait_until_available(
            "the broker", partial(bus.declare, *topology(settings)), limit_seconds=limit
        )
        return [line async for line in _left_as_they_are(bus, settings)]


async def _left_as_they_are(bus: EventBus, settings: Settings) -> AsyncIterator[str]:
    for queue in neighbours_queues(settings):
        if mismatch := (await bus.inspect(queue)).mismatch:
            yield f"attention: {mismatch}; {mismatch.todo}"
