"""The hand-over of a message: to each transport, with retries, until one takes it."""

import logging
import ssl
from collections.abc import Sequence

from blocks.notifications.comms_hub import CommsHub
from blocks.notifications.message import Message
from blocks.notifications.smtp import MailServer
from blocks.notifications.transports import NotDelivered, Refused, Transport
from blocks.observability.metrics import notifications as metrics
from blocks.processes.retries import Retries, attempts
from blocks.settings import Notifications

log = logging.getLogger(__name__)


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


def is_configured(settings: Notifications) -> bool:
    """Whether there is a way to anyone."""
    return bool(transports_of(settings))


async def deliver(
    transports: Sequence[Transport], message: Message, id: str, retries: Retries
) -> tuple[Transport, str]:
    """Which transport took the message, and its id there. Raises `NotDelivered`."""
    reasons, is_passing = [], False
    for transport in transports:
        try:
            return transport, await _with_retries(transport, message, id, retries)
        except Refused as refused:
            reasons.append(f"{transport.name}: {refused}")
            is_passing |= refused.is_passing
    raise NotDelivered("; ".join(reasons), is_passing=is_passing)


async def _with_retries(transport: Transport, message: Message, id: str, retries: Retries) -> str:
    async for attempt in attempts(retries):
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
