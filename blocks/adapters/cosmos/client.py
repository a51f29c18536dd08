"""The Azure SDK's client as configured here: bounded retries, and strict certificate checks."""

import ssl
from pathlib import Path
from typing import Any

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.cosmos.aio import CosmosClient

from blocks.adapters.cosmos import call_time

_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 10


def cosmos_client(
    endpoint: str, credential: str | AsyncTokenCredential, ca_file: str | None
) -> CosmosClient:
    """A client that is not yet connected; `credential` is the account's key, or that of an
    identity. With `ca_file` it trusts that authority and no other.
    """
    timeouts: dict[str, Any] = {
        "connection_timeout": _CONNECT_SECONDS,
        "read_timeout": _ANSWER_SECONDS,
        "retry_throttle_backoff_max": call_time.THROTTLED_SECONDS,
        "raw_response_hook": call_time.look_at,
    }
    if ca_file is None:
        return CosmosClient(endpoint, credential, **timeouts)
    return CosmosClient(endpoint, credential, transport=_VerifyingTransport(ca_file), **timeouts)


def identity_of_this_machine() -> AsyncTokenCredential:
    """What Azure lets this process be: a workload's or a virtual machine's managed identity, or
    whom `AZURE_CLIENT_ID` and the like name. Asks for no token yet.
    """
    # Imported where it is used: it takes longer than the rest, and most accounts have a key.
    from azure.identity.aio import DefaultAzureCredential

    return DefaultAzureCredential()


class _VerifyingTransport(AioHttpTransport):  # type: ignore[misc]  # exported lazily, so mypy sees Any
    """Verifies every server against one CA file.

    The SDK's own way, `connection_verify`, does not: it drops a path (azure-cosmos 4.17.1,
    `_build_connection_policy`) and never verifies localhost. Handed on per request it would cost a
    TLS handshake each, as aiohttp reuses a connection for the same SSL context object only.
    """

    def __init__(self, ca_file: str) -> None:
        context = ssl.create_default_context(cadata=Path(ca_file).read_text())
        super().__init__(
            session=aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # azure-core decompresses
                trust_env=True,
            )
        )

    async def send(self, request: Any, **config: Any) -> Any:
        config["connection_verify"] = True  # means: as the session does
        return await super().send(request, **config)
