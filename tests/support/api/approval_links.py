"""Links to approvals as a test wants them: for whom, for what, until when."""

from datetime import timedelta

from blocks.contracts.records import ApprovalRecord
from blocks.security import signed_links
from tests.support.factories import now

SECRET = "a secret of more than thirty-two characters"


def a_token(
    approval: ApprovalRecord,
    *,
    recipient: str = "ann",
    seconds: float = 60,
    outcomes: tuple[str, ...] = ("approved", "rejected"),
) -> str:
    """A genuine token, which may have expired."""
    claims = signed_links.LinkClaims(
        approval_id=approval.id,
        tenant_id=approval.tenant_id,
        recipient=recipient,
        outcomes=outcomes,
        expires_at=now() + timedelta(seconds=seconds),
        nonce=signed_links.new_nonce(),
    )
    return signed_links.issue(signed_links.secret_of(SECRET), claims)
