"""`GET /api/v1/executions/stream`: the live view as server-sent events."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any

from litestar import Request, get
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import QueryParameter, SkipValidation
from litestar.response import ServerSentEvent, ServerSentEventMessage

from api.access.authentication import Identify
from api.access.tenancy import TenantId
from api.documentation.openapi import documented
from api.http.parameters import header, text
from api.live import examples
from api.live.admission import still_welcome
from api.live.cursor import cursor_in
from api.live.errors import TooManyFollowers, TooManyOfTenant
from api.live.event_stream import HEARTBEAT, ServerMessage, event_stream
from api.live.filters import Filters, types_in
from api.live.follower import Follower
from api.live.hub import Hub
from blocks.settings import Settings

HubOfApp = SkipValidation[NamedDependency[Hub]]
IdentifyOfApp = SkipValidation[NamedDependency[Identify]]
SettingsOfApp = SkipValidation[NamedDependency[Settings]]

SECONDS_MAX = 86_400
RETRY_MILLISECONDS = 2_000


def _documented() -> dict[int, ResponseSpec]:
    responses = documented(examples.LIVE_EVENT, TooManyOfTenant, TooManyFollowers)
    return responses | {200: replace(responses[200], media_type="text/event-stream")}


@get(
    "/executions/stream", summary="Follow executions", tags=["Executions"], responses=_documented()
)
async def stream_executions(
    request: Request[Any, Any, Any],
    hub: HubOfApp,
    identify: IdentifyOfApp,
    settings: SettingsOfApp,
    tenant_id: TenantId,
    workflow: Annotated[str | None, text("Only of this workflow")] = None,
    subject: Annotated[str | None, text("Only about this subject, e.g. an opportunity id")] = None,
    execution_id: Annotated[str | None, text("Only of this execution", name="executionId")] = None,
    types: Annotated[
        str | None, text("Only these event types, separated by commas", max_length=1000)
    ] = None,
    seconds: Annotated[
        int | None,
        QueryParameter(
            description="End after so many seconds; 0: send what there is and end",
            ge=0,
            le=SECONDS_MAX,
            schema_extra={"one_of": None, "type": "integer", "minimum": 0},
        ),
    ] = None,
    last_event_id: Annotated[
        str | None, header("Last-Event-ID", "The id of the last message that came: go on behind it")
    ] = None,
) -> ServerSentEvent:
    """The tenant's events as they happen, as server-sent events; docs/live.md has the messages.

    Each event comes at least once, and in order. Where that is impossible, a message `resync` asks
    the client to read the executions again. The stream ends when the credential does. docs/live.md
    shows how to resume.
    """
    filters = Filters(
        workflow=workflow, subject=subject, execution_id=execution_id, types=types_in(types)
    )
    after = cursor_in(last_event_id, tenant_id, "header") if last_event_id else None
    await hub.before_admission()
    follower = hub.admit(tenant_id, filters, after)
    messages = event_stream(
        hub,
        follower,
        still_welcome(identify, request),
        every_seconds=settings.live.heartbeat_seconds,
        for_seconds=seconds,
    )
    # The generator may never be begun, or be left in the middle: whatever comes first, the follower
    # is dismissed.
    return ServerSentEvent(
        _messages(hub, follower, messages), background=BackgroundTask(_dismiss, hub, follower)
    )


async def _messages(
    hub: Hub, follower: Follower, messages: AsyncIterator[ServerMessage]
) -> AsyncIterator[ServerSentEventMessage]:
    try:
        yield ServerSentEventMessage(data=None, retry=RETRY_MILLISECONDS)
        async for message in messages:
            yield _message(message)
    finally:
        hub.dismiss(follower)


def _message(messages: ServerMessage) -> ServerSentEventMessage:
    """A heartbeat is a comment with an id: browsers keep the id and raise no event."""
    if messages.event == HEARTBEAT:
        return ServerSentEventMessage(data=None, comment=HEARTBEAT, id=messages.id)
    return ServerSentEventMessage(data=messages.data.decode(), event=messages.event, id=messages.id)


async def _dismiss(hub: Hub, follower: Follower) -> None:
    hub.dismiss(follower)
