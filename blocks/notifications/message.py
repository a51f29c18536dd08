"""What is sent."""

from typing import Annotated, Literal

import msgspec

from blocks.contracts.events import JsonObject

Channel = Literal["email", "sms", "whatsapp", "push"]

Priority = Annotated[int, msgspec.Meta(ge=1, le=10)]

CRITICAL: Priority = 10
WARNING: Priority = 7
NORMAL: Priority = 5


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A text for one recipient. Priorities are those of the platform's communications hub."""

    subject: str
    """One line; only mail has it."""
    body: str
    html: str | None = None
    """The same as a page, for mail."""
    recipient: str = ""
    """Empty: the operators, as the settings name them."""
    channel: Channel = "email"
    priority: Priority = NORMAL
    metadata: JsonObject = {}
