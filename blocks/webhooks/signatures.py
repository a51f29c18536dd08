"""How a delivery is signed, so that its receiver can distinguish ours from others'."""

import hmac
from collections.abc import Sequence
from datetime import datetime

from blocks.contracts.records import WebhookSubscription


def signature_of(to: WebhookSubscription, body: bytes, at: datetime) -> str:
    """The signature under every secret that is valid at that moment: the newest first, the oldest
    last.
    """
    earlier = [one.secret for one in to.earlier_secrets if at < one.valid_until]
    return signature(to.secret, body, at, earlier=earlier[::-1])


def signature(secret: str, body: bytes, at: datetime, *, earlier: Sequence[str] = ()) -> str:
    """`t=SECONDS,v1=HEX`, and one more `v1=HEX` per earlier secret.

    HEX is the HMAC-SHA256 of `SECONDS.BODY`, so that a delivery cannot be repeated under another
    time.
    """
    seconds = int(at.timestamp())
    signed = f"{seconds}.".encode() + body
    digests = [hmac.digest(one.encode(), signed, "sha256").hex() for one in (secret, *earlier)]
    return ",".join([f"t={seconds}", *(f"v1={digest}" for digest in digests)])
