"""What the store and the bus must hold before anything of ours starts."""

from blocks.services import open_bus, open_store
from blocks.settings import Settings
from blocks.topology import topology


async def provision(settings: Settings) -> None:
    """The store's containers and the bus's exchange and queues exist. Idempotent; raises `Unavailable`."""
    async with open_store(settings) as store:
        await store.provision()
    async with open_bus(settings, "bootstrap") as bus:
        await bus.declare(*topology(settings))
