"""Executions started, cancelled, retried and rerun from a terminal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec.structs import replace

from api.executions.documents import Execution
from api.executions.shown import shown
from blocks.actions import retrying, starting
from blocks.actions.cancelling import cancel_execution
from blocks.contracts.events import JsonObject
from blocks.contracts.workflows import startable
from blocks.json_text import read_json_object
from blocks.ports import EventBus, NotFound, RecordStore
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from deployments.cli.acts import audited
from deployments.prefect.server import prefect_of, use_prefect


class BadStart(ValueError):
    """The execution cannot be started."""


async def start(
    tenant_id: str,
    workflow: str,
    subject: str,
    input_json: str,
    *,
    priority: int,
    key: str | None,
    actor: str,
) -> Execution:
    """The execution of this request. Raises `BadStart` with a readable message, `KeyReused`."""
    start = starting.StartRequest(
        workflow=checked_workflow(workflow),
        subject=subject,
        input=read_input(input_json),
        priority=priority,
        actor=actor,
    )
    settings = load_settings()
    async with (
        open_store(settings) as store,
        open_bus(settings, "cli") as bus,
        audited(store, tenant_id, "executions start", actor) as recorded,
    ):
        execution = await starting.start_execution(
            recorded, bus, tenant_id, replace(start, key=key) if key else start
        )
        return await shown(store, execution, prefect_of(settings))


async def cancel(tenant_id: str, execution_id: str, reason: str, actor: str) -> Execution:
    """The execution is cancelled. Raises `NotFound` with a readable message, `InvalidTransition` if
    it has ended.
    """
    settings = use_prefect(load_settings())

    from blocks.adapters.prefect.flow_runs import PrefectFlowRuns  # after the environment is set

    async with (
        _records_of(tenant_id, execution_id, "executions cancel", actor) as (store, bus),
        PrefectFlowRuns(settings.prefect.api_url) as flow_runs,
    ):
        execution = await cancel_execution(store, bus, flow_runs, tenant_id, execution_id, reason)
        return await shown(store, execution, prefect_of(settings))


async def retry(tenant_id: str, execution_id: str, actor: str) -> Execution:
    """The execution is pending again. Raises `NotFound` with a readable message, `NotRetryable`."""
    async with _records_of(tenant_id, execution_id, "executions retry", actor) as (store, bus):
        execution = await retrying.retry_execution(store, bus, tenant_id, execution_id, actor)
        return await shown(store, execution, prefect_of(load_settings()))


async def rerun(tenant_id: str, execution_id: str, actor: str) -> Execution:
    """The new execution. Raises `NotFound` with a readable message, `NotRerunnable`."""
    async with _records_of(tenant_id, execution_id, "executions rerun", actor) as (store, bus):
        execution = await starting.rerun_execution(store, bus, tenant_id, execution_id, actor)
        return await shown(store, execution, prefect_of(load_settings()))


def checked_workflow(workflow: str) -> str:
    if workflow not in startable():
        raise BadStart(
            f"there is no workflow {workflow!r} to start; there is: {', '.join(startable())}"
        )
    return workflow


def read_input(text: str) -> JsonObject:
    try:
        return read_json_object(text)
    except ValueError as error:
        raise BadStart(f"the input {text[:80]!r} is no JSON object: {error}") from None


@asynccontextmanager
async def _records_of(
    tenant_id: str, execution_id: str, command: str, actor: str
) -> AsyncIterator[tuple[RecordStore, EventBus]]:
    settings = load_settings()
    async with open_store(settings) as store, open_bus(settings, "cli") as bus:
        try:
            async with audited(store, tenant_id, command, actor, execution_id) as recorded:
                yield recorded, bus
        except NotFound:
            raise NotFound(f"tenant {tenant_id} has no execution {execution_id}") from None
