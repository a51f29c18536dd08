"""The hand-over of a message: to each transport, with retries, until one takes it."""

import logging
import ssl
from collections.abc import Sequence
from functools import partial

import stamina
import stamina.instrumentation

from blocks.notifications.comms_hub import CommsHub
from blocks.notifications.message import Message
from blocks.notifications.smtp import MailServer
from blocks.notifications.transports import NotDelivered, Refused, Retries, Transport
from blocks.observability.metrics import notifications as metrics
from blocks.settings import Notifications

log = logging.getLogger(__name__)

# It logs a line of its own for each retry, with other words than ours, and counts it once more.
stamina.instrumentation.set_on_retry_hooks([])


def transports_of(
    settings: Notifications, *, trust: ssl.SSLContext | None = None
) -> list[Transport]:
    """Those that are configured, in the order in which they are tried."""
    found: list[Transport] = []
    if settings.comms_hub_url:
        found.append(CommsHub(settings.comms_hub_url))
    if settings.smtp_url:
        found.append(MailServer(settings.smtp_url, settings.sender, trust=trust))
    return found


async def deliver(
    transports: Sequence[Transport], message: Message, id: str, retries: Retries
) -> tuple[Transport, str]:
    """Which transport took the message, and its id there. Raises `NotDelivered`."""
    reasons = []
    for transport in transports:
        try:
            return transport, await _with_retries(transport, message, id, retries)
        except Refused as refused:
            reasons.append(f"{transport.name}: {refused}")
    raise NotDelivered("; ".join(reasons))


async def _with_retries(transport: Transport, message: Message, id: str, retries: Retries) -> str:
    async for attempt in stamina.retry_context(
        on=partial(_is_worth_another, retries),
        attempts=retries.attempts,
        timeout=None,
        wait_initial=retries.first_wait_seconds,
        wait_max=retries.wait_seconds_max,
        wait_jitter=retries.jitter_seconds,
    ):
        with attempt:
            try:
                return await transport.send(message, id)
            except Refused as refused:
                metrics.ATTEMPTS_FAILED.labels(transport.name).inc()
                log.warning(
                    "a notification was not taken by %s: %s (attempt %d of at most %d)",
                    transport.name,
                    refused,
                    attempt.num,
                    retries.attempts,
                )
                raise
    raise AssertionError("the last attempt returns or raises")


def _is_worth_another(retries: Retries, error: Exception) -> bool | float:
    if not isinstance(error, Refused) or not error.is_passing:
        return False
    if error.wait_seconds is None:
        return True
    if error.wait_seconds > retries.wait_seconds_max:
        return False
    return max(error.wait_seconds, retries.first_wait_seconds)
