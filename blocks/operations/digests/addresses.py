"""Which address a user or a tenant's administrator has."""

import re

from blocks.contracts.reading.limits import EMAIL_PATTERN
from blocks.operations.http import Request, ServiceFailed, ask, filled
from blocks.operations.work import NotConfigured
from blocks.settings.operations import NotificationDigest

_ANY = "*"


def is_address(text: str) -> bool:
    return re.fullmatch(EMAIL_PATTERN, text) is not None


class Addresses:
    """Asks the directory once for each user; lives as long as one collection."""

    def __init__(self, settings: NotificationDigest) -> None:
        self._settings = settings
        self._admins = settings.admin_by_tenant
        self._known: dict[str, str] = {}
        self.missing: set[str] = set()
        """Users and tenants without an address."""

    async def of_user(self, user: str) -> str:
        """Empty if there is none. Raises `ServiceFailed` when the directory does not answer."""
        if is_address(user):
            return user.lower()
        if user not in self._known:
            self._known[user] = await self._in_directory(user)
        return self._or_missing(self._known[user], user)

    def of_admin(self, tenant_id: str) -> str:
        """Empty if there is none."""
        address = self._admins.get(tenant_id) or self._admins.get(_ANY, "")
        return self._or_missing(address, tenant_id)

    def _or_missing(self, address: str, whose: str) -> str:
        if not address:
            self.missing.add(whose)
        return address

    async def _in_directory(self, user: str) -> str:
        if not self._settings.directory_url:
            return ""
        try:
            url = filled(self._settings.directory_url, {"userId": user})
        except (NotConfigured, ServiceFailed):  # no directory can know this name
            return ""
        request = Request(service="the directory of users", url=url, token=self._settings.token)
        try:
            email = (await ask(request)).json_object.get("email")
        except ServiceFailed as failure:
            if failure.status == 404:
                return ""
            raise
        return email.lower() if isinstance(email, str) and is_address(email) else ""
