"""Whose updates a Socket.IO client may see: the API's credentials decide."""

from typing import Any

import pytest

from api.access.authentication import identification
from api.access.errors import (
    CredentialExpired,
    CredentialInvalid,
    CredentialMissing,
    NotThisUser,
    RoleMissing,
    TooManyFailures,
)
from api.access.limits.failures import Failures
from api.sockets.admission import Admission
from blocks.settings import load_settings
from tests.support.api.credentials import ENVIRONMENT, a_service_token, a_token
from tests.support.factories import A_TENANT, ANOTHER_TENANT

BELIEVED = {"CLAIMS_TENANT": A_TENANT, "CLAIMS_TRUST_USER_OF_SOCKETS": "true"}
INTERNAL = {"state": {"internal": True}}


def admission(**environment: str) -> Admission:
    settings = load_settings({**ENVIRONMENT, **environment})
    identify = identification(settings.auth, None)  # type: ignore[arg-type] # no API keys here
    return Admission(identify, Failures(settings.auth.failures_per_minute), settings.claims)


def scope(**changes: Any) -> dict[str, Any]:
    return {"headers": [], "client": ("10.0.0.1", 1), "state": {}, **changes}


@pytest.mark.parametrize(
    "token",
    [
        a_token("viewer", user="ann"),
        a_token("operator", user="bob"),
        a_service_token("viewer"),
        a_service_token("act-for-users", "viewer"),
        "Bearer " + a_token("viewer", user="ann"),
    ],
)
async def test_these_follow_ann(token: str) -> None:
    admitted = await admission().admit(scope(), "ann", token)

    assert (A_TENANT, "ann") == (admitted.tenant_id, admitted.user_id)


async def test_the_tenant_is_the_credentials() -> None:
    token = a_token("viewer", user="ann", tenant_id=ANOTHER_TENANT)

    assert ANOTHER_TENANT == (await admission(**BELIEVED).admit(scope(), "ann", token)).tenant_id


@pytest.mark.parametrize(
    ("token", "error"),
    [
        (None, CredentialMissing),
        ("", CredentialMissing),
        ("nonsense", CredentialInvalid),
        ("no ⅔ text", CredentialInvalid),
        (a_token("viewer", user="ann", exp=1), CredentialExpired),
        (a_token("viewer", user="ann", secret="x" * 40), CredentialInvalid),
        (a_token("viewer", user="bob"), NotThisUser),
        (a_token("approver", user="bob"), NotThisUser),
    ],
)
async def test_these_follow_no_one(token: str | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        await admission().admit(scope(), "ann", token)


async def test_a_credential_without_the_role_of_a_viewer_follows_no_one() -> None:
    with pytest.raises(RoleMissing):
        await admission(AUTH_DEFAULT_ROLES="none").admit(scope(), "ann", a_service_token("other"))


async def test_on_the_internal_address_a_client_is_believed_only_with_the_switch() -> None:
    admitted = await admission(**BELIEVED).admit(scope(**INTERNAL), "ann", None)
    await admission(**BELIEVED).still(scope(**INTERNAL), admitted)

    assert (A_TENANT, "ann", None) == (admitted.tenant_id, admitted.user_id, admitted.token)
    with pytest.raises(CredentialMissing):
        await admission(CLAIMS_TENANT=A_TENANT).admit(scope(**INTERNAL), "ann", None)
    with pytest.raises(CredentialMissing):
        await admission(**BELIEVED).admit(scope(), "ann", None)
    with pytest.raises(CredentialMissing):
        await admission(**BELIEVED).admit({"headers": [], "client": None}, "ann", None)


async def test_guessing_is_slowed_down() -> None:
    door = admission(AUTH_FAILURES_PER_MINUTE="2")
    for _ in range(2):
        with pytest.raises(CredentialInvalid):
            await door.admit(scope(), "ann", "guess")

    with pytest.raises(TooManyFailures):
        await door.admit(scope(), "ann", "guess")
    assert await door.admit(scope(), "ann", a_token("viewer", user="ann"))
