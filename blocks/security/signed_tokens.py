"""Tokens that carry what they permit: signed for one purpose, valid until a moment; pure.

Making or changing one needs the secret. A token is good for its own purpose alone: no signature
made with the same secret for another end passes.

    v1.<claims: base64url of JSON>.<HMAC-SHA256 of purpose and all before it, base64url>
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec

SECRET_LENGTH_MIN = 32

_VERSION = "v1"


class LinksDisabled(Exception):
    """There is no secret to sign links with."""


class LinkForged(Exception):
    """This is no token of ours, or it was changed."""


class LinkExpired(Exception):
    """The token was ours, and its time is over."""


class Expiring(Protocol):
    """What tokens carry: a msgspec Struct."""

    @property
    def expires_at(self) -> datetime: ...


C = TypeVar("C", bound=Expiring)


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


def issue(secret: bytes, purpose: bytes, claims: Expiring) -> str:
    """The token that carries these claims, fit for a path or a query."""
    signed = f"{_VERSION}.{_encoded(msgspec.json.encode(claims))}"
    return f"{signed}.{_signature(secret, purpose, signed)}"


def read(secret: bytes, purpose: bytes, token: str, kind: type[C], now: datetime) -> C:
    """The claims of a token that is genuine and not expired. Raises `LinkForged`, `LinkExpired`."""
    signed, _, signature = token.rpartition(".")
    # Texts are compared, not decoded bytes: base64 can spell the same bytes in several ways, and
    # one link is one text.
    if not hmac.compare_digest(
        _signature(secret, purpose, signed).encode(), signature.encode(errors="replace")
    ):
        raise LinkForged("the link is not genuine")
    version, _, claims = signed.partition(".")
    if version != _VERSION:
        raise LinkForged("the link is of an unknown version")
    opened = msgspec.json.decode(urlsafe_b64decode(claims + "=" * (-len(claims) % 4)), type=kind)
    if now >= opened.expires_at:
        raise LinkExpired(f"the link expired at {opened.expires_at.isoformat()}")
    return opened


def _signature(secret: bytes, purpose: bytes, signed: str) -> str:
    return _encoded(hmac.digest(secret, purpose + signed.encode(errors="replace"), "sha256"))


def _encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
