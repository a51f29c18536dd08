"""Prefect's server in our process: what we patch and override of it."""

import prefect.server.api.server
from starlette.types import ASGIApp

from blocks.prefect_internals.member import Member

IN_MEMORY = "prefect-in-memory"
"""The host to which the actions of automations address their requests.

Assumed: they call the server's own application in memory, so that the ASGI scope has this name as
the server, where a request from a socket has an address.
"""


def use_middleware_in_place_of_cors(middleware: type[ASGIApp]) -> None:
    """The applications that Prefect makes from now on have this outermost but one, called as its
    CORS is.

    Assumed: `create_app` adds the class `CORSMiddleware` that its module imported, and looks it up
    there at each call. Prefect has no setting that adds a middleware.
    """
    vars(prefect.server.api.server)["CORSMiddleware"] = middleware


SQLITE_MEMBERS = (
    Member(
        "begin_transaction",
        "opens each transaction of Prefect's own code; with_for_update=True begins it IMMEDIATE. "
        "There is no setting for how transactions begin",
        parameters="(self, session, with_for_update=False)",
    ),
)
"""Of `AioSqliteConfiguration`; `deployments/prefect/embedded.py` overrides it."""
