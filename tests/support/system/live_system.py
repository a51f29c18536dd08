"""API processes of one system, and clients that follow it over the network."""

import json
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from blocks.ports import EventBus, Message, RecordStore
from blocks.services import open_bus, open_store
from blocks.settings import Settings, load_settings
from tests.support.api.credentials import ENVIRONMENT, a_token, as_user
from tests.support.api.sse import Sent, messages_in, messages_of
from tests.support.factories import A_TENANT
from tests.support.servers.ports import free_port
from tests.support.system.orchestra import Process
from tests.support.waiting import eventually

PATH = "/api/v1/executions/stream"


class Place(msgspec.Struct, frozen=True):
    """One API process and its address."""

    process: Process
    port: int

    async def answers(self) -> bool:
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"http://127.0.0.1:{self.port}/health")).is_success
        except httpx.TransportError:
            return False

    async def received_at_once(self, after: str | None = None) -> list[Sent]:
        """What a client of `A_TENANT` that stands there receives."""
        headers = as_user(a_token("viewer")) | ({"Last-Event-ID": after} if after else {})
        async with httpx.AsyncClient() as client:
            answer = await client.get(
                f"http://127.0.0.1:{self.port}{PATH}?seconds=0", headers=headers
            )
            return messages_in(answer.text)

    async def starts(self) -> None:
        self.process.start(PORT=str(self.port))
        await eventually(self.answers, within_seconds=120)


class LiveSystem(msgspec.Struct, frozen=True):
    """The processes, and the test's own doors to bus and store."""

    settings: Settings
    bus: EventBus
    store: RecordStore
    places: list[Place]


@asynccontextmanager
async def live_system(folder: Path, count: int, **environment: str) -> AsyncIterator[LiveSystem]:
    """So many API processes, all of them answering; at the end none is left."""
    variables = {
        **os.environ,
        **ENVIRONMENT,
        "ORCHESTRATOR_DATA_DIR": str(folder),
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        **environment,
    }
    settings = load_settings(variables)
    places = [
        Place(Process("api", variables, folder / f"api-{n}.log"), free_port()) for n in range(count)
    ]
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(open_bus(settings, "test"))
        store = await stack.enter_async_context(open_store(settings))
        await store.provision()
        await bus.declare()
        for place in places:
            stack.callback(place.process.kill)
            await place.starts()
        yield LiveSystem(settings, bus, store, places)


class Client:
    """What one client has received, in order; `last_id` is where it stands."""

    def __init__(self) -> None:
        self.received: list[Sent] = []
        self.last_id: str | None = None

    def take(self, message: Sent) -> None:
        self.received.append(message)
        self.last_id = message.id or self.last_id

    async def stands(self) -> bool:
        """For `eventually`: it has received where it stands."""
        return self.last_id is not None

    @property
    def event_ids(self) -> list[str]:
        """Of the events, each once, in the order in which they first came."""
        return list(
            dict.fromkeys(
                message.data["eventId"] for message in self.received if _is_event(message)
            )
        )

    @property
    def names(self) -> list[str]:
        return [message.event for message in self.received]

    def has_events(self, messages: Sequence[Message]) -> Callable[[], Any]:
        """For `eventually`: all of these were received."""

        async def all_received() -> bool:
            return {message.id for message in messages} <= set(self.event_ids)

        return all_received

    def has_received(self, event: str) -> Callable[[], Any]:
        """For `eventually`."""

        async def is_received() -> bool:
            return event in self.names

        return is_received


def _is_event(message: Sent) -> bool:
    return isinstance(message.data, dict) and "eventId" in message.data


async def follow_stream(
    client: Client,
    port: int,
    headers: Mapping[str, str] | None = None,
    tenant_id: str = A_TENANT,
    query: str = "",
) -> None:
    """Takes what is sent over HTTP until the stream ends; goes on behind the client's last id."""
    sent = dict(headers or as_user(a_token("viewer", tenant_id=tenant_id), tenant_id))
    sent |= {"Last-Event-ID": client.last_id} if client.last_id else {}
    timeout = httpx.Timeout(10, read=60)
    async with (
        httpx.AsyncClient(timeout=timeout) as http,
        http.stream("GET", f"http://127.0.0.1:{port}{PATH}{query}", headers=sent) as response,
    ):
        assert 200 == response.status_code, (await response.aread()).decode()
        async for message in messages_of(response.aiter_lines()):
            client.take(message)


async def follow_socket(
    client: Client,
    port: int,
    headers: Mapping[str, str] | None = None,
    tenant_id: str = A_TENANT,
    query: str = "",
) -> tuple[int | None, str | None]:
    """Takes what is sent over a WebSocket; returns the code and the reason with which it was
    closed.
    """
    sent = headers or as_user(a_token("viewer", tenant_id=tenant_id), tenant_id)
    after = f"{'&' if query else '?'}lastEventId={client.last_id}" if client.last_id else ""
    async with connect(
        f"ws://127.0.0.1:{port}{PATH}{query}{after}", additional_headers=dict(sent)
    ) as socket:
        with suppress(ConnectionClosed):
            while message := json.loads(await socket.recv()):
                client.take(
                    Sent(event=message["event"], id=message.get("id"), data=message.get("data"))
                )
        return socket.close_code, socket.close_reason


FOLLOW = {"sse": follow_stream, "websocket": follow_socket}
