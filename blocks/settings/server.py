"""What the settings come to that name other machines and addresses: proxies in front of the API,
pages that call it, and the address for calls without a credential.
"""

import re
from ipaddress import ip_address, ip_network

from blocks.contracts.reading.uuids import canonical_uuid
from blocks.settings.auth import words
from blocks.settings.operations import Operations
from blocks.settings.sections import Claims, Note, Server, Settings

_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?")


def proxies_of(server: Server) -> tuple[str, ...]:
    """Addresses and networks whose `X-Forwarded-For` is trusted."""
    return words(server.trusted_proxies)


def origins_of(server: Server) -> tuple[str, ...]:
    """Origins of web pages that may call the API from a browser."""
    return words(server.allowed_origins)


def internal_address_of(section: Claims | Operations) -> tuple[str, int] | None:
    """Host and port on which calls without a credential are taken; None: nowhere. Raises
    `ValueError`.
    """
    if not section.internal_address:
        return None
    found = _ADDRESS.fullmatch(section.internal_address)
    if found is None or not 1 <= int(found[3]) <= 65_535:
        raise ValueError(section.internal_address)
    return found[1] or found[2], int(found[3])


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def internal_problem_of(settings: Settings) -> str | None:
    """What is wrong with the addresses for calls without a credential, and what to do, in one line;
    None if nothing is.
    """
    claims, operations = settings.claims, settings.operations
    if claims.tenant and canonical_uuid(claims.tenant) is None:
        return f"setting claims.tenant (CLAIMS_TENANT) is {claims.tenant!r}: use a tenant's UUID"
    for section, named, example in (
        (claims, _CLAIMS_ADDRESS, "127.0.0.1:3001"),
        (operations, _OPERATIONS_ADDRESS, "127.0.0.1:5003"),
    ):
        try:
            internal_address_of(section)
        except ValueError:
            return f"setting {named} is {section.internal_address!r}: use HOST:PORT, e.g. {example}"
    if claims.internal_address and not claims.tenant:
        return (
            f"setting {_CLAIMS_ADDRESS} is set, and claims.tenant "
            "(CLAIMS_TENANT) is empty: name the tenant whose the calls without a credential are"
        )
    return None


def internal_notes(settings: Settings) -> tuple[Note, ...]:
    """A warning for each address without a credential that other machines reach."""
    reached = (
        (settings.claims, _CLAIMS_ADDRESS, "triggers phases, payouts included"),
        (settings.operations, _OPERATIONS_ADDRESS, "starts and cancels operations"),
    )
    return tuple(
        Note(
            "warning",
            f"{named} is no loopback address: whoever reaches it {does}, without a credential",
        )
        for section, named, does in reached
        if (address := internal_address_of(section)) and not is_loopback(address[0])
    )


_CLAIMS_ADDRESS = "claims.internal_address (CLAIMS_INTERNAL_ADDRESS)"
_OPERATIONS_ADDRESS = "operations.internal_address (OPERATIONS_ADDRESS)"


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
