"""Why no prompt is created, and how that is answered."""

from api.http.errors import Answer, add_answers


class ClaimMovedOn(Exception):
    """The claim is submitted or ended: there is nothing to ask about it."""


class PromptPending(Exception):
    """The claim waits for the answer to another prompt."""


add_answers(
    {
        ClaimMovedOn: Answer(
            409, "CLAIM_MOVED_ON", "The claim is submitted or ended: there is nothing to ask"
        ),
        PromptPending: Answer(
            409, "PROMPT_PENDING", "The claim waits for the answer to another prompt"
        ),
    }
)
