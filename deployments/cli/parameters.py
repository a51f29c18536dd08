"""Parameter types of options and arguments: ids and moments in the one spelling of the records."""

from datetime import datetime

import click


def uuid(value: str) -> str:
    """A UUID in any case, in lower case. Raises `BadParameter`."""
    from blocks.contracts.reading.uuids import canonical_uuid

    canonical = canonical_uuid(value)
    if canonical is None:
        raise click.BadParameter(f"{value!r} is not a UUID.")
    return canonical


def any_id(value: str) -> str:
    """An id, a UUID among them in lower case; what is none of ours will not be found."""
    from blocks.contracts.reading.uuids import matching_id

    return matching_id(value)


def moment(value: str) -> datetime:
    """ISO 8601; a day is its beginning; UTC without a time zone. Raises `BadParameter`."""
    from blocks.contracts.reading.moments import in_utc_within_limits

    try:
        return in_utc_within_limits(datetime.fromisoformat(value.strip()))
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is not a date and time like 2026-03-02 or 2026-03-02T09:15:00Z."
        ) from None
