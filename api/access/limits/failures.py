"""Failed authentications, counted by client address: to slow down guessing, and for the audit log.

Past the limit, an address is answered 429 instead of the reason, and only API keys that were valid
before are looked up for it. A valid token, or a key in use, passes: behind an undeclared proxy all
callers share one address, and none of them may lock out the others.
"""

from collections.abc import Mapping
from ipaddress import IPv6Address, IPv6Network, ip_address

from api.access.errors import (
    CredentialExpired,
    CredentialInvalid,
    CredentialMissing,
    TenantMismatch,
    TenantMissing,
    TooManyFailures,
)
from api.access.limits.windows import Windows
from blocks.audit.failed_logins import FailedLogins

REASONS: Mapping[type[Exception], str] = {
    CredentialMissing: "missing",
    CredentialInvalid: "invalid",
    CredentialExpired: "expired",
    TenantMissing: "no tenant",
    TenantMismatch: "another tenant",
}
"""What an entry in the audit log calls each error for which a credential was not accepted: 401, and
403 for another tenant.
"""


class Failures:
    """Lives as long as the process, and counts for it."""

    def __init__(self, per_minute: int, logins: FailedLogins | None = None) -> None:
        self.logins = logins or FailedLogins()
        """For the audit log."""
        self._per_minute, self._windows = per_minute, Windows()

    def are_too_many(self, address: str) -> bool:
        return self._windows.counted(network_of(address)) >= self._per_minute

    def counted(self, address: str, error: Exception) -> Exception:
        """Counts the error if it is a failed authentication; returns the one for the caller."""
        reason = REASONS.get(type(error))
        if reason is None:
            return error
        network = network_of(address)
        self.logins.count(network, reason)
        if not isinstance(error, CredentialInvalid):
            return error
        if self.are_too_many(address):
            return TooManyFailures(self._windows.seconds_left(network))
        self._windows.count(network)
        return error


def network_of(address: str) -> str:
    """Whose failures are counted together: an IPv4 address, or the /64 network that one customer of
    an IPv6 provider has to itself.
    """
    try:
        known = ip_address(address)
    except ValueError:  # of a client on a Unix socket, or of a test
        return address
    if not isinstance(known, IPv6Address):
        return address
    return str(known.ipv4_mapped or IPv6Network((known, 64), strict=False))
