"""`orchestrator demo`: one event in, its analysis watched, its record shown."""

import asyncio
import time
from datetime import datetime
from uuid import uuid4

import httpx

from blocks.clock import utc_now
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.envelope import Event
from blocks.contracts.events import EventData, IntegrationOpportunityUpdated, JsonObject
from blocks.contracts.states import TERMINAL
from blocks.messages import to_message
from blocks.ports import Unroutable
from blocks.services import open_bus
from blocks.settings import Settings, links
from deployments.cli.demo.credential import curl_options, demo_headers
from deployments.cli.demo.display import progress_display
from deployments.cli.demo.failed import DemoFailed
from deployments.cli.demo.stack import ready_stack
from deployments.cli.views.executions import print_execution, read_execution
from deployments.local.readiness import api_url
from deployments.local.terminal import say_plainly

POLL_SECONDS = 0.1


async def run_demo(
    settings: Settings, tenant_id: str, opportunity_id: str, *, limit_seconds: float
) -> None:
    """The opportunity has been analysed and its record shown. Raises `DemoFailed` with the reason
    if not.
    """
    async with ready_stack(settings):
        event = await _publish(settings, tenant_id, opportunity_id)
        execution = await _watch(settings, event, opportunity_id, limit_seconds)
        await _show(settings, execution, event.timestamp)
    if execution["status"] != "completed":
        raise DemoFailed(
            f"the analysis {execution['status']}: {execution.get('error', 'no reason was given')}"
        )


async def _publish(settings: Settings, tenant_id: str, opportunity_id: str) -> Event[EventData]:
    data = IntegrationOpportunityUpdated(
        opportunity_id=opportunity_id, changes={"stage": "Negotiation"}
    )
    event: Event[EventData] = Event(
        id=str(uuid4()),
        tenant_id=tenant_id,
        timestamp=utc_now(),
        source="orchestrator-demo",
        data=data,
    )
    async with open_bus(settings, "demo") as bus:
        try:
            await bus.publish(to_message(event), required=True)
        except Unroutable:
            raise DemoFailed(
                "no queue takes the event: run `orchestrator bootstrap` first"
            ) from None
    say_plainly(
        f"\nPublished {event.type} {event.id}\n  tenant {tenant_id}, opportunity {opportunity_id}\n"
    )
    return event


async def _watch(
    settings: Settings, event: Event[EventData], opportunity_id: str, limit_seconds: float
) -> JsonObject:
    """The ended execution, as the API returns it."""
    deadline = time.monotonic() + limit_seconds
    execution: JsonObject | None = None
    async with (
        demo_headers(settings, event.tenant_id) as headers,
        httpx.AsyncClient(
            base_url=f"{api_url(settings)}/api/v1", headers=headers, timeout=10
        ) as client,
    ):
        with progress_display(event.timestamp) as display:
            while execution is None or execution["status"] not in TERMINAL:
                if time.monotonic() > deadline:
                    raise DemoFailed(_why_not_ended(execution, limit_seconds))
                await asyncio.sleep(POLL_SECONDS)
                if execution is None:
                    execution = await _find(client, event.id, opportunity_id)
                else:
                    execution = await _get(client, f"/executions/{execution['id']}")
                display.show(execution)
    return execution


async def _find(client: httpx.AsyncClient, event_id: str, opportunity_id: str) -> JsonObject | None:
    """The execution of this opportunity that our event caused, or was absorbed by."""
    page = await _get(client, "/executions", workflow=WORKFLOW, subject=opportunity_id, limit="5")
    for summary in page["items"]:
        execution = await _get(client, f"/executions/{summary['id']}")
        if any(trigger["eventId"] == event_id for trigger in execution["triggers"]):
            return execution
    return None


async def _get(client: httpx.AsyncClient, path: str, **query: str) -> JsonObject:
    try:
        response = await client.get(path, params=query)
        response.raise_for_status()
        body: JsonObject = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise DemoFailed(f"the API did not answer as expected: {error}") from None
    return body


async def _show(settings: Settings, execution: JsonObject, published_at: datetime) -> None:
    if execution["status"] == "completed":
        completed_at = datetime.fromisoformat(execution["completedAt"])
        say_plainly(
            "\nFrom published to completed: "
            f"{(completed_at - published_at).total_seconds():.2f} s\n"
        )
    shown = await read_execution(execution["tenantId"], execution["id"])
    print_execution(shown, as_json=False)
    say_plainly(f"\nAPI         curl {curl_options(settings, shown.tenant_id)} \\")
    say_plainly(f"                 {api_url(settings)}/api/v1/executions/{shown.id}")
    if shown.flow_run_url:
        say_plainly(f"Prefect UI  {shown.flow_run_url}")
    say_plainly(f"Page        {links.api_url(settings.server)}/executions/{shown.id}")


def _why_not_ended(execution: JsonObject | None, limit_seconds: float) -> str:
    if execution is None:
        return (
            f"no execution appeared in {limit_seconds:g} s: does the running stack use the same "
            "RABBITMQ_URL, and does its listener run?"
        )
    waiting = [
        step["step"] for step in execution["steps"] if step["status"] not in ("completed", "failed")
    ]
    return (
        f"after {limit_seconds:g} s the analysis is still {execution['status']}, waiting for "
        f"{', '.join(waiting)}"
    )
