"""In whose name a request is made, where a route must know."""

from typing import Annotated, Any

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from api.access.identity import ROLES_HEADER, USER_HEADER, Actor, acting
from api.http.parameters import header

Caller = SkipValidation[NamedDependency[Actor]]
"""The user who makes the request, as a route's argument."""

_PRINTABLE_ASCII = "^[ -~]*$"

UserHeader = Annotated[
    str | None,
    header(
        USER_HEADER,
        "The user for whom the request is made, if the credential is a service's or a key's that "
        "acts for users. A user's own token names its user already: leave it empty.",
        pattern=_PRINTABLE_ASCII,
    ),
]

RolesHeader = Annotated[
    str | None,
    header(
        ROLES_HEADER,
        "That user's roles, separated by commas.",
        max_length=4000,
        pattern=_PRINTABLE_ASCII,
    ),
]


async def provide_actor(
    request: Request[Any, Any, Any], x_user_id: UserHeader = None, x_user_roles: RolesHeader = None
) -> Actor:
    """Raises `NotThisUser` when a header names another user than the credential, `InvalidRequest`
    when two do.
    """
    return acting(request.user, request.headers)
