"""Links that carry their own permission: signed, for one recipient, valid until a moment; pure.

A token states who may decide which approval how, and until when; making or changing one needs the
secret. It cannot know whether it was used: the caller records its nonce with the decision, and
refuses one it has seen.

    v1.<claims: base64url of JSON>.<HMAC-SHA256 of all before it, base64url>
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime

import msgspec

from blocks.contracts.reading.normalised import Normalised

SECRET_LENGTH_MIN = 32

_VERSION = "v1"
_PURPOSE = b"approval-link\n"
"""Signed with the token, so that no signature made with this secret for another end passes for a
link's.
"""


class LinksDisabled(Exception):
    """There is no secret to sign links with."""


class LinkForged(Exception):
    """This is no token of ours, or it was changed."""


class LinkExpired(Exception):
    """The token was ours, and its time is over."""


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


def secret_of(setting: str) -> bytes:
    """The secret that the setting `approvals.link_secret` holds. Raises `LinksDisabled` if it is
    empty.
    """
    if not setting:
        raise LinksDisabled(
            "links are disabled: set approvals.link_secret (APPROVAL_LINK_SECRET) to "
            f"{SECRET_LENGTH_MIN} or more random characters"
        )
    return setting.encode()


def new_nonce() -> str:
    """Identifies this link."""
    return secrets.token_urlsafe(16)


def issue(secret: bytes, claims: LinkClaims) -> str:
    """The token that carries these claims, fit for a path or a query."""
    signed = f"{_VERSION}.{_encoded(msgspec.json.encode(claims))}"
    return f"{signed}.{_signature(secret, signed)}"


def read(secret: bytes, token: str, now: datetime) -> LinkClaims:
    """The claims of a token that is genuine and not expired. Raises `LinkForged`, `LinkExpired`."""
    signed, _, signature = token.rpartition(".")
    # Texts are compared, not decoded bytes: base64 can spell the same bytes in several ways, and
    # one link is one text.
    if not hmac.compare_digest(
        _signature(secret, signed).encode(), signature.encode(errors="replace")
    ):
        raise LinkForged("the link is not genuine")
    version, _, claims = signed.partition(".")
    if version != _VERSION:
        raise LinkForged("the link is of an unknown version")
    opened = msgspec.json.decode(
        urlsafe_b64decode(claims + "=" * (-len(claims) % 4)), type=LinkClaims
    )
    if now >= opened.expires_at:
        raise LinkExpired(f"the link expired at {opened.expires_at.isoformat()}")
    return opened


def _signature(secret: bytes, signed: str) -> str:
    return _encoded(hmac.digest(secret, _PURPOSE + signed.encode(errors="replace"), "sha256"))


def _encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
