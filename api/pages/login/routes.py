"""`/login`, `/logout`: a session begins with a credential that the API accepts, and ends."""

from contextlib import suppress
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import Headers
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from litestar.response import Redirect

from api.access.authentication import PUBLIC, Identify, address_of
from api.access.errors import CredentialInvalid, TooManyFailures
from api.access.identity import Identity
from api.access.limits.failures import Failures
from api.access.sessions import Login, begin_session, end_session
from api.http.errors import answer_of
from api.http.records import Store
from api.pages.addresses import HOME, own_path
from api.pages.forms import Form, form_in
from api.pages.rendering import page
from blocks.audit.recording import audited
from blocks.contracts.identities import KEY
from blocks.contracts.records import ApiKeyRecord
from blocks.contracts.records.audit import Act
from blocks.ports import NotFound, RecordStore, Unavailable
from blocks.security import api_keys

Identifying = SkipValidation[NamedDependency[Identify]]
FailureCount = SkipValidation[NamedDependency[Failures]]

_CREDENTIAL_LENGTH_MAX = 3_000
"""Browsers keep 4 KB of a cookie; Litestar splits what is longer, and proxies bound the sum."""


class LoginForm(Form, frozen=True, kw_only=True):
    """What a person signs in with, and where to go then."""

    credential: Annotated[str, msgspec.Meta(max_length=_CREDENTIAL_LENGTH_MAX)] = ""
    next: str = HOME


@get("/login", opt=PUBLIC)
async def show_login(request: Request[Any, Any, Any]) -> Response[Any]:
    """The form; it leads back to the page that asked for it."""
    return login_form(request.query_params.get("next"))


@post("/login", opt=PUBLIC)
async def log_in(
    request: Request[Any, Any, Any], identify: Identifying, failures: FailureCount
) -> Response[Any]:
    """The browser has a session; or the form again, with the reason."""
    form = await form_in(request, LoginForm)
    try:
        identity = await identified(request, form.credential, identify, failures)
    except (CredentialInvalid, TooManyFailures) as error:
        return login_form(form.next, answer_of(error).status, answer_of(error).message)
    begin_session(request, form.credential, identity.tenant_id)
    return Redirect(own_path(form.next), status_code=303)


@post("/logout", opt=PUBLIC)
async def log_out(request: Request[Any, Any, Any], store: Store) -> Response[Any]:
    """The browser has no session any more; nor has a copy of its cookie, if a link began it."""
    login = end_session(request)
    if login and login.is_own:
        with suppress(api_keys.NoSuchKey, api_keys.KeyExpired, NotFound, Unavailable):
            await _end_key(request, store, login)
    return Redirect("/login", status_code=303)


async def _end_key(request: Request[Any, Any, Any], store: RecordStore, login: Login) -> None:
    key = (await api_keys.find_key(store, login.credential)).record
    async with audited(store, key.tenant, act_of_key(request, "key.revoke", key)) as recorded:
        await api_keys.revoke_key(recorded, key.tenant, key.prefix)


def act_of_key(request: Request[Any, Any, Any], action: str, key: ApiKeyRecord) -> Act:
    """What the holder of a login link does to its key."""
    return Act(
        action=action,
        actor=KEY + key.name,
        credential="link",
        roles=list(key.roles),
        channel="page",
        request_id=request.scope["state"].get("request_id"),
        target=key.id,
    )


async def identified(
    request: Request[Any, Any, Any], credential: str, identify: Identify, failures: Failures
) -> Identity:
    """Whose credential it is; failures are counted, and are on the audit log, as the API's are.

    Raises `CredentialInvalid`, `TooManyFailures`.
    """
    address = address_of(request)
    try:
        return await identify(
            Headers({"Authorization": f"Bearer {credential or '-'}"}),
            failures.are_too_many(address),
        )
    except Exception as error:
        raise failures.counted(address, error) from None


def login_form(back_to: str | None, status: int = 200, problem: str = "") -> Response[Any]:
    """The form, with the reason why the last attempt failed."""
    return page("login.html", status, next=own_path(back_to), problem=problem)
