"""What a migration found and did, counted."""

from collections import Counter

import msgspec


class LeftDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document that stays as it is."""

    container: str
    tenant_id: str
    id: str
    reason: str


class Tally(msgspec.Struct, kw_only=True):
    """One container's numbers; in a dry run, `converted` is what would be."""

    container: str
    found: int = 0
    converted: int = 0
    already: int = 0
    left: Counter[str] = msgspec.field(default_factory=Counter)
    """By reason."""
    named: list[LeftDocument] = msgspec.field(default_factory=list)
    """Those that a person may want to look at: at most `NAMED_MAX`."""
    unnamed: int = 0
    """How many more of these there are."""

    def leave(self, tenant_id: str, id: str, reason: str, *, by_design: bool = False) -> None:
        """Counted; and named, unless that is what becomes of every such document."""
        self.left[reason] += 1
        if by_design:
            return
        if len(self.named) == NAMED_MAX:
            self.unnamed += 1
        else:
            self.named.append(
                LeftDocument(container=self.container, tenant_id=tenant_id, id=id, reason=reason)
            )


NAMED_MAX = 100
