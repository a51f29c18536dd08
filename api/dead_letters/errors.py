"""Why a request about a dead letter is refused, and how that is answered."""

from api.http.errors import Answer, add_answers
from blocks.dead_letters import letters
from blocks.ports import NotFound


class DeadLetterNotFound(NotFound):
    """The tenant has no such dead letter."""


class DeadLetterChanged(Exception):
    """The dead letter is not at the required version, or changed during the request."""


class DeadLetterStranded(Exception):
    """The queue of the dead letter does not exist any more."""


add_answers(
    {
        DeadLetterNotFound: Answer(404, "DEAD_LETTER_NOT_FOUND", "Dead letter not found"),
        letters.LetterSettled: Answer(
            409,
            "DEAD_LETTER_SETTLED",
            "The dead letter is being replayed, was replayed or was discarded",
        ),
        letters.LetterCut: Answer(
            409,
            "DEAD_LETTER_CUT",
            "Only the beginning of the dead letter was kept: edit it before you replay it",
        ),
        DeadLetterStranded: Answer(
            409, "DEAD_LETTER_STRANDED", "The queue of the dead letter does not exist any more"
        ),
        DeadLetterChanged: Answer(
            412, "PRECONDITION_FAILED", "The dead letter has changed since it was read"
        ),
    }
)
