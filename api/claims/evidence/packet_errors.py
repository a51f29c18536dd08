"""Why a request about a proof packet is refused, and how that is answered."""

from api.http.errors import Answer, add_answers
from blocks.claims.packets import NotPaid
from blocks.files import FileMissing
from blocks.ports import NotFound, Unavailable


class PacketNotReady(NotFound):
    """There is no completed packet of such a claim of the tenant."""


class ClaimUnknown(NotFound):
    """The tenant has no such claim."""


class PacketFailed(Unavailable):
    """The packet could not be made now."""


class PacketLinkInvalid(Exception):
    """This is no link of ours, or it was changed."""


class PacketLinkOver(Exception):
    """The link was ours, and its time is over."""


class PacketLinksDisabled(Exception):
    """There is no secret to sign links with."""


add_answers(
    {
        PacketLinkOver: Answer(
            403, "PROOF_PACKET_LINK_EXPIRED", "The link has expired; ask for a new one"
        ),
        PacketNotReady: Answer(
            404, "PROOF_PACKET_NOT_READY", "There is no finished proof packet of this claim"
        ),
        ClaimUnknown: Answer(404, "CLAIM_NOT_FOUND", "Claim not found"),
        PacketLinkInvalid: Answer(404, "PROOF_PACKET_LINK_INVALID", "This is no link of ours"),
        FileMissing: Answer(
            404,
            "PROOF_PACKET_FILE_MISSING",
            "The packet's file is missing or was changed; generate the packet again",
        ),
        NotPaid: Answer(
            409, "CLAIM_NOT_PAID", "The claim is not paid yet: there is nothing to prove"
        ),
        PacketLinksDisabled: Answer(
            501,
            "PROOF_PACKET_LINKS_DISABLED",
            "Links are not switched on here: APPROVAL_LINK_SECRET is not set",
        ),
        PacketFailed: Answer(
            503,
            "PROOF_PACKET_FAILED",
            "The proof packet could not be made; its status has the reason",
            {"Retry-After": "5"},
        ),
    }
)
