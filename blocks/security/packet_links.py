"""Links that let whoever holds them download one proof packet until a moment; pure."""

from datetime import datetime

from blocks.contracts.reading.normalised import Normalised
from blocks.security import signed_tokens

_PURPOSE = b"packet-link\n"


class PacketLink(Normalised, frozen=True, kw_only=True, rename="camel"):
    """What a link permits: this tenant's packet may be downloaded before `expires_at`."""

    tenant_id: str
    packet_id: str
    issued_to: str
    """Who asked for the link, for the audit log."""
    expires_at: datetime
    nonce: str


def issue(secret: bytes, link: PacketLink) -> str:
    """The token that carries it, fit for a path or a query."""
    return signed_tokens.issue(secret, _PURPOSE, link)


def read(secret: bytes, token: str, now: datetime) -> PacketLink:
    """The link of a token that is genuine and not expired. Raises `LinkForged`, `LinkExpired`."""
    return signed_tokens.read(secret, _PURPOSE, token, PacketLink, now)
