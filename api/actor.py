"""Who makes this request, where a route must know: the one place that looks.

Like the tenant, the headers are trusted: the API does not authenticate yet. A gateway must set `X-User-ID` and
`X-User-Roles` and remove what the client sent.
"""

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, SkipValidation

from api.errors import ActorMissing, InvalidRequest, Problem

USER_HEADER = "X-User-ID"
ROLES_HEADER = "X-User-Roles"


class Actor(msgspec.Struct, frozen=True):
    """A user of the tenant; `id` is empty if the gateway named none."""

    id: str
    roles: frozenset[str]

    @property
    def named(self) -> str:
        """Raises `ActorMissing`."""
        if not self.id:
            raise ActorMissing
        return self.id


Caller = SkipValidation[NamedDependency[Actor]]
"""The user who makes the request, as a route's argument."""

UserHeader = Annotated[
    str | None,
    HeaderParameter(
        name=USER_HEADER,
        description="The user who acts. Set by the gateway.",
        max_length=200,
        schema_extra={"one_of": None, "type": "string"},
    ),
]

RolesHeader = Annotated[
    str | None,
    HeaderParameter(
        name=ROLES_HEADER,
        description="The user's roles, separated by commas. Set by the gateway.",
        max_length=4000,
        schema_extra={"one_of": None, "type": "string"},
    ),
]


async def provide_actor(
    request: Request[Any, Any, Any], x_user_id: UserHeader = None, x_user_roles: RolesHeader = None
) -> Actor:
    """Raises `InvalidRequest` when two headers name a user each."""
    for name in (USER_HEADER, ROLES_HEADER):
        if len(request.headers.getall(name, [])) > 1:
            raise InvalidRequest(Problem(field=name, message="must be given once", source="header"))
    roles = frozenset(role.strip() for role in (x_user_roles or "").split(",") if role.strip())
    return Actor((x_user_id or "").strip(), roles)
