"""HTTP to the claim services: one call is up to three requests under one Idempotency-Key.

Retries wait 2 s and 4 s and up to a second more, or as long as the service demands, if that is
bearable. Source of attempts and back-off: the platform's queue of phases.
"""

import asyncio
import logging
import re
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from time import perf_counter
from types import TracebackType
from typing import Generic, Self, TypeVar

import httpx
import msgspec

from blocks.claims.asking.circuits import OF_PROCESS, Circuits
from blocks.claims.asking.failed import Service, ServiceFailed
from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from blocks.observability.metrics import claim_services as metrics
from blocks.observability.plain_text import shortened
from blocks.observability.redaction import redacted
from blocks.processes.ending import closing
from blocks.processes.retries import Retries, attempts
from blocks.webhooks.retry_after import retry_after_seconds

log = logging.getLogger(__name__)

ANSWER_BYTES_MAX = 4 * 1024 * 1024
CONNECT_SECONDS = 10.0
AT_ONCE = 50
"""Requests to one service; a service that hangs holds no connection of another one."""

_ASK_AGAIN = (408, 425, 429)
_DETAIL_LENGTH = 200

_NAMED_NUMBER = re.compile(rb"([:\[,]\s*)(NaN|-?Infinity)(?=\s*[,}\]])")

_answers = msgspec.json.Decoder(JsonObject, float_hook=Decimal)

T = TypeVar("T")


class Unreadable(ValueError):
    """An answer that cannot be used; the message says why."""


class Declined(ValueError):
    """An answer with a good status that says in its body that nothing was done."""


