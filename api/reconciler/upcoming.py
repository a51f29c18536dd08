"""Names for the upcoming runs of the batch jobs: "outcome-sync 2026-11-29 01:00".

Prefect's scheduler gives its runs generated names ("amber-otter"): neither a schedule nor a
deployment has a template, and a flow's `flow_run_name` counts only when the run starts. So the
leading reconciler names them, with one request a minute, and one more for each new run. Runs of
operations keep the generated name until they start: one of each minute would cost 1,440 requests a
day.
"""

import logging
from contextlib import suppress
from functools import partial

from blocks.executions.run_names import tick_name
from blocks.ports import FlowRuns, NotFound
from blocks.processes.duties import again_and_again

log = logging.getLogger(__name__)

EVERY_SECONDS = 60.0


async def name_upcoming_for_ever(flow_runs: FlowRuns) -> None:
    """Named within a minute of being made, until cancelled."""
    naming = partial(name_upcoming, flow_runs)
    await again_and_again("names of upcoming runs", naming, EVERY_SECONDS, log)


async def name_upcoming(flow_runs: FlowRuns) -> int:
    """Each upcoming run has the name of its job and tick; returns how many had another one."""
    unnamed = [
        (tick.flow_run_id, name)
        for tick in await flow_runs.upcoming_ticks()
        if tick.name != (name := tick_name(tick.job, tick.at))
    ]
    for flow_run_id, name in unnamed:
        with suppress(NotFound):  # its schedule was changed meanwhile
            await flow_runs.rename(flow_run_id, name)
    return len(unnamed)
