"""`orchestrator bootstrap`"""

import click

from blocks.observability.plain_text import plain


@click.command()
def bootstrap() -> None:
    """Create what is missing; safe to repeat.

    The store's containers, the bus's exchange and queues, Prefect's work pool, the deployments of
    prefect.yaml with their schedules, the blocks for broker, store and services, and automations
    that notify, switched off. Waits a minute for Prefect to answer.

    \b
    Examples:
      orchestrator bootstrap
      PREFECT_API_URL=http://prefect:4200/api RABBITMQ_URL=amqp://… orchestrator bootstrap
    """
    import asyncio

    from blocks.settings import load_settings
    from deployments.logs import configure_logging_of
    from deployments.prefect.server import use_prefect

    settings = use_prefect(load_settings(blocks_may_be_missing=True))
    configure_logging_of(settings, "bootstrap")
    from deployments.bootstrap.run import run_bootstrap

    for line in asyncio.run(run_bootstrap(settings)):
        click.echo(plain(line))
