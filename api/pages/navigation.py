"""The places of the navigation, as far as a person's roles reach."""

import msgspec

from api.access.identity import Identity
from api.access.permissions import role_of
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.roles import allows


class Place(msgspec.Struct, frozen=True):
    """One entry of the navigation."""

    label: str
    path: str
    of_platform: bool = False
    """Whether it shows nothing to a tenant."""
    others: tuple[str, ...] = ()
    """Further paths that belong to it."""

    def holds(self, path: str) -> bool:
        """Whether a page of this path is one of the place."""
        below = () if self.path == "/" else (self.path, *self.others)
        return path == self.path or any(path == one or path.startswith(f"{one}/") for one in below)


PLACES = (
    Place("Overview", "/"),
    Place("Inbox", "/inbox", others=("/approvals",)),
    Place("Executions", "/executions"),
    Place("Claims", "/claims"),
    Place("Workflows", "/workflows", others=("/jobs",)),
    Place("Dead letters", "/dead-letters"),
    Place("Events", "/events", of_platform=True),
    Place("Settings", "/settings", others=("/audit",)),
)


def navigation(identity: Identity | None) -> list[Place]:
    """The places whose routes the identity may call. A place without a route shows to no one."""
    if identity is None:
        return []
    return [place for place in PLACES if _may(identity, place)]


def _may(identity: Identity, place: Place) -> bool:
    needed = role_of("GET", place.path)
    if place.of_platform and identity.tenant_id != SYSTEM_TENANT:
        return False
    return needed is not None and allows(identity.roles, needed)
