"""In whose name a request is made, where a route must know."""

from typing import Annotated, Any

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, SkipValidation

from api.identity import ROLES_HEADER, USER_HEADER, Actor, acting

Caller = SkipValidation[NamedDependency[Actor]]
"""The user who makes the request, as a route's argument."""

UserHeader = Annotated[
    str | None,
    HeaderParameter(
        name=USER_HEADER,
        description="The user in whose name a service acts that may; of a user's own token, the same user.",
        max_length=200,
        schema_extra={"one_of": None, "type": "string"},
    ),
]

RolesHeader = Annotated[
    str | None,
    HeaderParameter(
        name=ROLES_HEADER,
        description="That user's roles, separated by commas.",
        max_length=4000,
        schema_extra={"one_of": None, "type": "string"},
    ),
]


async def provide_actor(
    request: Request[Any, Any, Any], x_user_id: UserHeader = None, x_user_roles: RolesHeader = None
) -> Actor:
    """Raises `NotThisUser` when a header names another user than the credential, `InvalidRequest` when two do."""
    return acting(request.user, request.headers)
