"""The settings of the digest; docs/operations/notification-digest.md."""

from collections.abc import Mapping

from blocks.contracts.reading.limits import TokenOrNone
from blocks.settings.operations.schedule import Scheduled


class NotificationDigest(Scheduled, frozen=True, kw_only=True):
    source_url: str
    """A service that has notifications for users; empty: there is none."""
    collects: str
    """Types of the events of the log that are notifications of users, separated by commas."""
    directory_url: str
    """Has the address of the user `{userId}`; empty: only names that are addresses have one."""
    admins: str
    """Who is notified for a tenant, as `TENANT=ADDRESS`, separated by commas; `*`: for the others.
    """
    token: TokenOrNone
    """Sent to these services as `Authorization: Bearer`; empty: none."""

    @property
    def event_types(self) -> tuple[str, ...]:
        """Of `collects`."""
        return tuple(word.strip() for word in self.collects.split(",") if word.strip())

    @property
    def admin_by_tenant(self) -> Mapping[str, str]:
        """The address of each tenant that is named, and under `*` that of the others."""
        pairs = (pair.partition("=") for pair in self.admins.split(",") if pair.strip())
        return {tenant.strip().lower(): address.strip() for tenant, _, address in pairs}

    def __repr__(self) -> str:
        return f"NotificationDigest(cron={self.cron!r}, source_url={self.source_url!r})"
