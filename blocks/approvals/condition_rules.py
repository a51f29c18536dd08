"""What a condition of an approval rule cannot mean: a misspelt path, a value that can never
compare; pure.
"""

import math
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Literal

from blocks.contracts.approvals import ApprovalRule, Condition
from blocks.contracts.reading.numbers import is_number, read_number

Kind = Literal["score", "number", "text", "list", "any"]

PATHS: dict[str, Kind] = {
    "results.risk.evaluationId": "text",
    "results.risk.riskScore": "score",
    "results.risk.detectedRisks": "list",
    "results.scoring.scoringId": "text",
    "results.scoring.mlRiskScore": "score",
    "results.scoring.modelId": "text",
    "results.scoring.confidence": "number",
    "results.forecast.forecastId": "text",
    "results.forecast.revenueForecast": "any",
    "results.forecast.confidence": "number",
    "results.recommendations.recommendationId": "text",
    "results.recommendations.recommendations": "list",
    "results.recommendations.count": "number",
    "subject.id": "text",
    "subject.amount": "number",
    "subject.ownerId": "text",
    "subject.stage": "any",
    "subject.opportunityId": "text",
    "subject.shardId": "text",
    "subject.shardType": "text",
    "subject.shardTypeName": "text",
    "subject.shardTypeId": "text",
    "subject.integrationId": "text",
    "subject.syncTaskId": "text",
    "subject.correlationId": "text",
}
FREE = (
    "subject.data.",
    "subject.changes.",
    "subject.metadata.",
    "subject.structuredData.",
    "results.forecast.revenueForecast.",
)
"""Below these a tenant's own fields stand, which cannot be listed."""

Problem = tuple[str, str]


def rule_problems(rule: ApprovalRule) -> Iterator[Problem]:
    """Field and problem of each limit and condition that cannot be valid."""
    if not 0 <= rule.min_risk_score <= 1:
        yield "minRiskScore", "is a number from 0 to 1, as risk scores are; write 0.8 for 80 %"
    if not (math.isfinite(rule.min_amount) and rule.min_amount >= 0):
        yield "minAmount", "is a finite number of at least 0"
    yield from conditions_problems(rule.conditions or [])


def conditions_problems(conditions: Sequence[Condition]) -> Iterator[Problem]:
    """Field and problem of the first condition that cannot be valid, or of what contradicts
    itself.
    """
    for number, condition in enumerate(conditions):
        if problem := condition_problem(condition):
            yield f"conditions.{number}.{problem[0]}", problem[1]
            return
    if contradiction := _contradiction(conditions):
        yield "conditions", contradiction


def condition_problem(condition: Condition) -> Problem | None:
    root, _, rest = condition.path.partition(".")
    if root not in ("results", "subject") or not rest:
        return "path", "begins with `results.` or `subject.`"
    return _value_problem(condition, _kind(condition.path)) or _path_problem(condition.path)


def _kind(path: str) -> Kind:
    return PATHS.get(path, "any")


def _path_problem(path: str) -> Problem | None:
    if path in PATHS or any(path.startswith(free) and path != free for free in FREE):
        return None
    root = path.split(".")[0]
    nearest = get_close_matches(
        path, [known for known in PATHS if known.startswith(root)], n=1, cutoff=0.0
    )
    own = (
        f"; a field of your own is `subject.data.{path.partition('.')[2]}`"
        if root == "subject"
        else ""
    )
    return "path", f"is not known; the nearest is `{nearest[0]}`{own}"


def _value_problem(condition: Condition, kind: Kind) -> Problem | None:
    value, op = condition.value, condition.op
    if op == "exists":
        given = isinstance(value, bool | None)
        return None if given else ("value", "is true or false where `op` is `exists`")
    if kind == "list":
        return "op", "is `exists` where the path is a list"
    if op == "in":
        if not isinstance(value, list) or not value:
            return "value", "is a list with at least one entry where `op` is `in`"
        if len({_family(one) for one in value}) > 1:
            return "value", "is a list of one kind where `op` is `in`: only numbers, or only texts"
        return next((problem for one in value if (problem := _single_problem(one, op, kind))), None)
    return _single_problem(value, op, kind)


def _single_problem(value: Any, op: str, kind: Kind) -> Problem | None:
    if op not in ("eq", "ne", "in") and (
        isinstance(value, bool) or not isinstance(value, int | float | str)
    ):
        return "value", f"is a number or a text where `op` is `{op}`"
    if not isinstance(value, bool | int | float | str):
        return (
            "value",
            (
                f"is a number, a text, true or false where `op` is `{op}`; for null write "
                "`exists`: false"
            ),
        )
    if isinstance(value, int | float) and not isinstance(value, bool) and not is_number(value):
        return "value", "is a finite number"
    if kind in ("number", "score") and not is_number(value):
        return "value", "is a number where the path is one, written like 1000000 or 0.8"
    if kind == "score" and not 0 <= read_number(value) <= 1:
        return "value", "is a number from 0 to 1, as risk scores are; write 0.8 for 80 %"
    if kind == "text" and isinstance(value, bool):
        return "value", "is a text where the path is one"
    return None


def _family(value: Any) -> type:
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def _contradiction(conditions: Sequence[Condition]) -> str | None:
    """Two limits of one path that no number meets."""
    lower: dict[str, tuple[int | float, bool]] = {}
    upper: dict[str, tuple[int | float, bool]] = {}
    for condition in conditions:
        if condition.op in ("in", "ne", "exists") or not is_number(condition.value):
            continue
        number = read_number(condition.value)
        if condition.op in ("gt", "gte", "eq"):
            bound = (number, condition.op == "gt")
            lower[condition.path] = max(lower.get(condition.path, bound), bound)
        if condition.op in ("lt", "lte", "eq"):
            bound = (number, condition.op != "lt")
            upper[condition.path] = min(upper.get(condition.path, bound), bound)
    for path in lower.keys() & upper.keys():
        (low, above), (high, reaches) = lower[path], upper[path]
        if low > high or (low == high and (above or not reaches)):
            return f"can never all hold: {path} cannot be at least {low} and at most {high}"
    return None
