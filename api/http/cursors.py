"""`continuation`: the end of a page, valid only for the list and the filters it was issued for.

The store's own position follows a digest of the tenant, the list and the filters. The digest guards
against mix-ups and needs no secret, which several API processes would have to share: a forged one
names a place in the caller's own list, for the tenant always comes from the credential.
"""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

from blocks.adapters.record_rules import tag
from blocks.contracts.records import Record
from blocks.ports import Where

_DIGEST_LENGTH = 16


class Cursors(msgspec.Struct, frozen=True):
    """The continuations of one list: of one tenant's records of a kind, as these conditions leave
    them.
    """

    tenant_id: str
    kind: type[Record]
    where: Where
    also: Mapping[str, Any]
    """Conditions that are not the store's."""

    def given(self, place: str | None) -> str | None:
        """The continuation for this position; None: the list ends here."""
        return place and self._digest(place) + place

    def place(self, continuation: str | None) -> str | None:
        """Where the page begins; None: at the beginning. Raises `ValueError` for another list's."""
        if continuation is None:
            return None
        place = continuation[_DIGEST_LENGTH:]
        if continuation != self._digest(place) + place:
            raise ValueError("this continuation belongs to another list, or to other filters")
        return place

    def _digest(self, place: str) -> str:
        bound_to = (self.tenant_id, tag(self.kind), self.where, self.also, place)
        digest = sha256(msgspec.json.encode(bound_to, order="deterministic")).digest()
        return urlsafe_b64encode(digest).decode()[:_DIGEST_LENGTH]
