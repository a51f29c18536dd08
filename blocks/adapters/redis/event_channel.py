"""Events on Redis: published, and received."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import redis.asyncio as redis
from redis.exceptions import RedisError

from blocks.ports import Unavailable
from blocks.processes.ending import closing

RECENT = "workflow:events:recent"
RECENT_MAX = 1000

_CHANNELS = "workflow:*"
_TIMEOUT_SECONDS = 5.0
_LOOK_SECONDS = 1.0


class RedisEventChannel:
    """Lives as long as its `async with`. Opening it makes no request; every method raises
    `Unavailable` when Redis does not answer.
    """

    def __init__(self, url: str) -> None:
        self._client: redis.Redis = redis.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            health_check_interval=_TIMEOUT_SECONDS,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, *exc: type[BaseException] | BaseException | TracebackType | None
    ) -> None:
        async with closing("the connection to Redis"):
            await self._client.aclose()

    async def publish(self, event_type: str, body: bytes, *, listed: bool = True) -> None:
        """Who listens has the event; and if it is to be listed the list, too, both or neither."""
        with _translated():
            async with self._client.pipeline(transaction=True) as together:
                together.publish(f"workflow:{event_type}", body)
                if listed:
                    together.lpush(RECENT, body)
                    together.ltrim(RECENT, 0, RECENT_MAX - 1)
                await together.execute()

    async def received(self) -> AsyncIterator[bytes]:
        """The list, oldest first, then every event that anyone publishes from now on; some of the
        list may come twice.
        """
        with _translated():
            async with self._client.pubsub(ignore_subscribe_messages=True) as subscription:
                await subscription.psubscribe(_CHANNELS)
                listed: Any = await self._client.lrange(RECENT, 0, RECENT_MAX - 1)
                for body in reversed(listed):
                    yield body
                while True:
                    message: dict[str, Any] | None = await subscription.get_message(
                        timeout=_LOOK_SECONDS
                    )
                    if message is not None:
                        yield message["data"]


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise Unavailable(f"Redis does not answer: {type(error).__name__}") from error
