"""The platform's public keys (a JWK set), from a file or over HTTPS, fetched when they are needed."""

import asyncio
import logging
from pathlib import Path
from time import monotonic

import httpx
import jwt

from blocks.ports import Unavailable

logger = logging.getLogger(__name__)

FRESH_SECONDS = 600.0
"""A key that was withdrawn is not believed for longer."""

UNKNOWN_SECONDS = 10.0
"""A token that names an unknown key makes us look again, but not more often than this: anybody can send one."""

TIMEOUT_SECONDS = 5.0
BYTES_MAX = 256 * 1024


class KeySet:
    """The keys of one address (`https://…`) or file; only the one that a token names is ever tried on it."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def key(self, kid: str) -> jwt.PyJWK:
        """Raises `jwt.InvalidKeyError` for an unknown key, `Unavailable` when no keys can be had."""
        if not self._knows(kid):
            async with self._fetching:  # who waited finds what the first one fetched
                if not self._knows(kid) and monotonic() - self._tried_at >= UNKNOWN_SECONDS:
                    await self._fetch()
        if not self._is_fresh():
            raise Unavailable(f"the public keys at {self._source} cannot be had")
        if kid not in self._keys:
            raise jwt.InvalidKeyError("the token names a key that is not in the key set")
        return self._keys[kid]

    def _knows(self, kid: str) -> bool:
        return kid in self._keys and self._is_fresh()

    def _is_fresh(self) -> bool:
        return monotonic() - self._fetched_at < FRESH_SECONDS

    async def _fetch(self) -> None:
        self._tried_at = monotonic()
        try:
            found = jwt.PyJWKSet.from_json(await _read(self._source))
        except (OSError, httpx.HTTPError, ValueError, AttributeError, jwt.PyJWTError) as error:
            logger.warning("The public keys at %s cannot be had: %s", self._source, error or type(error).__name__)
            return
        self._keys = {key.key_id: key for key in found if key.key_id and key.public_key_use != "enc"}
        self._fetched_at = monotonic()


async def _read(source: str) -> str:
    if not source.startswith(("https://", "http://")):
        return await asyncio.to_thread(Path(source).read_text)
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as client:
        answer = await client.get(source)
        answer.raise_for_status()
        if len(answer.content) > BYTES_MAX:
            raise ValueError(f"more than {BYTES_MAX:,} bytes")
        return answer.text
