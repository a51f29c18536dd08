"""`/api/v1/evidence/proof-packets`: make a proof packet, see how far it is, get a link to it."""

from datetime import timedelta
from typing import Annotated

from litestar import Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody, PathParameter, QueryParameter, SkipValidation

from api.access.actor import Caller, provide_actor
from api.access.tenancy import TenantId, provide_tenant_id
from api.claims.evidence.packet_documents import (
    PACKET_GENERATED,
    PACKET_LINK,
    PACKET_STATUS,
    GeneratePacket,
    PacketGenerated,
    PacketLinkData,
    PacketLinkDocument,
    PacketStatusDocument,
    status_of,
)
from api.claims.evidence.packet_errors import (
    ClaimUnknown,
    PacketFailed,
    PacketLinksDisabled,
    PacketNotReady,
)
from api.documentation.openapi import documented
from api.http.deprecation import COMPATIBLE
from api.http.errors import InvalidRequest, Problem
from api.http.parameters import text
from api.http.records import AllSettings, Store
from api.idempotency import KEY_ERRORS, idempotent
from blocks.claims.packets import NotPaid, facts_of, read_packet, remake_packet
from blocks.clock import utc_now
from blocks.contracts.records.claims import ClaimRecord, PacketRecord
from blocks.files import Files
from blocks.ports import NotFound, Query, RecordStore
from blocks.security import packet_links, signed_tokens
from blocks.security.packet_links import PacketLink
from blocks.settings.links import api_url

LINK_PATH = "/api/v1/evidence/links"
HOURS_DEFAULT, HOURS_MAX = 24, 168

PacketFiles = SkipValidation[NamedDependency[Files]]
"""Where the packets lie, as a route's argument; lives as long as the server."""

LinkSecret = SkipValidation[NamedDependency[str]]
"""The setting `approvals.link_secret`."""

ClaimPath = Annotated[
    str, PathParameter(name="claimId", description="The claim's id", max_length=200)
]
OfUser = Annotated[
    str | None, text("Whose claim it is, if several users have a claim of this id", name="user_id")
]
Hours = Annotated[
    int,
    QueryParameter(description="Hours that the link is good for", ge=1, le=HOURS_MAX),
]


def packet_routes(store: RecordStore) -> Router:
    """For users of the tenant; holders of a link come to `api.claims.evidence.packet_download`."""
    return Router(
        "/api/v1",
        route_handlers=[
            read_packet_link,
            read_packet_status,
            idempotent(store, generate_packet),
        ],
        dependencies={"tenant_id": Provide(provide_tenant_id), "actor": Provide(provide_actor)},
        opt=COMPATIBLE,
    )


@get(
    "/evidence/proof-packets/{claimId:str}",
    summary="Get a link to a proof packet",
    tags=["Evidence"],
    responses=documented(PACKET_LINK, PacketNotReady, PacketLinksDisabled),
)
async def read_packet_link(
    store: Store,
    settings: AllSettings,
    link_secret: LinkSecret,
    tenant_id: TenantId,
    actor: Caller,
    claim_id: ClaimPath,
    user_id: OfUser = None,
    hours_valid: Hours = HOURS_DEFAULT,
) -> PacketLinkDocument:
    """A link that downloads the archive, for whoever holds it, until it expires."""
    secret = secret_of(link_secret)
    packet = await _packet(store, await _claim(store, tenant_id, claim_id, user_id, PacketNotReady))
    if packet.status != "completed":
        raise PacketNotReady
    expires_at = utc_now().replace(microsecond=0) + timedelta(hours=hours_valid)
    token = packet_links.issue(
        secret,
        PacketLink(
            tenant_id=tenant_id,
            packet_id=packet.id,
            issued_to=actor.on_record or "",
            expires_at=expires_at,
            nonce=signed_tokens.new_nonce(),
        ),
    )
    return PacketLinkDocument(
        data=PacketLinkData(
            packet_url=f"{api_url(settings.server)}{LINK_PATH}/{token}",
            claim_id=packet.claim_id,
            hours_valid=hours_valid,
            expires_at=int(expires_at.timestamp()),
        )
    )


@get(
    "/evidence/proof-packets/{claimId:str}/status",
    summary="Read how far a proof packet is",
    tags=["Evidence"],
    responses=documented(PACKET_STATUS, PacketNotReady),
)
async def read_packet_status(
    store: Store, tenant_id: TenantId, claim_id: ClaimPath, user_id: OfUser = None
) -> PacketStatusDocument:
    """Of a packet that was asked for: by the payout, or by hand."""
    claim = await _claim(store, tenant_id, claim_id, user_id, PacketNotReady)
    return status_of(await _packet(store, claim))


@post(
    "/evidence/proof-packets/{claimId:str}/generate",
    status_code=200,
    summary="Generate a proof packet",
    tags=["Evidence"],
    responses=documented(PACKET_GENERATED, ClaimUnknown, NotPaid, PacketFailed, *KEY_ERRORS),
)
async def generate_packet(
    store: Store,
    packet_files: PacketFiles,
    tenant_id: TenantId,
    claim_id: ClaimPath,
    user_id: OfUser = None,
    data: JSONBody[GeneratePacket | None] = None,
) -> PacketGenerated:
    """The packet of a paid claim is there. One that is finished stays as it is, unless its file is
    lost or was changed.
    """
    claim = await _claim(store, tenant_id, claim_id, user_id, ClaimUnknown)
    packet = await remake_packet(store, packet_files, await facts_of(store, claim))
    if packet.status != "completed":
        raise PacketFailed(f"packet {packet.id}: {packet.error}")
    return PacketGenerated(message="Proof packet is ready", claim_id=claim.claim_id)


def secret_of(link_secret: str) -> bytes:
    """Raises `PacketLinksDisabled`."""
    try:
        return signed_tokens.secret_of(link_secret)
    except signed_tokens.LinksDisabled:
        raise PacketLinksDisabled from None


async def _claim(
    store: RecordStore,
    tenant_id: str,
    claim_id: str,
    user_id: str | None,
    missing: type[NotFound],
) -> ClaimRecord:
    """The tenant's claim. Raises `missing`, and `InvalidRequest` if only its user can say which."""
    where = {"claim_id": claim_id} | ({"user_id": user_id} if user_id else {})
    page = await store.query(tenant_id, Query(ClaimRecord, where, limit=2))
    if not page.items:
        raise missing
    if len(page.items) > 1:
        message = "several users have a claim of this id: name the user"
        raise InvalidRequest(Problem(field="user_id", message=message, source="query"))
    return page.items[0].record


async def _packet(store: RecordStore, claim: ClaimRecord) -> PacketRecord:
    try:
        return await read_packet(store, claim.tenant_id, claim.id)
    except NotFound:
        raise PacketNotReady from None
