"""What a person needs to see to decide, read from an approval's context.

Answers of the platform's services have a known frame and free insides, so each part is shown as a
card where its shape is known, and otherwise as it is.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from blocks.contracts.claims.prompts import Prompt, prompt_of
from blocks.contracts.events import JsonObject
from blocks.contracts.records import ApprovalRecord

Tone = Literal["good", "waiting", "bad", "neutral"]

_HIGH, _MIDDLE = 0.8, 0.5

_TITLES = ("title", "name", "riskName", "action", "type", "category", "riskType", "summary")
_TEXTS = ("description", "rationale", "reason", "explanation", "text", "details", "mitigation")
_LEVELS = ("severity", "level", "priority", "impact")
_PERIODS = ("period", "month", "quarter", "year", "date", "label", "name", "scenario")
_VALUES = ("value", "amount", "revenue", "forecast", "expected")
_TONES: Mapping[str, Tone] = {
    "critical": "bad",
    "high": "bad",
    "medium": "waiting",
    "moderate": "waiting",
    "low": "good",
}
_POINTS_MAX = 60


class Finding(msgspec.Struct, frozen=True):
    """One risk or one recommendation."""

    title: str
    text: str = ""
    level: str = ""
    tone: Tone = "neutral"
    score: float | None = None
    """From 0 to 1: how sure, or how likely."""
    others: JsonObject = {}
    """What else was stated."""


class Risk(msgspec.Struct, frozen=True):
    score: float | None
    tone: Tone
    findings: Sequence[Finding]


class Forecast(msgspec.Struct, frozen=True):
    figure: float | None
    points: Sequence[tuple[str, float]]
    """By period or scenario, in the order in which they were stated."""
    confidence: float | None
    others: JsonObject


class Evidence(msgspec.Struct, frozen=True):
    """The context of an approval."""

    risk: Risk | None
    forecast: Forecast | None
    recommendations: Sequence[Finding]
    reasons: Sequence[str]
    """Why the rule could not be judged."""
    prompt: Prompt | None
    others: JsonObject


def evidence_of(approval: ApprovalRecord) -> Evidence:
    """Nothing of the context is left out: what has no card is in `others`."""
    if (prompt := prompt_of(approval)) is not None:
        return Evidence(None, None, (), (), prompt, {})
    others = dict(approval.context)
    risk = _risk(approval, others)
    forecast = _forecast(others)
    recommendations = _recommendations(others)
    reasons = others.pop("reasons", [])
    if not (isinstance(reasons, list) and all(isinstance(one, str) for one in reasons)):
        others["reasons"], reasons = reasons, []
    return Evidence(risk, forecast, recommendations, reasons, None, others)


def tone_of(score: float | None) -> Tone:
    """Of a risk score, from 0 to 1."""
    if score is None:
        return "neutral"
    return "bad" if score >= _HIGH else "waiting" if score >= _MIDDLE else "good"


def _risk(approval: ApprovalRecord, others: JsonObject) -> Risk | None:
    stated = others.get("risk")
    if not isinstance(stated, dict):
        score = approval.risk_score or None
        return Risk(score, tone_of(score), ()) if score is not None else None
    findings = stated.get("detectedRisks") or []
    if not isinstance(findings, list):
        return None
    del others["risk"]
    if rest := _without(stated, "riskScore", "detectedRisks", "evaluationId"):
        others["risk"] = rest
    score = _number(stated.get("riskScore"))
    return Risk(score, tone_of(score), [_finding(one) for one in findings])


def _forecast(others: JsonObject) -> Forecast | None:
    stated = others.get("forecast")
    if not isinstance(stated, dict):
        return None
    del others["forecast"]
    value = stated.get("revenueForecast")
    figure, points = _number(value), _points(value)
    shown: tuple[str, ...] = ("forecastId", "confidence")
    if figure is not None or points or value is None:
        shown = (*shown, "revenueForecast")
    return Forecast(figure, points, _number(stated.get("confidence")), _without(stated, *shown))


def _recommendations(others: JsonObject) -> Sequence[Finding]:
    stated = others.get("recommendations")
    listed = stated.get("recommendations") if isinstance(stated, dict) else stated
    if not isinstance(listed, list):
        return ()
    del others["recommendations"]
    if isinstance(stated, dict) and (
        rest := _without(stated, "recommendations", "recommendationId", "count")
    ):
        others["recommendations"] = rest
    return [_finding(one) for one in listed]


def _finding(stated: object) -> Finding:
    if not isinstance(stated, dict):
        return Finding(_text(stated))
    title, text, level = (_first(stated, names, str) for names in (_TITLES, _TEXTS, _LEVELS))
    score = next(
        (name for name in ("confidence", "probability", "score") if _is_share(stated.get(name))),
        None,
    )
    named = [one for one in (title, text, level, score) if one]
    return Finding(
        title=stated[title] if title else "Without a title",
        text=stated[text] if text else "",
        level=stated[level] if level else "",
        tone=_TONES.get(stated[level].casefold(), "neutral") if level else "neutral",
        score=stated[score] if score else None,
        others=_without(stated, *named),
    )


def _points(value: object) -> list[tuple[str, float]]:
    """None unless every entry is a number with a name, so that no chart leaves one out."""
    entries: list[tuple[object, object]] = []
    match value:
        case dict():
            entries = list(value.items())
        case [*listed]:
            for place, one in enumerate(listed, start=1):
                if isinstance(one, dict):
                    period = _first(one, _PERIODS, str, int)
                    amount = _first(one, _VALUES, int, float)
                    if not (period and amount and len(one) == 2):
                        return []
                    entries.append((one[period], one[amount]))
                else:
                    entries.append((place, one))
    points = [
        (_text(name), number) for name, one in entries if (number := _number(one)) is not None
    ]
    complete = len(points) == len(entries) <= _POINTS_MAX and all(one >= 0 for _, one in points)
    return points if complete else []


def _first(stated: JsonObject, names: Sequence[str], *kinds: type) -> str | None:
    return next((name for name in names if stated.get(name) and type(stated[name]) in kinds), None)


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _is_share(value: object) -> bool:
    number = _number(value)
    return number is not None and 0 <= number <= 1


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _without(stated: Mapping[str, Any], *names: str) -> JsonObject:
    return {name: value for name, value in stated.items() if name not in names}
