"""`/api/v1/executions/stream` opened as a WebSocket: the same messages, each as one JSON object."""

import asyncio
from typing import Any

import msgspec
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

from api.access.authentication import Identify, refusal
from api.http.errors import InvalidRequest, Problem
from api.live.admission import still_welcome
from api.live.cursor import cursor_in
from api.live.event_stream import END, End, ServerMessage, event_stream
from api.live.filters import LENGTH_MAX, Filters, types_in
from api.live.follower import Follower
from api.live.handshake import SUBPROTOCOL
from api.live.hub import Hub
from api.live.stream import HubOfApp, IdentifyOfApp, SettingsOfApp
from blocks.settings import Live

Socket = WebSocket[Any, Any, Any]

PARAMETERS = ("workflow", "subject", "executionId", "types", "lastEventId")
NOT_EXPECTED, SERVER_STOPS = 1008, 1012


@websocket("/executions/stream")
async def follow_executions(
    socket: Socket, hub: HubOfApp, identify: IdentifyOfApp, settings: SettingsOfApp
) -> None:
    """The tenant's events until the client leaves, its credential ends, or the server stops."""
    try:
        follower = await _admitted(socket, hub)
    except Exception as error:
        raise refusal(socket, error) from None
    try:
        await socket.accept(
            subprotocols=SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None
        )
        await _until_one_ends(
            _send(socket, hub, follower, identify, settings.live), _listen(socket)
        )
    finally:
        hub.dismiss(follower)


async def _admitted(socket: Socket, hub: Hub) -> Follower:
    """Raises `InvalidRequest`, and what the hub raises."""
    tenant_id, asked = socket.user.tenant_id, _parameters(socket)
    filters = Filters(
        workflow=asked.get("workflow"),
        subject=asked.get("subject"),
        execution_id=asked.get("executionId"),
        types=types_in(asked.get("types")),
    )
    last = asked.get("lastEventId")
    after = cursor_in(last, tenant_id, "query") if last else None
    await hub.before_admission()
    return hub.admit(tenant_id, filters, after)


def _parameters(socket: Socket) -> dict[str, str]:
    """What a query holds, as over HTTP: known, once, not too long. Raises `InvalidRequest`."""
    given = dict(socket.query_params.multi_items())
    if unknown := given.keys() - set(PARAMETERS):
        raise InvalidRequest(
            *(
                Problem(field=name, message="is no parameter of this route", source="query")
                for name in sorted(unknown)
            )
        )
    for name in PARAMETERS:
        values = socket.query_params.getall(name, [])
        if len(values) > 1 or len("".join(values)) > (1000 if name == "types" else LENGTH_MAX):
            raise InvalidRequest(
                Problem(
                    field=name, message="must be given once, and not be so long", source="query"
                )
            )
    return {name: given[name] for name in PARAMETERS if given.get(name)}


async def _send(
    socket: Socket, hub: Hub, follower: Follower, identify: Identify, live: Live
) -> None:
    async for messages in event_stream(
        hub, follower, still_welcome(identify, socket), every_seconds=live.heartbeat_seconds
    ):
        await socket.send_text(_framed(messages))
        if messages.event == END:
            end = msgspec.json.decode(messages.data, type=End)
            code = SERVER_STOPS if follower.is_ending else 4000 + end.status
            await socket.close(code, end.message)


async def _listen(socket: Socket) -> None:
    """The client has left, or has sent a message, which is not expected."""
    try:
        await socket.receive_text()
        await socket.close(NOT_EXPECTED, "nothing is expected here")
    except WebSocketDisconnect:
        pass


def _framed(messages: ServerMessage) -> str:
    message = {
        "event": messages.event,
        "id": messages.id,
        "data": msgspec.Raw(messages.data or b"null"),
    }
    return msgspec.json.encode(
        {name: value for name, value in message.items() if value is not None}
    ).decode()


async def _until_one_ends(*works: Any) -> None:
    """The others are cancelled; what one raised because the client is gone is no news."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
