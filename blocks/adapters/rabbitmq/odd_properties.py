"""Properties of a message that cannot be read do not cost the connection: what was read before them
counts.

A broker passes on what publishers write: a timestamp in microseconds, a header whose name is no
UTF-8. pamqp cannot read these and raises in the middle of the stream, aiormq closes the connection,
the message comes again on the next one, and so on for ever: one message would stop a listener. The
body is what matters; it is judged like any other.
"""

import logging

from pamqp.header import ContentHeader

log = logging.getLogger(__name__)

_SIZE_ENDS_AT = 12

_read = ContentHeader.unmarshal


def tolerate_odd_properties() -> None:
    """From now on, in this process. Doing it twice is doing it once."""
    ContentHeader.unmarshal = _read_what_can_be_read  # type: ignore[method-assign, assignment] # no other seam


def _read_what_can_be_read(header: ContentHeader, data: bytes) -> None:
    try:
        _read(header, data)
    except Exception as error:
        if len(data) < _SIZE_ENDS_AT:
            raise  # without the body's size the stream is lost
        log.warning("properties of a message cannot be read: %s", error)
