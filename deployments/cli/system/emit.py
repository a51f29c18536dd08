"""`orchestrator emit`"""

from typing import TYPE_CHECKING, BinaryIO

import click

from blocks.observability.plain_text import plain

if TYPE_CHECKING:
    from blocks.ports import Message
    from blocks.settings import Settings


@click.command()
@click.argument("file", type=click.File("rb"))
def emit(file: BinaryIO) -> None:
    """Publish an event from a file; print its id.

    FILE ("-" is stdin) holds one event in the platform's envelope, as JSON; `id` and `timestamp`
    are filled in if they are absent. An event that is not valid is refused, naming the field.

    \b
    Examples:
      orchestrator emit opportunity.json
      echo '{"type": "integration.opportunity.updated",
             "tenantId": "7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10",
             "data": {"opportunityId": "0f9619ff-8b86-4d01-b42d-00cf4fc964ff"}}' |
      orchestrator emit -
    """
    import asyncio

    from blocks.settings import load_settings
    from deployments.cli.actions.event_file import read_event

    message = read_event(file.read(), name=file.name)
    asyncio.run(_publish(load_settings(), message))
    click.echo(plain(message.id))


async def _publish(settings: "Settings", message: "Message") -> None:
    from blocks.ports import Unroutable
    from blocks.services import open_bus

    async with open_bus(settings, "emit") as bus:
        try:
            await bus.publish(message, required=True)
        except Unroutable:
            raise click.ClickException(
                f"no queue is bound to {message.routing_key}; run `orchestrator bootstrap` first"
            ) from None
