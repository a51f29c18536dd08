"""What a flow run was started with: executions that are recorded, or one that a person asks for."""

import logging
from collections.abc import Sequence
from typing import Any

import msgspec
import prefect.runtime.flow_run
from prefect.client.orchestration import PrefectClient
from prefect.context import FlowRunContext
from prefect.states import Completed

from blocks.actions.retrying import NotRetryable, notify_dispatchers, reopen_execution
from blocks.actions.starting import KeyReused, StartRequest, open_execution
from blocks.adapters.prefect.retries import take_retry_by_hand
from blocks.audit.recording import audited
from blocks.contracts.reading.carriable import uncarriable
from blocks.contracts.reading.limits import Subject
from blocks.contracts.reading.uuids import canonical_uuid
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.audit import Act
from blocks.contracts.states import RETRYABLE
from blocks.executions.run_names import run_name
from blocks.ports import NotFound, Unavailable
from blocks.tenants.dispatch_policy import read_policy
from blocks.tenants.running_limits import count_running, room
from flows.shared.run_end import RunEnds, refused
from flows.shared.runtime import Runtime

log = logging.getLogger(__name__)

QUEUED = "Queued"
"""Name of a completed state: the execution waits for its turn, in a run of its own."""


class Requested(msgspec.Struct, frozen=True, kw_only=True):
    """The executions that the run is to carry, of one tenant."""

    tenant_id: str
    execution_ids: list[str]
    opens_for: str = ""
    """The subject of the execution that the run itself opens; else the ids stand above."""
    input: dict[str, Any] = {}


def requested(
    tenant_id: str, execution_ids: list[str], opportunity_id: str, input: dict[str, Any]
) -> Requested:
    """The parameters, in their one spelling. Raises `RunEnds` with what is wrong with them."""
    tenant = canonical_uuid(tenant_id)
    if tenant is None:
        raise refused(
            f"tenant_id is {tenant_id[:80]!r}, which is no tenant's id: it must be a UUID"
        )
    if execution_ids and (opportunity_id or input):
        raise refused(
            "execution_ids stand for analyses that are recorded; opportunity_id, with input, "
            "starts one: give one of the two"
        )
    if not execution_ids and not opportunity_id:
        raise refused(
            "give opportunity_id to start an analysis, or execution_ids to carry some out"
        )
    if opportunity_id:
        _check(opportunity_id, input)
    ids = dict.fromkeys(canonical_uuid(id) or id for id in execution_ids)
    return Requested(
        tenant_id=tenant, execution_ids=list(ids), opens_for=opportunity_id, input=input
    )


async def opened(context: Runtime, workflow: str, run: Requested) -> Requested:
    """With the execution that the run opens, under an id computed from the run's.

    Raises `RunEnds` when its tenant has as many at work as it may have: then it waits its turn.
    """
    if not run.opens_for:
        return run
    request = StartRequest(
        workflow=workflow,
        subject=run.opens_for,
        input=run.input,
        key=f"flow-run-{prefect.runtime.flow_run.id}",
    )
    try:
        async with audited(context.store, run.tenant_id, _act("execution.start")) as store:
            execution, _ = await open_execution(store, run.tenant_id, request)
    except KeyReused as problem:
        raise refused(str(problem)) from None
    await name_run(context, execution)
    await _wait_turn(context, [execution])
    return msgspec.structs.replace(run, execution_ids=[execution.id])


async def name_run(context: Runtime, execution: ExecutionRecord) -> None:
    """The run is found by its subject, as those that dispatchers make."""
    name = run_name(execution.workflow, {execution.id: execution.subject})
    try:
        await context.flow_runs.rename(str(prefect.runtime.flow_run.id), name)
    except (NotFound, Unavailable) as problem:
        log.info("the run keeps the name that it has: %s", problem)


async def retried_by_hand(context: Runtime, run: Requested) -> None:
    """If a person has started this run again that had ended, those of its executions that failed
    or were cancelled are tried again, as by `orchestrator executions retry`; here, not in another
    run.

    Raises `RunEnds` as `opened` does.
    """
    prefect_run = FlowRunContext.get()
    if prefect_run is None or prefect_run.flow_run is None:
        return
    assert isinstance(prefect_run.client, PrefectClient), "our flows are async"
    if not await take_retry_by_hand(prefect_run.client, prefect_run.flow_run):
        return
    flow_run_id = str(prefect_run.flow_run.id)
    known = [id for id in run.execution_ids if canonical_uuid(id)]
    tried = [await _retry(context, run.tenant_id, id, flow_run_id) for id in known]
    await _wait_turn(context, [reopened for reopened in tried if reopened])


async def _retry(
    context: Runtime, tenant_id: str, execution_id: str, flow_run_id: str
) -> ExecutionRecord | None:
    """The execution, pending again; None if it was not this run's that failed."""
    try:
        now = (await context.store.read(tenant_id, ExecutionRecord, execution_id)).record
        if now.status not in RETRYABLE or now.flow_run_id not in (None, flow_run_id):
            return None
        act = _act("execution.retry", execution_id)
        async with audited(context.store, tenant_id, act) as store:
            return await reopen_execution(store, context.bus, tenant_id, execution_id)
    except (NotFound, NotRetryable) as reason:
        log.warning("Retry in Prefect changes nothing: %s", reason)
        return None


async def _wait_turn(context: Runtime, executions: Sequence[ExecutionRecord]) -> None:
    """Raises `RunEnds`, with dispatchers notified, if the running limits leave no room for what is
    pending of these executions of one tenant.
    """
    pending = [execution for execution in executions if execution.status == "pending"]
    if not pending:
        return
    policy, tenant_id = await read_policy(context.store), pending[0].tenant_id
    running = await count_running(context.store, policy, [tenant_id])
    if room(policy, running, tenant_id) >= len(pending):
        return
    for execution in pending:
        await notify_dispatchers(context.bus, execution)
    more = " and others" if len(pending) > 1 else ""
    message = (
        f"as many are running as the dispatch policy allows: {len(pending)} wait for their turn, "
        f"in runs of their own (execution {pending[0].id}{more})"
    )
    raise RunEnds(Completed(name=QUEUED, message=message))


def _check(subject: str, input: dict[str, Any]) -> None:
    """Raises `RunEnds` for what a request over HTTP would be refused for, too."""
    try:
        msgspec.convert(subject, Subject)
    except msgspec.ValidationError as problem:
        raise refused(f"opportunity_id is {subject[:80]!r}: {problem}") from None
    if why := uncarriable(Requested(tenant_id="", execution_ids=[], input=input)):
        raise refused(why)


def _act(action: str, target: str | None = None) -> Act:
    """Prefect knows no users: who did it is not named."""
    return Act(
        action=action, actor=None, credential="prefect-ui", channel="prefect-ui", target=target
    )
