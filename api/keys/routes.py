"""`/api/v1/keys`: the tenant's API keys, by the rules of `orchestrator keys`."""

from datetime import timedelta
from typing import Annotated, Any

from litestar import Request, Response, delete, get, post
from litestar.params import JSONBody, PathParameter

from api.access.identity import Identity
from api.access.tenancy import TenantId
from api.documentation.openapi import documented, documented_without_body
from api.http.errors import BODY_ERRORS, Changed
from api.http.etags import IfMatch, check_unchanged
from api.http.lists import LIMIT, Continuation, Limit, NewestOrOldest, Order, page_of
from api.http.records import Store
from api.keys import examples
from api.keys.documents import CreatedKey, Key, KeyList, NewKey, created_of, key_of
from api.keys.errors import KeyExceedsItsMaker, KeyNotFound
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ApiKeyRecord
from blocks.contracts.roles import allows
from blocks.ports import NotFound, RecordStore
from blocks.security import api_keys

PrefixPath = Annotated[
    str, PathParameter(name="prefix", description="The key's prefix, as the list shows it")
]

_TAGS = ["Keys"]


@get("/keys", summary="List API keys", tags=_TAGS, responses=documented(examples.KEY_LIST))
async def list_keys(
    store: Store,
    tenant_id: TenantId,
    order: Order = "oldest",
    limit: Limit = LIMIT,
    continuation: Continuation = None,
) -> KeyList:
    """The tenant's keys, those that have ended included; no answer shows a key itself a second
    time.
    """
    return await keys_of(store, tenant_id, order, limit, continuation)


@get(
    "/keys/{prefix:str}",
    summary="Read an API key",
    tags=_TAGS,
    responses=documented(examples.KEY, KeyNotFound),
)
async def read_key(store: Store, tenant_id: TenantId, prefix: PrefixPath) -> Key:
    """What is known of the key; not the key itself."""
    return await found_key(store, tenant_id, prefix)


@post(
    "/keys",
    summary="Make an API key",
    tags=_TAGS,
    responses=documented(
        examples.CREATED_KEY,
        KeyExceedsItsMaker,
        api_keys.TooManyKeys,
        *BODY_ERRORS,
        status=201,
    ),
)
async def create_key(
    request: Request[Identity, Any, Any], store: Store, tenant_id: TenantId, data: JSONBody[NewKey]
) -> Response[CreatedKey]:
    """The key is valid at once, for so many days. Only this answer shows it: we keep a hash.

    To rotate, make a second key of the same name, hand it out, revoke the first: at most two of one
    name are live. A key has no role that its maker lacks. There is no `Idempotency-Key`, because
    this answer must not be stored: if it is lost, revoke the key that the list shows and make
    another.
    """
    made = await make_key(store, tenant_id, request.user, data)
    return Response(made, headers={"Location": f"/api/v1/keys/{made.prefix}"})


@delete(
    "/keys/{prefix:str}",
    summary="Revoke an API key",
    tags=_TAGS,
    responses=documented_without_body(KeyNotFound, Changed),
)
async def revoke_key(
    store: Store, tenant_id: TenantId, prefix: PrefixPath, if_match: IfMatch = None
) -> None:
    """Every process refuses the key within three seconds. Revoking it again changes nothing."""
    check_unchanged(if_match, await found_key(store, tenant_id, prefix))
    await api_keys.revoke_key(store, tenant_id, prefix)


async def keys_of(
    store: RecordStore,
    tenant_id: str,
    order: NewestOrOldest,
    limit: int,
    continuation: str | None,
) -> KeyList:
    """A page of the tenant's keys. Raises `InvalidRequest` for a continuation of another list."""
    page = await page_of(
        store,
        SYSTEM_TENANT,
        ApiKeyRecord,
        {"tenant": tenant_id},
        limit=limit,
        continuation=continuation,
        order=order,
    )
    return KeyList(
        items=[key_of(stored.record) for stored in page.items], continuation=page.continuation
    )


async def make_key(
    store: RecordStore, tenant_id: str, maker: Identity, wanted: NewKey
) -> CreatedKey:
    """The key, which is valid at once. Raises `KeyExceedsItsMaker`, `TooManyKeys`."""
    _check(maker, wanted)
    key, record = await api_keys.create_key(
        store,
        tenant_id,
        wanted.name,
        wanted.roles,
        lives=timedelta(days=wanted.days),
        acts_for_users=wanted.acts_for_users,
    )
    return created_of(record, key)


async def found_key(store: RecordStore, tenant_id: str, prefix: str) -> Key:
    """Raises `KeyNotFound`, for another tenant's, too."""
    try:
        return key_of((await api_keys.known_key(store, tenant_id, prefix)).record)
    except NotFound:
        raise KeyNotFound from None


def _check(maker: Identity, wanted: NewKey) -> None:
    """Raises `KeyExceedsItsMaker`: otherwise an admin could decide approvals through a new key."""
    if wanted.acts_for_users and not maker.acts_for_users:
        raise KeyExceedsItsMaker
    if not all(allows(maker.roles, role) for role in wanted.roles):
        raise KeyExceedsItsMaker
