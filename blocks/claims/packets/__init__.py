"""The proof packet of a paid claim: a summary to send to the customer, and an archive with it.

Purpose: `make_packet` makes it once from `PacketFacts`; `facts_of` reads those from the records.
Contract: the same facts give the same bytes under the same keys, so a packet may be made again
after a crash, or by two processes at once. Pitfall: a packet shows what was known when it was
first begun; what comes later is not in it.
"""

from blocks.claims.packets.facts import EvidenceDocument, PacketFacts, PromptFact
from blocks.claims.packets.files import packet_files
from blocks.claims.packets.gathering import NotPaid, facts_of
from blocks.claims.packets.packets import make_packet, read_archive, read_packet, remake_packet

__all__ = [
    "EvidenceDocument",
    "NotPaid",
    "PacketFacts",
    "PromptFact",
    "facts_of",
    "make_packet",
    "packet_files",
    "read_archive",
    "read_packet",
    "remake_packet",
]
