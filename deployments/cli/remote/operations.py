"""Operations and the log of events over HTTP: the platform's own."""

from urllib.parse import quote

from msgspec.structs import asdict

from api.executions.documents import Execution, ExecutionPage, ExecutionSummary
from api.operations.documents import (
    EventPage,
    EventPosted,
    OperationDetails,
    OperationList,
    OperationState,
    PlatformEvent,
    Run,
    RunAnswer,
)
from blocks.clock import utc_now
from blocks.contracts.operations import OPERATIONS
from blocks.operations.runs import known_operation
from blocks.schedules.cron import next_time
from deployments.cli.actions.following import follow
from deployments.cli.actions.operations import read_input, read_payload
from deployments.cli.over_http import Access
from deployments.cli.remote.client import Client, client, path_of
from deployments.cli.views.operations import ListedRun, ListedWorkflow


async def query_workflows(access: Access) -> list[ListedWorkflow]:
    async with client(access, None) as api:
        found = await api.get("/api/workflows", OperationList)
        zone = next((schedule.time_zone for schedule in found.schedules), None)
        return [await _listed(api, workflow, zone) for workflow in found.workflows]


async def _listed(api: Client, workflow: OperationDetails, zone: str | None) -> ListedWorkflow:
    state = await api.get(f"/api/workflows/{quote(workflow.id, safe='')}/status", OperationState)
    is_on = workflow.is_scheduled and workflow.schedule and zone
    return ListedWorkflow(
        workflow=workflow.id,
        schedule=workflow.schedule,
        time_zone=zone,
        next_run=await next_time(workflow.schedule, zone, utc_now())
        if is_on and workflow.schedule and zone
        else None,
        inactive=workflow.inactive,
        events=workflow.triggers,
        last_run=state.recent_runs[-1] if state.recent_runs else None,
    )


async def query_runs(access: Access, workflow: str | None, limit: int) -> list[ListedRun]:
    """The executions say what runs are about, the runs how far they are."""
    wanted = [known_operation(workflow)] if workflow else OPERATIONS
    query = {"workflow": [operation.id for operation in wanted]}
    async with client(access, None) as api:
        found = api.pages(path_of("executions"), ExecutionPage, limit, query)
        return [await _run_of(api, execution) async for execution in found]


async def _run_of(api: Client, execution: ExecutionSummary) -> ListedRun:
    run = await api.get(f"/api/runs/{quote(execution.id, safe='')}", Run)
    return ListedRun(**asdict(run), subject=execution.subject)


async def trigger_workflow(
    access: Access, workflow: str, text: str, request_id: str | None, actor: str
) -> Run:
    path = f"/api/workflows/{known_operation(workflow).id}/trigger"
    wanted = {"inputData": read_input(text)}
    async with client(access, None, actor) as api:
        return (await api.post(path, RunAnswer, wanted, key=request_id)).result


async def follow_run(access: Access, run: Run, limit_seconds: float) -> None:
    async with client(access, None) as api:

        async def find() -> Execution:
            return await api.get(path_of("executions", run.execution_id), Execution)

        await follow(find, run, limit_seconds)


async def query_events(access: Access, event_type: str | None, limit: int) -> list[PlatformEvent]:
    async with client(access, None) as api:
        found = api.pages("/api/events", EventPage, limit, {"type": event_type}, items="events")
        return [event async for event in found]


async def publish(access: Access, event_type: str, text: str, event_id: str | None) -> str:
    wanted = {"eventType": event_type, "payload": read_payload(event_type, text), "id": event_id}
    async with client(access, None) as api:
        posted = await api.post("/api/events", EventPosted, wanted, key=event_id)
    return posted.id
