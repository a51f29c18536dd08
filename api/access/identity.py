"""Who a request comes from, as its credential proves it, and in whose name it acts."""

from typing import Any

import msgspec
from litestar.connection import ASGIConnection
from litestar.datastructures import Headers

from api.access.errors import ActorMissing, NotThisUser
from api.http.errors import InvalidRequest, Problem
from blocks.contracts.identities import NoIdentity, spelled, user_id
from blocks.contracts.records.audit import Credential

USER_HEADER = "X-User-ID"
ROLES_HEADER = "X-User-Roles"
NAME_LENGTH_MAX = 200

Connection = ASGIConnection[Any, Any, Any, Any]


class Identity(msgspec.Struct, frozen=True):
    """A user of a tenant, or a service that works for it."""

    tenant_id: str
    id: str
    """The user, or the service; empty if a gateway named none."""
    roles: frozenset[str]
    """Ours (`blocks.contracts.roles`) and any others: approvals may be reserved for whoever has
    those.
    """
    acts_for_users: bool = False
    """A service that may name the user on whose behalf it makes a request."""
    credential: Credential = "user-token"
    other_names: frozenset[str] = frozenset()
    """Of the same user, as the token proves them."""
    trusts_body: bool = False
    """While it names no user, the one whom a body names counts as authenticated."""


class Actor(msgspec.Struct, frozen=True):
    """On whose behalf a request is made; `id` is empty if a service acting for users named none."""

    id: str
    roles: frozenset[str]
    service: str = ""
    """The service that makes the request for a user; what it states about users is trusted."""
    is_unnamed: bool = False
    """A gateway let the request in and named no user: the body names it, as the platform's clients
    do.
    """
    other_names: frozenset[str] = frozenset()
    """Of the same user; what is recorded is `id`."""
    trusts_body: bool = False

    @property
    def on_record(self) -> str | None:
        """The name that is recorded."""
        return self.id or self.service or None

    @property
    def named(self) -> str:
        """Raises `ActorMissing`."""
        if not self.id:
            raise ActorMissing
        return self.id

    @property
    def proves_decider(self) -> bool:
        """Whether who decides is authenticated, or to be taken as if they were."""
        return not self.is_unnamed or self.trusts_body

    def deciding(self, stated: str | None) -> str:
        """The user who decides, whom the body may name, too, by any of their names.

        Raises `NotThisUser` for any other user than the authenticated one; `InvalidRequest` if only
        the body could name the user and does not, or holds no valid user id; `ActorMissing`.
        """
        if self.id or not (self.service or self.is_unnamed):
            return self.named if stated is None else self.standing_for(stated)
        if stated is None:
            raise _decider_missing() if self.is_unnamed else ActorMissing
        return stated_user("decidedBy", stated)

    def standing_for(self, user: str) -> str:
        """The name under which this user is recorded. Raises `NotThisUser` for another than the
        authenticated one, `ActorMissing`.
        """
        if spelled(user) not in (self.named, *self.other_names):
            raise NotThisUser
        return self.named


def _decider_missing() -> InvalidRequest:
    return InvalidRequest(
        Problem(field="decidedBy", message="is required: nothing else names a user", source="body")
    )


def acting(identity: Identity, headers: Headers) -> Actor:
    """On whose behalf it is. Raises `NotThisUser` if a header contradicts the credential."""
    roles = roles_in(headers)
    if identity.acts_for_users:
        return Actor(user_in(headers), roles, identity.id)
    user = spelled(header(headers, USER_HEADER) or "")
    if user not in ("", identity.id, *identity.other_names) or not roles <= identity.roles:
        raise NotThisUser
    return Actor(
        identity.id,
        identity.roles,
        is_unnamed=identity.credential == "gateway" and not identity.id,
        other_names=identity.other_names,
        trusts_body=identity.trusts_body,
    )


def user_in(headers: Headers) -> str:
    """The user that the header names, in the one spelling; empty if it names none. Raises
    `InvalidRequest`.
    """
    stated = header(headers, USER_HEADER)
    return stated_user(USER_HEADER, stated, source="header") if stated else ""


def stated_user(field: str, stated: str, source: str = "body") -> str:
    """The user's id in its one spelling. Raises `InvalidRequest` for what is no user's."""
    try:
        return user_id(stated)
    except NoIdentity as error:
        raise InvalidRequest(Problem(field=field, message=str(error), source=source)) from None


def header(headers: Headers, name: str) -> str | None:
    """The header's value, stripped; None without the header, or if it is empty.

    Raises `InvalidRequest` when it is there twice, or holds what no name holds.
    """
    values = headers.getall(name, [])
    if len(values) > 1:
        raise InvalidRequest(Problem(field=name, message="must be given once", source="header"))
    value = values[0].strip() if values else ""
    if not ((value.isascii() and value.isprintable()) or not value):
        raise InvalidRequest(
            Problem(field=name, message="must be printable ASCII", source="header")
        )
    return value or None


def roles_in(headers: Headers) -> frozenset[str]:
    return frozenset(
        role.strip() for role in (header(headers, ROLES_HEADER) or "").split(",") if role.strip()
    )
