"""`orchestrator listener | worker | api | simulators`: one process of the stack alone, in the
foreground.
"""

from typing import TYPE_CHECKING

import click

from deployments.cli.arguments import Finite

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from blocks.settings import Settings

LISTENER_STOP_SECONDS = 27.0
"""Less than the thirty seconds after which Kubernetes kills; each wait of a listener's end has a
limit far below.
"""

STEPS = click.Choice(["risk_analysis", "risk_scoring", "forecast", "recommendation"])


@click.command()
def listener() -> None:
    """Run the listener.

    It takes events in, dispatches executions and records answers. Several may run at once; they
    share the queue.

    \b
    Examples:
      orchestrator listener
      RABBITMQ_URL=amqp://guest:guest@localhost/ orchestrator listener
    """

    async def work(settings: "Settings") -> None:
        from listeners.service import run_listener

        await run_listener(settings)

    _run("listener", work, stop_seconds=LISTENER_STOP_SECONDS)


@click.command()
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    help="At most so many flow runs at once (default: no limit).",
)
def worker(limit: int | None) -> None:
    """Run the worker.

    It carries out the flow runs of the work pool, many in this one process. Several may run at
    once. SIGTERM and Ctrl-C let running flows finish for a while; see `worker.drain_seconds`.

    \b
    Examples:
      orchestrator worker
      orchestrator worker --limit 20
    """

    async def work(settings: "Settings") -> None:
        from functools import partial

        from blocks.processes.process_port import process_port
        from blocks.processes.startup import wait_until_available
        from deployments.prefect.server import wait_for_work_pool
        from deployments.worker.in_process_worker import run_worker

        async with process_port(settings, "worker") as port:
            # A worker that is there before Prefect backs off, and takes its first run many seconds
            # after it could.
            has_pool = partial(wait_for_work_pool, settings, limit_seconds=0)
            await wait_until_available(
                "Prefect", has_pool, limit_seconds=settings.startup.wait_seconds
            )
            await run_worker(settings, pool=settings.prefect.work_pool, limit=limit, port=port)

    _run("worker", work)


@click.command()
def api() -> None:
    """Run the REST API.

    With it runs the reconciler, which applies Prefect's state to the records and repairs drift.

    \b
    Examples:
      orchestrator api
      HOST=0.0.0.0 PORT=8080 orchestrator api
    """

    async def work(settings: "Settings") -> None:
        from api.server import run_api

        await run_api(settings)

    _run("api", work)


@click.command()
@click.option(
    "--fail", type=STEPS, multiple=True, help="This step's service answers with a failure."
)
@click.option("--silent", type=STEPS, multiple=True, help="This step's service never answers.")
@click.option(
    "--share",
    type=Finite(0, 1),
    default=1.0,
    show_default=True,
    help="Share of requests that are hit.",
)
def simulators(fail: tuple[str, ...], silent: tuple[str, ...], share: float) -> None:
    """Run the simulated downstream services.

    risk-analytics, forecasting and recommendations answer requests after a random delay
    (SIMULATOR_MIN_DELAY_SECONDS to SIMULATOR_MAX_DELAY_SECONDS). Scoring has no failure event and
    forecasting's is not consumed: to fail, they fall silent like the real ones.

    \b
    Examples:
      orchestrator simulators
      orchestrator simulators --fail risk_analysis
      orchestrator simulators --silent forecast --share 0.1
    """

    async def work(settings: "Settings") -> None:
        from deployments.simulated.service import Mishaps, run_simulators

        await run_simulators(
            settings, Mishaps(fail=frozenset(fail), silent=frozenset(silent), share=share)
        )

    _run("simulators", work)


def _run(
    name: str,
    work: "Callable[[Settings], Coroutine[None, None, None]]",
    *,
    stop_seconds: float | None = None,
) -> None:
    """Runs this process until a signal stops it; then it must end within this time."""
    import asyncio

    from blocks.executions.tracing import tracing
    from blocks.settings import load_settings
    from deployments.local.stack_dump import dump_on_signal
    from deployments.local.stop_signals import until_stopped
    from deployments.logs import configure_logging_of
    from deployments.prefect.server import use_prefect

    settings = use_prefect(load_settings())
    configure_logging_of(settings, name)

    async def observable(settings: "Settings") -> None:
        dump_on_signal()
        await work(settings)

    with (
        tracing(settings.tracing, name),
        asyncio.Runner(loop_factory=_loop_factory()) as runner,
    ):
        runner.run(until_stopped(observable(settings), limit_seconds=stop_seconds))


def _loop_factory() -> "Callable[[], asyncio.AbstractEventLoop] | None":
    """uvloop's, with which listener, worker and API use a tenth less of the processor; None, which
    is asyncio's own, where there is no uvloop.
    """
    try:
        from uvloop import new_event_loop
    except ImportError:
        return None
    return new_event_loop
