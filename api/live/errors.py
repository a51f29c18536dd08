"""Why a client may not follow events, and how that is answered."""

from api.http.errors import Answer, add_answers
from blocks.ports import Throttled, Unavailable


class TooManyOfTenant(Throttled):
    """The tenant has reached its limit of clients that follow events."""


class TooManyFollowers(Unavailable):
    """This process has reached its limit of clients that follow events, or is stopping."""


class OriginRefused(Exception):
    """A page of a foreign origin opened a WebSocket."""


add_answers(
    {
        OriginRefused: Answer(
            403, "FORBIDDEN", "Pages of this origin may not open a WebSocket here"
        ),
        TooManyOfTenant: Answer(
            429, "TOO_MANY_STREAMS", "As many clients follow this tenant's events as may"
        ),
        TooManyFollowers: Answer(
            503,
            "NO_STREAM_FREE",
            "No more clients can follow events here; try again",
            {"Retry-After": "5"},
        ),
    }
)
