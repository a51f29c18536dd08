"""The endpoint: what clients may send, and what they are answered."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from api.access.authentication import Identify
from api.access.errors import CredentialMissing, NotThisUser
from api.access.limits.failures import Failures
from api.http.errors import answer_of, body_of
from api.sockets import payloads
from api.sockets.admission import Admission
from api.sockets.client import Client, Room
from api.sockets.engine import Engine
from api.sockets.payloads import BadPayload
from api.sockets.replay import missed, present_progress
from api.sockets.rooms import ROOMS_PER_CLIENT, Rooms, addressed, sync_room
from api.sockets.updates import Updates
from blocks.contracts.claims.frames import PROGRESS
from blocks.contracts.identities import spelled
from blocks.ports import RecordStore, Unavailable
from blocks.processes.ending import ended
from blocks.settings import Settings

logger = logging.getLogger(__name__)

PATH = "/socket.io/"
AUTHENTICATED, ERROR = "authenticated", "error"

Act = Callable[[Client, tuple[Any, ...]], Awaitable[None]]


class Sockets:
    """All Socket.IO clients of an API process; `updates` is to be subscribed to the bus."""

    def __init__(
        self,
        settings: Settings,
        store: RecordStore,
        identify: Identify,
        failures: Failures,
    ) -> None:
        self._store = store
        self._admission = Admission(identify, failures, settings.claims)
        self._rooms = Rooms(settings.live.clients_per_tenant)
        self._every_seconds = settings.live.heartbeat_seconds
        self._clients: dict[str, tuple[Client, asyncio.Task[None]]] = {}
        self._checking: asyncio.Task[None] | None = None
        self._engine = Engine(settings.live, settings.server)
        self.updates = Updates(store, self._rooms, settings.live.overlap_seconds)
        self._engine.on("connect", self._connect)
        self._engine.on("disconnect", self._disconnect)
        self._engine.on("authenticate", self._answering(AUTHENTICATED, self._authenticate))
        self._engine.on("subscribe_sync_progress", self._answering(ERROR, self._subscribe))
        self._engine.on("unsubscribe_sync_progress", self._answering(ERROR, self._unsubscribe))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._checking is None:
            self._checking = asyncio.create_task(self._check_credentials())
        await self._engine.handle(scope, receive, send)

    async def close(self) -> None:
        """Every client is disconnected, and no more are let in."""
        await self._engine.close()
        tasks = [task for _, task in self._clients.values()]
        await ended(*tasks, *filter(None, [self._checking]))
        await self.updates.close()

    # --- what clients send
    # ---------------------------------------------------------------------------

    async def _authenticate(self, client: Client, sent: tuple[Any, ...]) -> None:
        asked = payloads.read(sent, payloads.Authenticate)
        since = asked.since_moment
        admitted = await self._admission.admit(client.scope, asked.user_id, asked.token)
        if client.has_gone:
            return  # meanwhile; in a room, it would keep a place that no one takes
        room = self._rooms.admit(client, admitted)
        self._engine.connections.has_authenticated(client.id)
        client.hold()
        try:
            events = await missed(self._store, admitted.tenant_id, admitted.user_id, asked)
        except BaseException:
            self._rooms.dismiss(client)
            client.release()
            raise
        logger.info(
            "A Socket.IO client follows %r (tenant %s); %d events since %r",
            admitted.user_id,
            admitted.tenant_id,
            len(events),
            asked.last_event_id or str(since or "a while ago"),
        )
        client.say(AUTHENTICATED, {"success": True})
        client.replayed(room, _frames_for(room, events))

    async def _subscribe(self, client: Client, sent: tuple[Any, ...]) -> None:
        asked = payloads.read(sent, payloads.Subscribe)
        if (admitted := client.admitted) is None:
            raise CredentialMissing
        if asked.user_id is not None and spelled(asked.user_id) != admitted.spelled_user:
            raise NotThisUser
        room = sync_room(admitted.tenant_id, admitted.user_id, asked.sync_id)
        if room not in client.rooms and len(client.rooms) > ROOMS_PER_CLIENT:
            raise BadPayload(f"A client may follow at most {ROOMS_PER_CLIENT} syncs")
        self._rooms.join(client, room)
        client.hold()
        try:
            events = await missed(self._store, admitted.tenant_id, admitted.user_id, asked)
            present = await present_progress(
                self._store, admitted.tenant_id, admitted.user_id, asked.sync_id
            )
        except BaseException:
            self._rooms.leave(client, room)
            client.release()
            raise
        client.say(PROGRESS, present)
        client.replayed(room, _frames_for(room, events))

    async def _unsubscribe(self, client: Client, sent: tuple[Any, ...]) -> None:
        asked = payloads.read(sent, payloads.Unsubscribe)
        if client.admitted is not None:
            admitted = client.admitted
            self._rooms.leave(
                client, sync_room(admitted.tenant_id, admitted.user_id, asked.sync_id)
            )

    def _answering(self, answer: str, act: Act) -> Callable[..., Awaitable[Any]]:
        """The act, whose refusal is answered; nothing that a client sends raises."""

        async def handle(sid: str, *sent: Any) -> dict[str, Any] | None:
            client = self._clients[sid][0] if sid in self._clients else None
            if client is None:
                return None
            try:
                async with client.turn:
                    await act(client, sent)
            except Exception as error:
                refusal = {"success": False, "error": _message(error)}
                client.say(answer, refusal)
                if isinstance(error, Unavailable):
                    client.end("unavailable")  # it reconnects and asks again: nothing is lost
                return refusal
            return {"success": True}

        return handle

    # --- clients
    # -------------------------------------------------------------------------------------

    async def _connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        scope = environ["asgi.scope"]
        client = Client(self._engine.wire(sid), scope, self._engine.id_under(sid))
        self._clients[sid] = client, asyncio.create_task(client.pump())

    async def _disconnect(self, sid: str, reason: str = "") -> None:
        if (known := self._clients.pop(sid, None)) is not None:
            client, task = known
            client.has_gone = True
            self._rooms.dismiss(client)
            if task is not asyncio.current_task():
                task.cancel()

    async def _check_credentials(self) -> None:
        """Who shows a credential that has ended is disconnected."""
        while True:
            await asyncio.sleep(self._every_seconds)
            for client, _ in tuple(self._clients.values()):
                if client.admitted is not None:
                    await self._check(client)

    async def _check(self, client: Client) -> None:
        assert client.admitted is not None
        try:
            await self._admission.still(client.scope, client.admitted)
        except Unavailable:
            pass  # it cannot be checked now
        except Exception as error:
            self._rooms.dismiss(client)
            client.say(AUTHENTICATED, {"success": False, "error": _message(error)})
            client.end("credential")


def _frames_for(room: Room, events: Any) -> list[tuple[str, Any, str]]:
    return [
        (name, data, event_id)
        for event in events
        for where, name, data, event_id in addressed(event)
        if where == room
    ]


def _message(error: Exception) -> str:
    """For the client; what it may not see is only logged."""
    if isinstance(error, BadPayload):
        return str(error)
    if isinstance(error, CredentialMissing):
        return "A credential is required"
    if answer_of(error).status >= 500:
        logger.error("A Socket.IO client could not be served: %r", error)
    return body_of(error).message
