"""The platform's communications hub: `POST /api/messages/send`, answered 201 or 400."""

import asyncio

import httpx
import msgspec

from blocks.clock import utc_now
from blocks.contracts.envelope import SERVICE
from blocks.notifications.message import Channel, Message
from blocks.notifications.transports import ATTEMPT_SECONDS, Refused
from blocks.observability.plain_text import shortened
from blocks.observability.redaction import redacted
from blocks.webhooks.retry_after import retry_after_seconds

ANSWER_BYTES_MAX = 64 * 1024

_ASK_AGAIN = (408, 425, 429)
_DETAIL_LENGTH = 200


class _Answer(msgspec.Struct, rename="camel"):
    message_id: str | None = None
    success: bool = True
    error: str | None = None
    message: str | None = None


_answers = msgspec.json.Decoder(_Answer, strict=False)


class CommsHub:
    """Asked over HTTP, once for each attempt."""

    name = "comms-hub"

    def __init__(self, url: str) -> None:
        self._url = f"{url.rstrip('/')}/api/messages/send"

    def takes(self, channel: Channel) -> bool:
        return True

    async def send(self, message: Message, id: str) -> str:
        headers = {"idempotency-key": id, "accept-encoding": "identity", "user-agent": SERVICE}
        # Inside the platform: no proxy. A redirect is not followed, it is no answer.
        client = httpx.AsyncClient(timeout=ATTEMPT_SECONDS, trust_env=False, follow_redirects=False)
        try:
            async with (
                asyncio.timeout(ATTEMPT_SECONDS),
                client,
                client.stream("POST", self._url, json=_body(message), headers=headers) as response,
            ):
                return _read(response, await _bounded(response)) or id
        except (TimeoutError, httpx.TimeoutException):
            reason = f"it did not answer within {ATTEMPT_SECONDS:g} s"
            raise Refused(reason, is_passing=True) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            reason = f"it cannot be reached ({type(error).__name__})"
            raise Refused(reason, is_passing=True) from None


def _body(message: Message) -> dict[str, object]:
    """As the hub documents it."""
    page = {"html": message.html} if message.html else {}
    return {
        "channel": message.channel,
        "recipient": message.recipient,
        "subject": message.subject,
        "body": message.body,
        "priority": message.priority,
        "metadata": {"source": SERVICE, **page, **message.metadata},
    }


def _read(response: httpx.Response, body: bytes) -> str | None:
    """The hub's id of the message, if it states one."""
    status = response.status_code
    if response.is_success:
        answer = _decoded(body)
        if not answer.success:
            raise Refused(f"it declined{_detail(answer)}")
        return answer.message_id
    if status >= 500 or status in _ASK_AGAIN:
        wait = retry_after_seconds(response.headers.get("retry-after"), utc_now())
        raise Refused(f"it answered {status}", is_passing=True, wait_seconds=wait)
    raise Refused(f"it answered {status}{_detail(_decoded(body))}")


async def _bounded(response: httpx.Response) -> bytes:
    """No more of the body than is needed to read an answer."""
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > ANSWER_BYTES_MAX:
            break
    return bytes(body)


def _decoded(body: bytes) -> _Answer:
    """An answer that cannot be read states nothing; its status counts."""
    try:
        return _answers.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return _Answer()


def _detail(answer: _Answer) -> str:
    stated = answer.error or answer.message
    return f": {shortened(redacted(stated), _DETAIL_LENGTH)}" if stated else ""
