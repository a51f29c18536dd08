"""The messages to a client that follows; the same over both transports."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from api.http.documents import Document
from api.http.errors import answer_of, body_of
from api.live import metrics
from api.live.admission import StillWelcome
from api.live.follower import Behind, Follower
from api.live.hub import Hub
from blocks.clock import utc_now

_NOT_KNOWN = "Something may have happened that is not known here"


class ServerMessage(msgspec.Struct, frozen=True):
    """One message. `id` is where the client stands after it; without one, where it stood before."""

    event: str
    data: bytes = b""
    id: str | None = None


class Resync(Document, frozen=True, kw_only=True):
    """Events may have been missed: the client's state may be out of date until it reads again."""

    message: str
    read: str
    timestamp: datetime


class End(Document, frozen=True, kw_only=True):
    """Why the stream ends. `code` is that of the answer which a new request would get."""

    code: str
    message: str
    status: int


HEARTBEAT, RESYNC, END = "heartbeat", "resync", "end"
STOPPING = End(code="STOPPING", message="This server stops; connect again", status=503)


async def event_stream(
    hub: Hub,
    follower: Follower,
    still_welcome: StillWelcome,
    *,
    every_seconds: float,
    for_seconds: float | None = None,
) -> AsyncIterator[ServerMessage]:
    """All messages for the follower; a heartbeat at once and then after each idle interval.

    Ends when the credential does, when the server stops, or after `for_seconds`, however much is
    left: the client resumes from the id of the last message. 0: ends after what is there already.
    """
    clock = asyncio.get_running_loop().time
    until = None if for_seconds is None else clock() + for_seconds
    check_at = clock() + every_seconds
    beat_at = clock()
    while not follower.is_ending:
        try:
            for entry in follower.read():
                yield ServerMessage(
                    entry.event.type, entry.json, hub.behind(entry).written(follower.tenant_id)
                )
                beat_at = clock() + every_seconds
                if for_seconds and until is not None and clock() >= until:
                    return
        except Behind:
            metrics.RESYNCS.inc()
            resync = Resync(message=_NOT_KNOWN, read="/api/v1/executions", timestamp=utc_now())
            yield ServerMessage(RESYNC, _encoded(resync), hub.now().written(follower.tenant_id))
        if clock() >= check_at:
            if error := await still_welcome():
                yield ServerMessage(END, _encoded(_end(error)))
                return
            check_at = clock() + every_seconds
        if for_seconds and until is not None and clock() >= until:
            return
        if follower.is_caught_up:
            if clock() >= beat_at:
                yield ServerMessage(HEARTBEAT, id=hub.now().written(follower.tenant_id))
                beat_at = clock() + every_seconds
            if until is not None and clock() >= until:
                return
            await follower.woken(min(check_at, beat_at, until or check_at) - clock())
    yield ServerMessage(END, _encoded(STOPPING))


def _end(error: Exception) -> End:
    body = body_of(error)
    return End(code=body.code, message=body.message, status=answer_of(error).status)


def _encoded(document: Document) -> bytes:
    return msgspec.json.encode(document)
