"""`orchestrator demo`"""

import click

from deployments.cli.arguments import Finite
from deployments.cli.parameters import uuid


@click.command()
@click.option(
    "--tenant",
    type=uuid,
    default="7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10",
    show_default=True,
    help="For whom.",
)
@click.option("--opportunity", type=uuid, help="Which opportunity; a new one if not given.")
@click.option(
    "--timeout",
    type=Finite(1, 86_400),
    default=60.0,
    show_default=True,
    help="Seconds to wait for the end.",
)
def demo(tenant: str, opportunity: str | None, timeout: float) -> None:
    """Watch the analysis of one demo opportunity.

    Publishes an opportunity event, shows the progress of its four steps and the record it leaves.
    Uses the stack that runs here; if none does, starts one and stops it at the end.

    \b
    Examples:
      orchestrator demo
      orchestrator demo --tenant 1c0f5a52-5b5e-4a8e-9a43-0a5f7a3d2b11 --timeout 120
    """
    import asyncio
    from uuid import uuid4

    from blocks.settings import load_settings
    from deployments.cli.demo.run import run_demo

    asyncio.run(
        run_demo(load_settings(), tenant, opportunity or str(uuid4()), limit_seconds=timeout)
    )
