"""What a tenant may set for the smart prompts of claim recovery, and what makes no sense; pure.

Silence never submits a claim, so no expiry approves one, and every prompt expires.
"""

from collections.abc import Iterator

from blocks.contracts.definitions import WantedDefinition, WantedRule

EXPIRES_SECONDS_MIN, EXPIRES_SECONDS_MAX = 60.0, 31_536_000.0
"""A minute to a year, as a prompt that a caller creates."""

Problem = tuple[str, str]

_NOT_OF_PROMPTS = "does not apply to prompts: the evidence of a match decides whether one is asked"


def prompt_problems(wanted: WantedDefinition) -> Iterator[Problem]:
    """Field and problem of each setting that a journey could not follow."""
    if not wanted.enabled:
        yield "enabled", "must be true: no event starts a journey"
    if wanted.step_timeout_seconds is not None:
        yield "stepTimeoutSeconds", "does not apply: phases have service levels, not deadlines"
    if wanted.steps:
        yield "steps", "does not apply: phases have no deadlines, and none may be left out"
    if wanted.approval is not None:
        for field, problem in _rule_problems(wanted.approval):
            yield f"approval.{field}", problem


def _rule_problems(rule: WantedRule) -> Iterator[Problem]:
    unset = WantedRule()
    for field, value, default in (
        ("conditions", rule.conditions, unset.conditions),
        ("minRiskScore", rule.min_risk_score, unset.min_risk_score),
        ("minAmount", rule.min_amount, unset.min_amount),
        ("onUnknown", rule.on_unknown, unset.on_unknown),
    ):
        if value != default:
            yield field, _NOT_OF_PROMPTS
    if rule.form_schema is not None:
        yield "formSchema", "does not apply: the form of a prompt is its options"
    if rule.stages:
        yield "stages", "does not apply: a prompt is one question to one group of people"
    if rule.on_reject != "fail":
        yield "onReject", "does not apply: the option that is chosen moves the claim"
    if rule.on_expiry not in ("fail", "escalate"):
        yield "onExpiry", "must be fail or escalate: silence neither submits nor declines a claim"
    seconds = rule.expires_after_seconds
    if seconds is not None and not EXPIRES_SECONDS_MIN <= seconds <= EXPIRES_SECONDS_MAX:
        yield (
            "expiresAfterSeconds",
            f"must be from {EXPIRES_SECONDS_MIN:g} to {EXPIRES_SECONDS_MAX:g}",
        )
