"""What every response body has in common."""

import msgspec


class Document(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of all response bodies: an allow-list of fields, camelCase, left out where there is nothing to say."""
