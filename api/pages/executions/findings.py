"""What an analysis found, as people read it: the services' answers, whatever shape they have."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from blocks.contracts.analysis import ANALYSIS_STEPS
from blocks.contracts.events import JsonObject

SHOWN_MAX = 20
"""Risks and recommendations on a card; the JSON below has all."""


class Point(msgspec.Struct, frozen=True):
    """A risk or a recommendation."""

    title: str
    text: str
    share: float | None
    """From 0 to 1, of its contribution, its score or its confidence."""


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """None is what is not known, or not yet."""

    risk: float | None
    model_risk: float | None
    """The score of the model, beside that of the evaluation."""
    model_confidence: float | None
    risks: list[Point]
    revenue: Any
    revenue_confidence: float | None
    recommendations: list[Point]
    missing: dict[str, str]
    """Why a card is empty, by its key in the results: `waiting`, or the error of its step."""


def findings_of(results: Mapping[str, Any], missing: Mapping[str, str]) -> Findings:
    """Of an analysis' results; also those of its steps that are there already."""
    risk, scoring = _part(results, "risk"), _part(results, "scoring")
    forecast, advice = _part(results, "forecast"), _part(results, "recommendations")
    return Findings(
        risk=_share(risk.get("riskScore")),
        model_risk=_share(scoring.get("mlRiskScore")),
        model_confidence=_share(scoring.get("confidence")),
        risks=_points(risk.get("detectedRisks"), ("contribution", "ponderation", "confidence")),
        revenue=forecast.get("revenueForecast"),
        revenue_confidence=_share(forecast.get("confidence")),
        recommendations=_points(advice.get("recommendations"), ("score", "confidence")),
        missing={key: why for key, why in missing.items() if key not in results},
    )


def results_of_steps(steps: Iterable[Any]) -> JsonObject:
    """What has been answered, under the names that it has in the results at the end."""
    keys = {step.name: step.result_key for step in ANALYSIS_STEPS}
    return {
        keys[step.step]: step.result
        for step in steps
        if step.step in keys and step.status == "completed" and step.result is not None
    }


def _part(results: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = results.get(key)
    return part if isinstance(part, Mapping) else {}


def _share(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return min(max(float(value), 0.0), 1.0) if is_number else None


def _points(listed: Any, shares: tuple[str, ...]) -> list[Point]:
    if not isinstance(listed, list):
        return []
    points = [_point(one, shares) for one in listed[:SHOWN_MAX]]
    return sorted(points, key=lambda one: -(one.share or 0))


def _point(one: Any, shares: tuple[str, ...]) -> Point:
    if not isinstance(one, Mapping):
        return Point(str(one), "", None)
    title = _first(one, ("title", "riskName", "name", "type")) or "Without a title"
    text = _first(one, ("description", "explainability", "text", "category"))
    share = next((known for name in shares if (known := _share(one.get(name))) is not None), None)
    return Point(title, text, share)


def _first(one: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((str(one[name]) for name in names if isinstance(one.get(name), str)), "")
