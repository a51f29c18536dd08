"""Why a request about an API key is refused, and how that is answered."""

from api.http.errors import Answer, add_answers
from blocks.ports import NotFound
from blocks.security.api_keys import TooManyKeys


class KeyNotFound(NotFound):
    """The tenant has no such API key."""


class KeyExceedsItsMaker(Exception):
    """The requested API key would have a role that its maker lacks."""


add_answers(
    {
        KeyExceedsItsMaker: Answer(
            403, "FORBIDDEN", "A key may do no more than the credential that makes it"
        ),
        KeyNotFound: Answer(404, "KEY_NOT_FOUND", "API key not found"),
        TooManyKeys: Answer(
            409, "KEY_LIMIT_REACHED", "As many keys are live as may: revoke one first"
        ),
    }
)
