"""`orchestrator up`"""

import click


@click.command()
@click.option(
    "--without",
    type=click.Choice(["simulators"]),
    multiple=True,
    help="Leave a part out, because the real one is there.",
)
def up(without: tuple[str, ...]) -> None:
    """Start the whole stack; Ctrl-C stops it.

    Prefect's server, the API, the listener, the worker and simulated downstream services run as
    child processes; their logs lie in the data folder. Set RABBITMQ_URL, COSMOS_DB_ENDPOINT and
    PREFECT_API_URL to use real parts instead of the embedded ones.

    \b
    Examples:
      orchestrator up
      orchestrator up --without simulators
      PORT=8080 PREFECT_SERVER_PORT=4300 orchestrator up
      RABBITMQ_URL=amqp://guest:guest@localhost/ orchestrator up
    """
    from blocks.settings import load_settings
    from deployments.local.stack import run_stack

    run_stack(load_settings(), simulators="simulators" not in without)
