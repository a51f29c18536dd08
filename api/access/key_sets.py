"""The platform's public keys (a JWK set), from a file or over HTTPS, fetched when
they are needed.
"""

import asyncio
import logging
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import jwt
import msgspec

from blocks.ports import Unavailable
from blocks.settings.sections import without_query

logger = logging.getLogger(__name__)

FRESH_SECONDS = 600.0
"""After this the keys are fetched again: the longest a withdrawn key is trusted while they can be.
"""

BELIEVED_SECONDS = 3600.0
"""If the keys cannot be fetched, the last ones are trusted for so long."""

UNKNOWN_SECONDS = 10.0
"""At most one fetch per interval for unknown keys: anyone can send a token that names one."""

TIMEOUT_SECONDS = 5.0
BYTES_MAX = 256 * 1024


class KeySet:
    """The keys of one address (`https://…`) or file; only the one that a token names is ever tried
    on it.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._shown = without_query(source)
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def key(self, kid: str) -> jwt.PyJWK:
        """Raises `jwt.InvalidKeyError` for an unknown key, `Unavailable` when no
        keys can be had.
        """
        if not self._knows(kid, FRESH_SECONDS) and not (
            self._fetching.locked() and self._knows(kid, BELIEVED_SECONDS)
        ):
            async with self._fetching:  # who waited finds what the first one fetched
                if (
                    not self._knows(kid, FRESH_SECONDS)
                    and monotonic() - self._tried_at >= UNKNOWN_SECONDS
                ):
                    await self._fetch()
        if self._age() >= BELIEVED_SECONDS:
            raise Unavailable(f"the public keys at {self._shown} cannot be had")
        if kid not in self._keys:
            raise jwt.InvalidKeyError("the token names a key that is not in the key set")
        return self._keys[kid]

    def _knows(self, kid: str, age_max_seconds: float) -> bool:
        return kid in self._keys and self._age() < age_max_seconds

    def _age(self) -> float:
        return monotonic() - self._fetched_at

    async def _fetch(self) -> None:
        self._tried_at = monotonic()
        try:
            self._keys = usable_keys(await _read(self._source))
        except (OSError, httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            logger.warning(
                "The public keys at %s cannot be had: %s",
                self._shown,
                error or type(error).__name__,
            )
        else:
            self._fetched_at = monotonic()


class _JwkSet(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


def usable_keys(key_set: bytes) -> dict[str, jwt.PyJWK]:
    """The keys by their `kid`; what is no public key to check a signature with is passed over.

    Raises `ValueError` if this is no key set, or none of its keys can be used.
    """
    try:
        stated = msgspec.json.decode(key_set, type=_JwkSet).keys
    except msgspec.DecodeError as error:
        raise ValueError(f"this is no JWK set: {error}") from None
    usable = {kid: key for one in stated if (key := _usable(one)) and (kid := key.key_id)}
    if not usable:
        raise ValueError("no key of the set can be used: a key has a kid, and is public")
    return usable


def _usable(stated: dict[str, Any]) -> jwt.PyJWK | None:
    if (
        stated.get("kty") == "oct"
        or stated.get("use") == "enc"
        or not isinstance(stated.get("kid"), str)
    ):
        return None
    try:
        return jwt.PyJWK(stated)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None


async def _read(source: str) -> bytes:
    if not source.startswith(("https://", "http://")):
        return await asyncio.to_thread(Path(source).read_bytes)
    async with httpx.AsyncClient(
        timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False
    ) as client:
        answer = await client.get(source)
        if not answer.is_success:
            raise ValueError(f"status {answer.status_code}")  # httpx would show the query
        if len(answer.content) > BYTES_MAX:
            raise ValueError(f"more than {BYTES_MAX:,} bytes")
        return answer.content
