"""Triggers by hand in Prefect, where the scheduled ones are.

API and command line send a trigger themselves: they answer once the broker has confirmed it, with
Prefect or without. So its run is recorded afterwards, as completed: it shows, and runs nothing.
"""

import asyncio
import logging

from blocks.contracts import ids
from blocks.contracts.jobs import WORKFLOW
from blocks.contracts.records import ExecutionRecord
from blocks.executions.run_names import tick_name
from blocks.ports import FlowRuns, NotFound, Unavailable

log = logging.getLogger(__name__)

LIMIT_SECONDS = 3.0
"""So long a command waits for a Prefect that does not answer."""


async def show_in_prefect(flow_runs: FlowRuns, execution: ExecutionRecord) -> bool:
    """Prefect has one completed run for this trigger, which was sent, however often this is called.

    False if it has not within three seconds: the trigger is out all the same, and its record is
    complete. A log line states so.
    """
    job, at = execution.subject, execution.started_at or execution.created_at
    by = execution.input["triggeredBy"]
    event_id = execution.trigger_ids[0]
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            await flow_runs.record_completed(
                f"{WORKFLOW}/{job}",
                key=ids.flow_run_key([execution.id], "shown"),
                name=f"{tick_name(job, at)} by {by}",
                parameters={"job": job},
                message=f"workflow.job.trigger {event_id} is confirmed; execution {execution.id}",
            )
    except (Unavailable, NotFound, TimeoutError) as error:
        log.info(
            "the trigger %s of %s is out and not shown in Prefect: %s",
            event_id,
            job,
            error or "it does not answer",
        )
        return False
    return True
