"""What all journeys of a process share besides the runtime: the services and the packets' place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from blocks.claims.packets import packet_files
from blocks.claims.services import ClaimServices
from blocks.files import Files
from flows.shared.runtime import Runtime


class Parts(msgspec.Struct, frozen=True):
    context: Runtime
    services: ClaimServices
    files: Files


@asynccontextmanager
async def open_parts(context: Runtime) -> AsyncIterator[Parts]:
    """For one flow run. Circuits are kept by the process: a service that is away is asked by none
    of its runs.
    """
    async with ClaimServices(context.settings.claims) as services:
        yield Parts(context, services, packet_files(context.settings))
