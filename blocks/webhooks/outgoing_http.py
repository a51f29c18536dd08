"""HTTP to destinations that tenants name, guarded against server-side request forgery.

A destination is https on the public internet, or a host that the operator has allowed. What a name
resolves to is checked as the connection is made, and connected to by the addresses that were
checked, so DNS rebinding gains nothing. No redirect is followed, no proxy of the environment is
used, and only the status and the delay it demands are taken of an answer: its body is not read.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

import httpcore
import msgspec

from blocks.clock import utc_now
from blocks.processes.ending import closing
from blocks.webhooks.retry_after import retry_after_seconds

URL_LENGTH_MAX = 2000

# printable ASCII without blanks and the backslash, which browsers read as a slash
_URL = re.compile(r"[!-\[\]-~]+")
_PORTS = {"https": 443, "http": 80}
_ASK_TO_WAIT = (429, 503)

# Neither public nor, for Python 3.11, anything else: 6to4 relays, IETF protocol assignments, and
# the one public address at which a cloud (Azure) answers its own machines.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(block) for block in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")
)
_PUBLIC_V6 = ipaddress.ip_network("2000::/3")
# Addresses of IPv4 in IPv6's clothes: Teredo and 6to4. Translated ones (64:ff9b::/96) lie outside
# 2000::/3.
_TUNNELS = tuple(ipaddress.ip_network(block) for block in ("2001::/32", "2002::/16"))

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host; raises `OSError` if it has none."""


class DestinationRefused(Exception):
    """Sending there is refused; the message omits the path, which may hold a secret."""


class NoAnswer(Exception):
    """The destination could not be reached, or did not answer in time."""


class Answered(msgspec.Struct, frozen=True):
    """What the destination answered, and the delay it demands."""

    status: int
    retry_after_seconds: float | None = None
    """Of a 429 or 503 only, at most a day."""


class HostRules(msgspec.Struct, frozen=True):
    """Which destinations are exempt from the rules: hosts (`mail.internal`), or hosts at a port
    (`10.0.0.5:8080`).
    """

    allowed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, setting: str) -> "HostRules":
        """From the setting `webhooks.allowed_hosts`: names separated by commas."""
        return cls(frozenset(name.strip().lower() for name in setting.split(",") if name.strip()))

    def exempt(self, host: str, port: int) -> bool:
        shown = f"[{host}]" if ":" in host else host
        return not self.allowed.isdisjoint((shown, f"{shown}:{port}"))

    def check(self, url: str) -> SplitResult:
        """The parts of a URL that may be sent to, as far as is known without resolving its host.

        Raises `DestinationRefused`.
        """
        parts = _parts(url)
        host, port = _host(parts), port_of(parts)
        if self.exempt(host, port):
            return parts
        if parts.scheme != "https":
            raise DestinationRefused(f"{host} is not reached by https")
        if _is_address(host) and not is_public(host):
            raise DestinationRefused(f"{host} is not a public address")
        return parts


class OutgoingHttp:
    """Sends requests one by one, each on a connection of its own, while its context lasts."""

    def __init__(
        self,
        rules: HostRules,
        *,
        timeout_seconds: float,
        resolve: Resolve | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._rules = rules
        self._timeout_seconds = timeout_seconds
        backend = _CheckedConnections(rules, resolve or resolve_by_system)
        self._pool = httpcore.AsyncConnectionPool(
            trust, max_connections=None, max_keepalive_connections=0, network_backend=backend
        )

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        async with closing("the connections to webhooks"):
            await self._pool.__aexit__(kind, error, trace)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        """The response, of any status. Raises `DestinationRefused`, `NoAnswer`."""
        parts = self._rules.check(url)
        sent = {"Host": parts.netloc, "Content-Length": str(len(body)), **headers}
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._pool.stream(
                    "POST", url, headers=list(sent.items()), content=body
                ) as response,
            ):
                return _answered(response)
        except TimeoutError:
            raise NoAnswer(
                f"{parts.hostname} did not answer within {self._timeout_seconds:g} s"
            ) from None
        except (
            OSError,
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.TimeoutException,
        ) as error:
            raise NoAnswer(
                f"{parts.hostname} cannot be reached: {error or type(error).__name__}"
            ) from None


def _answered(response: httpcore.Response) -> Answered:
    if response.status not in _ASK_TO_WAIT:
        return Answered(response.status)
    asked = next(
        (
            value.decode("latin-1")
            for name, value in response.headers
            if name.lower() == b"retry-after"
        ),
        None,
    )
    return Answered(response.status, retry_after_seconds(asked, utc_now()))


class _CheckedConnections(httpcore.AsyncNetworkBackend):
    """Connects to public addresses only, exempt hosts aside. TLS still verifies the host's name,
    not the address.
    """

    def __init__(self, rules: HostRules, resolve: Resolve) -> None:
        self._rules = rules
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._resolve(host, port)
        inside = [address for address in addresses if not is_public(address)]
        if inside and not self._rules.exempt(host, port):
            raise DestinationRefused(f"{host} leads to {inside[0]}, which is not a public address")
        failure: Exception = OSError("it has no address")
        for address in addresses:
            try:
                return await self._network.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


def is_public(address: str) -> bool:
    """True for an address on the public internet; false for all that machines use
    among themselves.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        return ip in _PUBLIC_V6 and ip.is_global and not any(ip in block for block in _TUNNELS)
    return ip.is_global and not ip.is_multicast and not any(ip in block for block in _NOT_PUBLIC)


def port_of(parts: SplitResult) -> int:
    return parts.port or _PORTS[parts.scheme]


async def resolve_by_system(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _parts(url: str) -> SplitResult:
    if len(url) > URL_LENGTH_MAX or not _URL.fullmatch(url):
        raise DestinationRefused(f"a URL is 1 to {URL_LENGTH_MAX} printable ASCII characters")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises for what is no port
    except ValueError:
        raise DestinationRefused("this is no URL") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise DestinationRefused("a URL begins with https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise DestinationRefused("a URL must not hold a user or a password")
    if "#" in url:
        raise DestinationRefused("a URL must not hold a fragment")
    return parts


def _host(parts: SplitResult) -> str:
    assert parts.hostname, "checked before"
    return parts.hostname


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
