"""The download of a proof packet by a link: whoever holds the link needs no other credential.

The link names tenant and packet, and expires; it may be used more than once until then. Each
download is a line in the log, the first through each link an entry in the tenant's audit log.
"""

import logging
import re
from typing import Annotated, Any
from urllib.parse import quote

from litestar import MediaType, Request, Response, Router, get
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import PathParameter

from api.access.authentication import PUBLIC
from api.claims.evidence.packet_documents import PACKET_LINK
from api.claims.evidence.packet_errors import (
    PacketLinkInvalid,
    PacketLinkOver,
    PacketLinksDisabled,
    PacketNotReady,
)
from api.claims.evidence.packets import LinkSecret, PacketFiles, secret_of
from api.documentation.openapi import SharedResponse, documented
from api.http.deprecation import COMPATIBLE
from api.http.records import Store, find
from blocks.audit.looks import record_look
from blocks.claims.packets import read_archive
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.records.audit import Act
from blocks.contracts.records.claims import PacketRecord
from blocks.files import FileMissing
from blocks.security import packet_links
from blocks.security.packet_links import PacketLink
from blocks.security.signed_tokens import LinkExpired, LinkForged

logger = logging.getLogger(__name__)

DOWNLOADED = "proof-packet.download"
"""In the tenant's audit log."""

TokenPath = Annotated[str, PathParameter(name="token", description="The link's token")]

_ZIP: ResponseSpec = SharedResponse(
    bytes,
    generate_examples=False,
    media_type="application/zip",
    description="The archive: summary.pdf, the evidence and metadata.json",
    examples=[Example(id="ProofPacket", summary="Example", value="(a zip)")],
)
_ERRORS = (
    PacketLinkInvalid,
    PacketLinkOver,
    PacketNotReady,
    FileMissing,
    PacketLinksDisabled,
)


@get(
    "/evidence/links/{token:str}",
    summary="Download a proof packet",
    tags=["Evidence"],
    responses={**documented(PACKET_LINK, *_ERRORS), 200: _ZIP},
    media_type=MediaType.TEXT,
)
async def download_packet(
    request: Request[Any, Any, Any],
    store: Store,
    packet_files: PacketFiles,
    link_secret: LinkSecret,
    token: TokenPath,
) -> Response[bytes]:
    """The archive, as it was made."""
    link = _opened(link_secret, token)
    packet = await find(store, link.tenant_id, PacketRecord, link.packet_id, PacketNotReady)
    if packet.status != "completed":
        raise PacketNotReady
    archive = await read_archive(packet_files, packet)
    request_id: str | None = request.scope["state"].get("request_id")
    await record_look(
        store, link.tenant_id, ids.packet_download_id(link.nonce), _act(link, packet, request_id)
    )
    logger.info(
        "packet_downloaded: packet %s of claim %s, by a link of %s",
        packet.id,
        packet.claim_id,
        link.issued_to or "a service",
    )
    return Response(
        archive,
        media_type="application/zip",
        headers={"Content-Disposition": _disposition(packet.claim_id)},
    )


packet_download = Router(
    "/api/v1", route_handlers=[download_packet], opt=PUBLIC | COMPATIBLE, security=[{}]
)


def _opened(link_secret: str, token: str) -> PacketLink:
    """Raises `PacketLinksDisabled`, `PacketLinkInvalid`, `PacketLinkOver`."""
    try:
        return packet_links.read(secret_of(link_secret), token, utc_now())
    except LinkForged:
        raise PacketLinkInvalid from None
    except LinkExpired:
        raise PacketLinkOver from None


def _act(link: PacketLink, packet: PacketRecord, request_id: str | None) -> Act:
    return Act(
        action=DOWNLOADED,
        actor=link.issued_to or None,
        credential="link",
        channel="link",
        request_id=request_id,
        target=packet.id,
    )


def _disposition(claim_id: str) -> str:
    """A name for the file: plain for older programs, complete for the others (RFC 6266)."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", claim_id)[:100]
    complete = quote(f"proof_packet_{claim_id}.zip", safe="")
    return f"attachment; filename=\"proof_packet_{plain}.zip\"; filename*=UTF-8''{complete}"
