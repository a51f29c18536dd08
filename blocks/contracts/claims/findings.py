"""Claims that detection found and matches of evidence, as they come in a trigger.

What they hold is read as the services write it; ids of claims, amounts and confidences are checked,
because money and a person's time follow from them.
"""

from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

from blocks.contracts.claims.money import BadAmount, Currency, cents_of, currency_of
from blocks.contracts.reading.normalised import Normalised

FINDINGS_MAX = 1_000
"""In one trigger."""

ClaimId = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\S")]

Route = Literal["auto_submit", "smart_prompt", "manual_review"]

_EXACT_INTEGERS = 2**53

DEFAULT_MATCH_CONFIDENCE = 0.0
"""What a match without a confidence counts as. (The platform's Python caller sends 0.5 in its
place, so 0 is what is left to callers that send none: nothing is submitted on their word.)
"""


class BadFinding(ValueError):
    """A claim or a match that cannot be used; the message is the text of a 400."""


class Claim(Normalised, frozen=True, kw_only=True, rename={"amount_cents": "amountCents"}):
    """A claim that phase 3 has named."""

    claim_id: ClaimId
    claim_type: str = ""
    amount_cents: int | None = None
    """None: not known."""
    currency: Currency = "usd"
    confidence: float = 0.0
    """0..1."""
    is_sandbox: bool = False
    details: dict[str, Any] = {}
    """What else the service wrote: evidence, dates, category."""


class Match(Normalised, frozen=True, kw_only=True):
    """Evidence for a claim, which phase 4 routes."""

    claim_id: ClaimId
    evidence_document_id: str = ""
    confidence: float = 0.0
    """0..1."""
    match_type: str = ""
    reasoning: str = ""


def read_claims(value: Any) -> list[Claim]:
    """The claims of a trigger, each claim once (the last counts). Raises `BadFinding`."""
    items = _objects(value, "claims")
    return list({claim.claim_id: claim for claim in map(_claim, range(len(items)), items)}.values())


def read_matches(value: Any) -> list[Match]:
    """The matches of a trigger; of several for one claim, the most confident. Raises
    `BadFinding`.
    """
    best: dict[str, Match] = {}
    for number, item in enumerate(_objects(value, "matches")):
        match = _match(number, item)
        known = best.get(match.claim_id)
        if known is None or match.confidence > known.confidence:
            best[match.claim_id] = match
    return list(best.values())


def route_of(confidence: float, *, auto: float, prompt: float) -> Route:
    """Where a match goes; both bounds are inclusive."""
    if confidence >= auto:
        return "auto_submit"
    return "smart_prompt" if confidence >= prompt else "manual_review"


def _claim(number: int, item: dict[str, Any]) -> Claim:
    where = f"claims[{number}]"
    known = ("claim_id", "claim_type", "amount", "currency", "confidence", "is_sandbox")
    amount = item.get("amount")
    try:
        cents = None if amount is None else cents_of(amount)
        currency = currency_of(item.get("currency"))
    except BadAmount as error:
        raise BadFinding(f"{where}: {error}") from None
    return Claim(
        claim_id=_claim_id(item, where),
        claim_type=_text(item.get("claim_type")),
        amount_cents=cents,
        currency=currency,
        confidence=_confidence(item.get("confidence"), where, 0.0),
        is_sandbox=item.get("is_sandbox") is True,
        details={name: plain(value) for name, value in item.items() if name not in known},
    )


def _match(number: int, item: dict[str, Any]) -> Match:
    where = f"matches[{number}]"
    return Match(
        claim_id=_claim_id(item, where),
        evidence_document_id=_text(item.get("evidence_document_id")),
        confidence=_confidence(item.get("confidence"), where, DEFAULT_MATCH_CONFIDENCE),
        match_type=_text(item.get("match_type")),
        reasoning=_text(item.get("reasoning")),
    )


def _objects(value: Any, name: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadFinding(f"{name} must be a list of objects")
    if len(value) > FINDINGS_MAX:
        raise BadFinding(f"{name} must have at most {FINDINGS_MAX} items")
    return value


def _claim_id(item: dict[str, Any], where: str) -> str:
    id = item.get("claim_id")
    if isinstance(id, int) and not isinstance(id, bool):
        id = str(id)
    if not isinstance(id, str) or not id.strip() or len(id) > 200 or not id.isprintable():
        raise BadFinding(f"{where}: claim_id is required, a text of at most 200 characters")
    return id.strip()


def _confidence(value: Any, where: str, default: float) -> float:
    if value is None:
        return default
    try:
        confidence = float(value) if not isinstance(value, bool) else float("nan")
    except (TypeError, ValueError, OverflowError):
        confidence = float("nan")
    if not 0 <= confidence <= 1:
        raise BadFinding(f"{where}: confidence must be a number from 0 to 1")
    return confidence


def _text(value: Any) -> str:
    return str(value)[:2_000] if value is not None else ""


def plain(value: Any) -> Any:
    """A JSON value that is the same after any store: numbers that a double does not hold exactly
    become text, and whole ones are integers, since Cosmos DB returns 1.0 as 1.
    """
    match value:
        case dict():
            return {name: plain(one) for name, one in value.items()}
        case list():
            return [plain(one) for one in value]
        case bool():
            return value
        case int() | float() | Decimal():
            return _number(value)
    return value


def _number(value: int | float | Decimal) -> int | float | str:
    exact = Decimal(value)
    if not exact.is_finite() or abs(exact) >= _EXACT_INTEGERS:
        return str(value)
    if exact == exact.to_integral_value():
        return int(exact)
    double = float(exact)  # of what is close to a whole number, that number
    return int(double) if double.is_integer() else double
