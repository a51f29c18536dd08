"""The flow `opportunity-analysis`."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import prefect.runtime.flow_run
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State

from blocks.contracts.analysis import ANALYSIS_STEPS, STEP_BY_NAME, WORKFLOW
from flows.analysis.batch import AnalysisBatch
from flows.analysis.claiming import claim_analyses
from flows.analysis.open_run import OpenRun, show_joined, takes_more, with_joined
from flows.analysis.progress import Analysis
from flows.shared import runtime
from flows.shared.approval_gate import continue_alone, pass_gate
from flows.shared.claims import notify_started
from flows.shared.requested import opened, requested, retried_by_hand
from flows.shared.run_end import RunEnds, end_of_run, reported
from flows.shared.run_progress import shown_progress
from flows.shared.run_report import report_before_the_gate
from flows.shared.runtime import Runtime


@flow(name=WORKFLOW, retries=3, retry_delay_seconds=5, persist_result=False)
async def opportunity_analysis(
    tenant_id: str,
    execution_ids: list[str] = [],  # noqa: B006 - the form's default, which is only read
    opportunity_id: str = "",
    input: dict[str, Any] = {},  # noqa: B006
) -> State[None]:
    """Analyse opportunities of one tenant: four steps at once, a person's approval if needed, one
    event at the end.

    Args:
        tenant_id: Whose opportunity it is: the tenant's id, a UUID.
        execution_ids: For dispatchers, which list analyses that are recorded. Leave it empty to
            start one.
        opportunity_id: To start an analysis by hand: the id of the opportunity.
        input: With opportunity_id: what is known of the opportunity, as in the data of an event,
            e.g. {"amount": 1500000, "ownerId": "user-7"}. Without an amount, a rule that depends
            on it asks a person.
    """
    context = await runtime.get()
    try:
        run = requested(tenant_id, execution_ids, opportunity_id, input)
        run = await opened(context, WORKFLOW, run)
        await retried_by_hand(context, run)
    except RunEnds as end:
        return await reported(end.state)
    ids = await with_joined(context, run.tenant_id, run.execution_ids)
    claimed = await claim_analyses(context, run.tenant_id, ids)
    at_their_gate = [analysis for analysis in claimed if analysis.awaits_approval]
    if len(ids) > 1:  # the others may take long
        await continue_alone(context, at_their_gate)
    carried = at_their_gate + await analyse(
        context,
        run.tenant_id,
        [analysis for analysis in claimed if not analysis.awaits_approval],
        execution_ids=ids,
        takes_more=takes_more(context) and not run.opens_for,
    )
    ids = list(dict.fromkeys([*ids, *(analysis.id for analysis in carried)]))
    gated = [analysis for analysis in carried if analysis.awaits_approval]
    if len(ids) > 1:
        await continue_alone(context, gated)
    elif gated:
        await report_before_the_gate(context, gated[0].stored.record)
        await pass_gate(context, gated[0])
    held = [analysis.stored for analysis in carried]
    if ids != run.execution_ids:
        await show_joined(context, run.tenant_id, ids, held)
    return await end_of_run(context, run.tenant_id, ids, held, workflow=WORKFLOW)


async def analyse(
    context: Runtime,
    tenant_id: str,
    analyses: list[Analysis],
    *,
    execution_ids: Sequence[str],
    takes_more: bool,
) -> list[Analysis]:
    """The four steps of all these executions at once, and of those that join them, which are
    returned with them: each has ended, or come to its gate, as its own answers allowed. Prefect
    shows the run with `execution_ids`.
    """
    run_id = str(prefect.runtime.flow_run.id)
    if not analyses:
        await notify_started(context, run_id)
        return []
    batch = AnalysisBatch(context, tenant_id, analyses, is_open=takes_more)
    with context.expecting(batch.execution_ids, batch):
        await batch.start()
        async with (
            shown_progress(lambda: len(batch), batch.answered, lambda: "answered"),
            asyncio.TaskGroup() as group,
        ):
            for step in ANALYSIS_STEPS:
                group.create_task(
                    run_step.with_options(name=step.name, task_run_name=step.name)(step.name, batch)
                )
            group.create_task(batch.ask())
            group.create_task(batch.conclude())
            await batch.is_under_way.wait()
            if takes_more:
                claim = partial(claim_analyses, context, tenant_id)
                await OpenRun(context, tenant_id, batch, execution_ids).take_more(claim)
            else:
                await notify_started(context, run_id)
    return batch.analyses


@task(retries=5, retry_delay_seconds=[1, 2, 5, 10, 20], cache_policy=NO_CACHE, persist_result=False)
async def run_step(step_name: str, batch: AnalysisBatch) -> None:
    """Take this step's answers until each execution has one, or needs none."""
    step = STEP_BY_NAME[step_name]
    while batch.is_waiting_for(step):
        await batch.wait_for_answers(step)
