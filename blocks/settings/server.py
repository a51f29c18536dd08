"""What the settings come to that name other machines and addresses: proxies in front of the API,
pages that call it, and the address for calls without a credential.
"""

import re
from ipaddress import ip_address, ip_network

from blocks.contracts.reading.uuids import canonical_uuid
from blocks.settings.auth import words
from blocks.settings.sections import Claims, Note, Server

_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?")


def proxies_of(server: Server) -> tuple[str, ...]:
    """Addresses and networks whose `X-Forwarded-For` is trusted."""
    return words(server.trusted_proxies)


def origins_of(server: Server) -> tuple[str, ...]:
    """Origins of web pages that may call the API from a browser."""
    return words(server.allowed_origins)


def internal_address_of(claims: Claims) -> tuple[str, int] | None:
    """Host and port on which calls without a credential are taken; None: nowhere."""
    if not claims.internal_address:
        return None
    found = _ADDRESS.fullmatch(claims.internal_address)
    if found is None or not 1 <= int(found[3]) <= 65_535:
        raise ValueError(claims.internal_address)
    return found[1] or found[2], int(found[3])


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def claims_problem_of(claims: Claims) -> str | None:
    """What is wrong and what to do, in one line; None if nothing is."""
    if claims.tenant and canonical_uuid(claims.tenant) is None:
        return f"setting claims.tenant (CLAIMS_TENANT) is {claims.tenant!r}: use a tenant's UUID"
    try:
        address = internal_address_of(claims)
    except ValueError:
        return (
            f"setting claims.internal_address (CLAIMS_INTERNAL_ADDRESS) is "
            f"{claims.internal_address!r}: use HOST:PORT, e.g. 127.0.0.1:3001"
        )
    if address and not claims.tenant:
        return (
            "setting claims.internal_address (CLAIMS_INTERNAL_ADDRESS) is set, and claims.tenant "
            "(CLAIMS_TENANT) is empty: name the tenant whose the calls without a credential are"
        )
    return None


def claims_notes(claims: Claims) -> tuple[Note, ...]:
    """A warning while other machines reach the address that asks for no credential."""
    address = internal_address_of(claims)
    if address is None or is_loopback(address[0]):
        return ()
    text = (
        "claims.internal_address (CLAIMS_INTERNAL_ADDRESS) is no loopback address: whoever reaches "
        "it triggers phases, payouts included, without a credential"
    )
    return (Note("warning", text),)


def problem_of(server: Server) -> str | None:
    """What is wrong and what to do, in one line; None if nothing is."""
    for proxy in proxies_of(server):
        try:
            ip_network(proxy)
        except ValueError as error:
            return f"setting server.trusted_proxies (TRUSTED_PROXIES) has {proxy!r}: {error}"
    for origin in origins_of(server):
        if not _ORIGIN.fullmatch(origin):
            return (
                f"setting server.allowed_origins (ALLOWED_ORIGINS) has {origin!r}: use the scheme "
                "and host of a page, as https://app.customer.example, in lower case and with "
                "nothing behind; there are no wildcards"
            )
    return None
