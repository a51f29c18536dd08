"""The store's containers and the bus's queues, which must exist before any process starts."""

from functools import partial

from blocks.processes.startup import wait_until_available
from blocks.services import open_bus, open_store
from blocks.settings import Settings
from blocks.topology import topology


async def provision(settings: Settings) -> None:
    """The store's containers and the bus's exchange and queues exist. Idempotent.

    Waits for the parts as long as the settings allow; raises `Unavailable` when one does not come.
    """
    limit = settings.startup.wait_seconds
    async with open_store(settings) as store:
        await wait_until_available("the record store", store.provision, limit_seconds=limit)
    async with open_bus(settings, "bootstrap") as bus:
        await wait_until_available(
            "the broker", partial(bus.declare, *topology(settings)), limit_seconds=limit
        )
