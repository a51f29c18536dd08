"""What AMQP does not report of a queue, from RabbitMQ's management plugin, where there is one."""

from urllib.parse import quote, unquote, urlsplit

import httpx

from blocks.settings import RabbitMQ

_ANSWER_SECONDS = 3.0


class NoAnswer(Exception):
    """The management plugin gave no usable answer; the message is the reason."""


async def in_hand(rabbitmq: RabbitMQ, queue: str) -> int:
    """Delivered, unacknowledged messages, as of five seconds ago at most. Raises `NoAnswer`."""
    broker, management = urlsplit(rabbitmq.url), urlsplit(rabbitmq.management_url)
    who = management if management.username else broker
    vhost = unquote(broker.path.removeprefix("/")) or "/"
    base = rabbitmq.management_url.replace(
        f"{management.netloc}", management.netloc.rpartition("@")[2], 1
    ).rstrip("/")
    try:
        async with httpx.AsyncClient(timeout=_ANSWER_SECONDS) as client:
            answer = await client.get(
                f"{base}/api/queues/{quote(vhost, safe='')}/{quote(queue, safe='')}",
                auth=(unquote(who.username or "guest"), unquote(who.password or "guest")),
            )
            answer.raise_for_status()
            return int(answer.json().get("messages_unacknowledged", 0))
    except httpx.HTTPStatusError as error:
        raise NoAnswer(f"it answers {error.response.status_code}") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise NoAnswer(f"it does not answer: {type(error).__name__}") from None
