"""What every response body has in common, and every request body that names moments."""

import msgspec

from blocks.contracts.moments import check_moments


class Document(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of all response bodies: an allow-list of fields, camelCase, left out where there is nothing to say."""


class Timed(Document, frozen=True, kw_only=True):
    """Base of request bodies with moments in them: one that no arithmetic could take is refused as it is decoded."""

    def __post_init__(self) -> None:
        check_moments(self)
