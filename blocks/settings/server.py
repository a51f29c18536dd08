"""What the settings of `server` come to that name other machines: proxies in front of the API,
pages that call it.
"""

import re
from ipaddress import ip_network

from blocks.settings.auth import words
from blocks.settings.sections import Server

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?")


def proxies_of(server: Server) -> tuple[str, ...]:
    """Addresses and networks whose `X-Forwarded-For` is trusted."""
    return words(server.trusted_proxies)


def origins_of(server: Server) -> tuple[str, ...]:
    """Origins of web pages that may call the API from a browser."""
    return words(server.allowed_origins)


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
