"""`/login/{token}`: a login link begins one session.

Opening it uses nothing up: mail programs and chats open links by themselves. Its button does.
"""

from datetime import timedelta
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.params import PathParameter
from litestar.response import Redirect

from api.access.authentication import PUBLIC, address_of
from api.access.errors import CredentialExpired, CredentialInvalid, TooManyFailures
from api.access.limits.failures import Failures
from api.access.sessions import begin_session
from api.http.errors import answer_of
from api.http.records import AllSettings, Store
from api.pages.addresses import HOME
from api.pages.login.routes import FailureCount, act_of_key, login_form
from api.pages.rendering import page
from blocks.audit.recording import audited
from blocks.contracts.records import ApiKeyRecord
from blocks.ports import RecordStore
from blocks.security import api_keys, login_links

Token = Annotated[str, PathParameter()]


@get("/login/{token:str}", opt=PUBLIC)
async def show_login_link(
    request: Request[Any, Any, Any], token: Token, store: Store, failures: FailureCount
) -> Response[Any]:
    """Whom the link signs in, and the button that does; or the login, with the reason."""
    try:
        link = await _found(request, store, token, failures)
    except (CredentialInvalid, TooManyFailures) as error:
        return _refused(error)
    return page("login_link.html", link=link, token=token)


@post("/login/{token:str}", opt=PUBLIC)
async def log_in_by_link(
    request: Request[Any, Any, Any],
    token: Token,
    store: Store,
    settings: AllSettings,
    failures: FailureCount,
) -> Response[Any]:
    """The browser has a session, and the link is used up; the tenant's audit log has it."""
    lives = timedelta(hours=settings.pages.session_hours)
    try:
        link = await _found(request, store, token, failures)
        act = act_of_key(request, "key.create", link)
        async with audited(store, link.tenant, act) as recorded:
            key, _ = await login_links.use_link(recorded, token, lives=lives)
    except (CredentialInvalid, TooManyFailures) as error:
        return _refused(error)
    except (api_keys.NoSuchKey, api_keys.KeyExpired):  # since it was found
        return _refused(CredentialInvalid())
    begin_session(request, key, link.tenant, is_own=True)
    return Redirect(HOME, status_code=303)


async def _found(
    request: Request[Any, Any, Any], store: RecordStore, token: str, failures: Failures
) -> ApiKeyRecord:
    """Failures are counted, and are on the audit log, as those of other credentials.

    Raises `CredentialInvalid`, `TooManyFailures`.
    """
    address = address_of(request)
    try:
        if failures.are_too_many(address):
            raise CredentialInvalid("too many from this address were not valid")
        return await login_links.find_link(store, token)
    except CredentialInvalid as error:
        raise failures.counted(address, error) from None
    except api_keys.NoSuchKey as error:
        raise failures.counted(address, CredentialInvalid(str(error))) from None
    except api_keys.KeyExpired as error:
        raise failures.counted(address, CredentialExpired(str(error))) from None


def _refused(error: CredentialInvalid | TooManyFailures) -> Response[Any]:
    answer = answer_of(error)
    is_link = isinstance(error, CredentialInvalid)
    reason = "This link has been used, or its time is over" if is_link else answer.message
    return login_form(HOME, answer.status, reason)
