"""Whether a change of an approval fits into its record; pure."""

import msgspec

from blocks.approvals.decisions import Refused
from blocks.contracts.records import ApprovalRecord
from blocks.ports import RECORD_BYTES_MAX

_TO_FOLLOW_UP = 1_000
"""Bytes for what is noted once the change is on the record: its event, that nothing is due."""
_TO_END = 10_000
"""Bytes for the last vote, the withdrawal or the expiry of one that stays pending."""


class NoRoom(Refused):
    """Its record would have more bytes than the store takes; it can end only with less content."""


def check_room(before: ApprovalRecord, after: ApprovalRecord) -> None:
    """Raises `NoRoom` if no store would take the record with the change, and what follows from it.

    Most of a record that comes so far is what the older service or a caller wrote into it.
    """
    stays = _TO_END if after.status == "pending" else 0
    size = len(msgspec.json.encode(after))
    if size > RECORD_BYTES_MAX - _TO_FOLLOW_UP - stays:
        raise NoRoom(
            before,
            f"approval {before.id} would have {size} bytes, and a record may have about "
            f"{RECORD_BYTES_MAX - _TO_FOLLOW_UP - stays}: {_what_to_do(before)}",
        )


def _what_to_do(approval: ApprovalRecord) -> str:
    if approval.origin is None:
        return "send less, or withdraw it"
    return (
        "an operator has to shorten its document of the older service in hitl_approvals "
        "(docs/cut-over.md)"
    )
