"""What every body has in common, of requests and of responses."""

from blocks.contracts.reading.normalised import Normalised


class Document(Normalised, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of all bodies: an allow-list of fields, camelCase, empty ones left out; times in UTC."""
