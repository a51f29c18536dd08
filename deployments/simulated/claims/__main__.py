"""`python -m deployments.simulated.claims --port 8030`: the simulated claim services alone."""

import asyncio
from contextlib import suppress

import click

from blocks.settings import load_settings
from deployments.printing import say_line
from deployments.simulated.claims.app import ClaimSimulator, create_app
from deployments.simulated.claims.findings import CLAIMS_PER_USER
from deployments.simulated.claims.work import Work
from deployments.simulated.serving import served


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), required=True, help="0: any that is free.")
@click.option(
    "--claims",
    type=click.IntRange(0, 1_000),
    default=CLAIMS_PER_USER,
    show_default=True,
    help="So many claims are found for each user.",
)
def main(host: str, port: int, claims: int) -> None:
    """Answer as the platform's claim services do.

    Each answer takes SIMULATOR_MIN_DELAY_SECONDS to SIMULATOR_MAX_DELAY_SECONDS.
    """
    simulator = ClaimSimulator(load_settings().simulators, Work(claims))

    async def serve() -> None:
        async with served(create_app(simulator), host, port) as url:
            say_line(f"The simulated claim services answer at {url}")
            await asyncio.get_running_loop().create_future()

    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(serve())
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from None


if __name__ == "__main__":
    main()
