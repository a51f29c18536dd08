"""What was typed into the form of a suspended run, decoded once; the earlier form is understood."""

from collections.abc import Mapping
from typing import Any

import msgspec

from blocks.contracts.approvals import Outcome
from blocks.contracts.events import JsonObject
from blocks.contracts.identities import SERVICE
from blocks.contracts.reading.limits import COMMENT_MAX

CHOICES: Mapping[Outcome, str] = {"approved": "approve", "rejected": "reject"}
"""What the form calls the outcomes."""

_US = f"{SERVICE}workflow-orchestrator"
"""A name that no user can have, so no answer in it can count."""

_LOOK: JsonObject = {"decided_by": _US, "comment": "nothing is decided here: the record decides"}

RESUMES: tuple[JsonObject, ...] = (
    {**_LOOK, "decision": CHOICES["rejected"]},
    {**_LOOK, "decision": CHOICES["approved"]},
    {},
)
"""With which we resume a run that is to look at its record. Prefect refuses an input that does not
fit the form: the second is for forms that offer no rejection, the third for those of earlier
releases.
"""

_FIELDS = ("decision", "decided_by", "comment", "form")
_EARLIER = "approved"
"""True or false in place of `decision`: the form of runs that an earlier release suspended."""


class Answer(msgspec.Struct, frozen=True):
    """A person's decision, as typed; who it is has not been checked."""

    outcome: Outcome
    decided_by: str
    comment: str | None = None
    form: JsonObject | None = None


class NoAnswer(ValueError):
    """Something was typed that is no decision; the message states what is wrong."""


def answer_in(typed: Mapping[str, Any] | None) -> Answer | None:
    """The decision; None: the run was resumed without one, to look at its record. Raises
    `NoAnswer`.
    """
    given = {name: value for name, value in (typed or {}).items() if value is not None}
    if given.get("decided_by") == _US or all(value in ("", {}) for value in given.values()):
        return None
    if unknown := sorted(given.keys() - {*_FIELDS, _EARLIER}):
        raise NoAnswer(f"{', '.join(unknown)[:200]}: no such field; there are {', '.join(_FIELDS)}")
    outcome = _outcome(given)
    form = given.get("form")
    if form is not None and not isinstance(form, dict):
        raise NoAnswer("form: must be a JSON object")
    return Answer(
        outcome=outcome,
        decided_by=_text(given, "decided_by"),
        comment=_text(given, "comment").strip() or None,
        form=_filled_in(form, outcome),
    )


def _outcome(given: Mapping[str, Any]) -> Outcome:
    stated = [value for name in ("decision", _EARLIER) if (value := given.get(name)) is not None]
    outcomes = {_OUTCOMES.get(value) for value in stated if isinstance(value, str | bool)}
    if len(outcomes) != 1 or (outcome := outcomes.pop()) is None:
        raise NoAnswer(f"decision: must be one of {', '.join(CHOICES.values())}")
    return outcome


_OUTCOMES: Mapping[str | bool, Outcome] = {
    "approve": "approved",
    "reject": "rejected",
    True: "approved",
    False: "rejected",
}


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name, "")
    if not isinstance(value, str):
        raise NoAnswer(f"{name}: must be text")
    if len(value) > COMMENT_MAX:
        raise NoAnswer(f"{name}: must be at most {COMMENT_MAX} characters")
    return value


def _filled_in(form: JsonObject | None, outcome: Outcome) -> JsonObject | None:
    """The form goes with an approval: with a rejection, one in which nothing stands is none."""
    if outcome == "rejected" and form and all(value is None for value in form.values()):
        return None
    return None if outcome == "rejected" and not form else form