class Call(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What is asked of which service, for whom, and how its answer is read."""

    service: Service
    url: str
    user_id: str
    body: bytes
    """JSON."""
    key: str
    limit_seconds: float
    """Of one request, from its first byte to the last of its answer."""
    read: Callable[[JsonObject], T]
    """Raises `Unreadable`, `Declined`."""


class ServiceCalls:
    """Connections to the services; lives as long as its process, or as one flow run."""

    def __init__(
        self,
        *,
        token: str = "",
        retries: Retries | None = None,
        circuits: Circuits | None = None,
    ) -> None:
        self._token = token
        self._retries = retries or Retries()
        self._circuits = circuits or OF_PROCESS
        self._slots: dict[Service, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(AT_ONCE)
        )
        # Inside the platform: no proxy. The time of a whole request is limited by `_request`, and
        # the number of connections by `_slots`.
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=AT_ONCE),
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        async with closing("the connections to claim services"):
            await self._client.__aexit__(kind, error, trace)

    async def make(self, call: Call[T]) -> T:
        """What the service answered. Raises `ServiceFailed` once its retries are used up."""
        try:
            answer = await self._with_retries(call)
        except ServiceFailed as failure:
            metrics.CALLS.labels(call.service, failure.code).inc()
            await self._learn_from(call, failure)
            raise
        metrics.CALLS.labels(call.service, "completed").inc()
        await self._circuits.succeeded(call.url)
        return answer

    async def _learn_from(self, call: Call[T], failure: ServiceFailed) -> None:
        if failure.code in ("unavailable", "bad-answer"):
            await self._circuits.failed(call.url, call.user_id, failure)
        elif failure.code == "refused" and not failure.is_passing:
            await self._circuits.succeeded(call.url)

    async def _with_retries(self, call: Call[T]) -> T:
        async for attempt in attempts(self._retries):
            with attempt:
                return await self._attempt(call, attempt.num)
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(self, call: Call[T], number: int) -> T:
        async with self._slots[call.service]:
            await self._circuits.check(call.service, call.url)
            if number > 1:
                metrics.RETRIES.labels(call.service).inc()
            began = perf_counter()
            try:
                return await self._request(call)
            except ServiceFailed as failure:
                log.warning(
                    "%s (request %d of at most %d)", failure, number, self._retries.attempts
                )
                raise
            finally:
                metrics.REQUESTS.labels(call.service).observe(perf_counter() - began)

    async def _request(self, call: Call[T]) -> T:
        headers = {
            b"content-type": b"application/json",
            b"accept": b"application/json",
            b"accept-encoding": b"identity",  # what unpacks to more than it seems is not read
            b"idempotency-key": call.key.encode(),
        }
        if self._token:
            headers[b"authorization"] = f"Bearer {self._token}".encode()
        try:
            async with (
                asyncio.timeout(call.limit_seconds),
                self._client.stream(
                    "POST", call.url, content=call.body, headers=headers
                ) as response,
            ):
                return await _answer(call, response)
        except TimeoutError:
            raise ServiceFailed(
                call.service,
                "unavailable",
                f"the {call.service} service did not answer within {call.limit_seconds:g} s",
                is_passing=True,
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise _no_answer(call.service, error) from None


async def _answer(call: Call[T], response: httpx.Response) -> T:
    if response.is_success:
        body = await _bounded(call.service, response)
        try:
            return call.read(_decoded(body))
        except Declined as declined:
            raise _refused(call.service, f"declined: {declined}") from None
        except Unreadable as error:
            raise _bad_answer(call.service, str(error), is_passing=True) from None
    raise await _failure(call.service, response)


async def _failure(service: Service, response: httpx.Response) -> ServiceFailed:
    status = response.status_code
    wait = retry_after_seconds(response.headers.get("retry-after"), utc_now())
    if status >= 500:
        return ServiceFailed(
            service,
            "unavailable",
            f"the {service} service answered {status}",
            is_passing=True,
            wait_seconds=wait,
        )
    if status in _ASK_AGAIN:
        return _refused(service, f"answered {status}", is_passing=True, wait_seconds=wait)
    if status >= 400:
        detail = await _detail(service, response)
        return _refused(service, f"answered {status}{detail}")
    return _bad_answer(service, f"status {status}")


async def _bounded(service: Service, response: httpx.Response) -> bytes:
    """The body as it came. Raises `ServiceFailed` (`bad-answer`)."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise _bad_answer(service, "it is compressed, which was not asked for")
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > ANSWER_BYTES_MAX:
            raise _bad_answer(service, f"it has more than {ANSWER_BYTES_MAX} bytes")
    return bytes(body)


def _decoded(body: bytes) -> JsonObject:
    """Nothing at all is an empty object. Raises `Unreadable`."""
    try:
        return _answers.decode(_with_named_numbers(body)) if body.strip() else {}
    except (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError):
        raise Unreadable("it is no JSON object") from None


def _with_named_numbers(body: bytes) -> bytes:
    """`NaN` and `Infinity`, which Python's `json` writes for what JSON has no number, as texts: the
    field that has one is refused where it is read, and not the whole answer.
    """
    return _NAMED_NUMBER.sub(rb'\1"\2"', body) if b"NaN" in body or b"Infinity" in body else body


async def _detail(service: Service, response: httpx.Response) -> str:
    """What the service adds to a refusal, for people; empty if it adds nothing readable."""
    try:
        stated = stated_in(_decoded(await _bounded(service, response)))
    except (ServiceFailed, Unreadable):
        return ""
    return f": {stated}" if stated else ""


def stated_in(answer: JsonObject) -> str:
    """The error text of an answer on one line, short and without secrets and queries."""
    for name in ("error", "message", "detail", "reason"):
        value = answer.get(name)
        if isinstance(value, dict):
            value = value.get("message")
        if isinstance(value, str) and value.strip():
            return shortened(_without_queries(redacted(value[:2_000])), _DETAIL_LENGTH)
    return ""


def _without_queries(text: str) -> str:
    words = (word.partition("?")[0] if "://" in word else word for word in text.split())
    return " ".join(words)


def _no_answer(service: Service, error: Exception) -> ServiceFailed:
    is_unreachable = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
    is_ours = isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol)
    what = "cannot be reached" if is_unreachable or is_ours else "broke off"
    return ServiceFailed(
        service,
        "unavailable",
        f"the {service} service {what} ({type(error).__name__})",
        is_passing=not is_ours,
        is_unreachable=is_unreachable,
    )


def _refused(
    service: Service, reason: str, *, is_passing: bool = False, wait_seconds: float | None = None
) -> ServiceFailed:
    return ServiceFailed(
        service,
        "refused",
        f"the {service} service {reason}",
        is_passing=is_passing,
        wait_seconds=wait_seconds,
    )


def _bad_answer(service: Service, reason: str, *, is_passing: bool = False) -> ServiceFailed:
    return ServiceFailed(
        service,
        "bad-answer",
        f"the {service} service answered what cannot be used: {reason}",
        is_passing=is_passing,
    )
