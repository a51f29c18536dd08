"""Links that let their recipient decide an approval: signed, valid until a moment; pure.

A token states who may decide which approval how, and until when. It cannot know whether it was
used: the caller records its nonce with the decision, and refuses one it has seen.
"""

from datetime import datetime

from blocks.contracts.reading.normalised import Normalised
from blocks.security import signed_tokens
from blocks.security.signed_tokens import (
    SECRET_LENGTH_MIN,
    LinkExpired,
    LinkForged,
    LinksDisabled,
    new_nonce,
    secret_of,
)

__all__ = [
    "SECRET_LENGTH_MIN",
    "LinkClaims",
    "LinkExpired",
    "LinkForged",
    "LinksDisabled",
    "issue",
    "new_nonce",
    "read",
    "secret_of",
]

_PURPOSE = b"approval-link\n"


class LinkClaims(Normalised, frozen=True, kw_only=True, rename="camel"):
    """What a link permits: its recipient, one of these outcomes of this approval, once, before
    `expires_at`.
    """

    approval_id: str
    tenant_id: str
    recipient: str
    outcomes: tuple[str, ...]
    expires_at: datetime
    nonce: str


def issue(secret: bytes, claims: LinkClaims) -> str:
    """The token that carries these claims, fit for a path or a query."""
    return signed_tokens.issue(secret, _PURPOSE, claims)


def read(secret: bytes, token: str, now: datetime) -> LinkClaims:
    """The claims of a token that is genuine and not expired. Raises `LinkForged`, `LinkExpired`."""
    return signed_tokens.read(secret, _PURPOSE, token, LinkClaims, now)
