"""What a caller of the API may do: four roles, and which of them include which."""

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

Role = Literal["viewer", "operator", "approver", "admin"]

ROLES: tuple[Role, ...] = get_args(Role)

INCLUDED: Mapping[str, frozenset[Role]] = {
    "viewer": frozenset({"viewer"}),
    "operator": frozenset({"viewer", "operator"}),
    # An operator of the system does not by that alone decide what is asked of people.
    "approver": frozenset({"viewer", "approver"}),
    "admin": frozenset({"viewer", "operator", "admin"}),
}
"""viewer: read · operator: start, cancel, trigger · approver: decide · admin: webhooks,
definitions, keys.
"""


def allows(roles: Iterable[str], needed: Role) -> bool:
    """Whether one of these roles is the one that is needed, or includes it; other words count for
    nothing here.
    """
    return any(needed in INCLUDED.get(role, ()) for role in roles)


def with_default(roles: frozenset[str], default: frozenset[str]) -> frozenset[str]:
    """These roles, and the default ones where none of ours is among them."""
    return roles if not roles.isdisjoint(ROLES) else roles | default
