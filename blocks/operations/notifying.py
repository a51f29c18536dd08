"""The step of an operation that notifies people."""

from msgspec.structs import replace

from blocks.contracts.events import JsonObject
from blocks.notifications import Message, Withheld, notify
from blocks.operations.work import NotConfigured
from blocks.ports import RecordStore
from blocks.processes.retries import Retries
from blocks.settings import Notifications


async def send(
    store: RecordStore,
    settings: Notifications,
    message: Message,
    *,
    key: str,
    recipient: str = "",
    retries: Retries | None = None,
) -> JsonObject:
    """The figures of the step: the message was sent now, or before under this key.

    `recipient`: another one than the message has. Raises `NotConfigured`, `NotDelivered`.
    """
    message = replace(message, recipient=recipient or message.recipient)
    outcome = await notify(store, settings, message, key=key, retries=retries)
    if isinstance(outcome, Withheld) and not outcome.is_configured:
        raise NotConfigured(outcome.reason)
    return outcome.figures
