"""`/login/{token}`: the one-time link that `orchestrator up` prints. Opening it shows a button, so
that whatever looks at links ahead of a person does not use it up.
"""

from pathlib import Path
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.params import PathParameter
from litestar.response import Redirect

from api.access.authentication import PUBLIC, address_of
from api.access.errors import CredentialInvalid
from api.access.sessions import begin_session
from api.http.records import AllSettings
from api.pages.addresses import HOME
from api.pages.login.routes import FailureCount, Identifying, identified
from api.pages.rendering import page
from blocks.security.login_links import redeem_login

Token = Annotated[str, PathParameter(name="token", max_length=100)]


@get("/login/{token:str}", opt=PUBLIC)
async def show_login_link(token: Token) -> Response[Any]:
    return page("login_link.html", token=token, problem="")


@post("/login/{token:str}", opt=PUBLIC)
async def log_in_by_link(
    request: Request[Any, Any, Any],
    settings: AllSettings,
    identify: Identifying,
    failures: FailureCount,
    token: Token,
) -> Response[Any]:
    """The browser has a session, once; a wrong token is counted as a wrong credential is."""
    credential = redeem_login(Path(settings.data_dir), token)
    if credential is None:
        failures.counted(address_of(request), CredentialInvalid("no such login link"))
        return page("login_link.html", 401, token=token, problem="used")
    identity = await identified(request, credential, identify, failures)
    begin_session(request, credential, identity.tenant_id)
    return Redirect(HOME, status_code=303)
