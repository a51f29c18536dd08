"""What the simulated services do with a request, and what they remember."""

from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from blocks.claims.asking.failed import Service
from blocks.contracts.claims.money import CURRENCIES, fee_of
from blocks.contracts.events import JsonObject
from deployments.simulated.claims import findings

FEE_PERCENT = Decimal(20)
FEE_CENTS_MIN = 50


class BadRequest(ValueError):
    """Answered with this status and the message."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """Money that was taken."""

    id: str
    user_id: str
    claim_id: str
    amount_recovered_cents: int
    fee_cents: int
    currency: str
    idempotency_key: str


class Work:
    """All services' work; lives as long as its process."""

    def __init__(self, claims_per_user: int = findings.CLAIMS_PER_USER) -> None:
        self._claims_per_user = claims_per_user
        self._charges: dict[str, Charge] = {}
        """By Idempotency-Key."""
        self.requests: Counter[tuple[Service, str]] = Counter()
        """How often each service was asked, by user."""

    def do(self, service: Service, body: JsonObject, key: str, *, later: bool) -> JsonObject:
        """The answer. Raises `BadRequest`."""
        if later and service in _LATER:
            return _LATER[service](body)
        return _WORK[service](self, body, key)

    def charges(self, claim_id: str | None = None) -> list[Charge]:
        """In the order in which they were made."""
        return [one for one in self._charges.values() if claim_id in (None, one.claim_id)]

    def sync(self, body: JsonObject, key: str) -> JsonObject:
        data = findings.seller_data_of(_text(body, "user_id"))
        return {"success": True, "data": {"sync_id": _text(body, "sync_id"), **data}}

    def detect(self, body: JsonObject, key: str) -> JsonObject:
        claims = findings.claims_of(_text(body, "user_id"), self._claims_per_user)
        return {"success": True, "data": {"claims": claims}}

    def match(self, body: JsonObject, key: str) -> JsonObject:
        matches = _matches(body)
        return {"ok": True, "data": {**findings.counts_of(matches), "matches": matches}}

    def submit(self, body: JsonObject, key: str) -> JsonObject:
        _text(body, "user_id")
        case_id = findings.case_id_of(_text(body, "claim_id"))
        return {"ok": True, "data": {"amazon_case_id": case_id, "status": "submitted"}}

    def log_rejection(self, body: JsonObject, key: str) -> JsonObject:
        for name in ("user_id", "claim_id", "rejection_reason"):
            _text(body, name)
        return {"ok": True, "data": {"logged": True}}

    def charge(self, body: JsonObject, key: str) -> JsonObject:
        """One charge for a key; another body under it is refused, as payment providers do."""
        if not key:
            raise BadRequest("Idempotency-Key header is required")
        asked = _charge(body, key)
        made = self._charges.setdefault(key, asked)
        if made != asked:
            raise BadRequest("Idempotency-Key was used with another body", status=409)
        return {
            "success": True,
            "data": {
                "chargeId": made.id,
                "feeCents": made.fee_cents,
                "currency": made.currency,
                "amountRecoveredCents": made.amount_recovered_cents,
                "userId": made.user_id,
                "claimId": made.claim_id,
            },
        }


_WORK: Mapping[Service, Callable[[Work, JsonObject, str], JsonObject]] = {
    "sync": Work.sync,
    "detection": Work.detect,
    "matching": Work.match,
    "submission": Work.submit,
    "rejections": Work.log_rejection,
    "payments": Work.charge,
}


def _detected_later(body: JsonObject) -> JsonObject:
    _text(body, "user_id")
    return {"success": True, "data": {"detection_job_queued": True}}


def _matched_later(body: JsonObject) -> JsonObject:
    counts = findings.counts_of(_matches(body))
    return {"ok": True, "data": {**counts, "message": f"{counts['matches']} matches"}}


_LATER: Mapping[Service, Callable[[JsonObject], JsonObject]] = {
    "detection": _detected_later,
    "matching": _matched_later,
}


def _matches(body: JsonObject) -> list[dict[str, Any]]:
    _text(body, "user_id")
    claims = body.get("claims")
    if not isinstance(claims, list) or not all(isinstance(claim, dict) for claim in claims):
        raise BadRequest("claims must be a list of objects")
    return [findings.match_of(_text(claim, "claim_id")) for claim in claims]


def _charge(body: JsonObject, key: str) -> Charge:
    cents, currency = body.get("amountRecoveredCents"), body.get("currency")
    if not isinstance(cents, int) or isinstance(cents, bool) or cents <= 0:
        raise BadRequest("amountRecoveredCents must be a whole number above 0")
    currency = currency.lower() if isinstance(currency, str) else currency
    if currency not in CURRENCIES:
        raise BadRequest(f"currency must be one of {', '.join(CURRENCIES)}")
    return Charge(
        id=findings.charge_id_of(key),
        user_id=_text(body, "userId"),
        claim_id=_text(body, "claimId"),
        amount_recovered_cents=cents,
        fee_cents=_commission(body, cents),
        currency=currency,
        idempotency_key=key,
    )


def _commission(body: JsonObject, amount_cents: int) -> int:
    """As the request states it; otherwise 20 %, at least 50 cents and at most the amount, as the
    platform's own service computes it.
    """
    stated = body.get("commissionCents")
    if stated is None:
        return min(max(fee_of(amount_cents, FEE_PERCENT), FEE_CENTS_MIN), amount_cents)
    if not isinstance(stated, int) or isinstance(stated, bool) or not 0 < stated <= amount_cents:
        raise BadRequest("commissionCents must be a whole number from 1 to amountRecoveredCents")
    return stated


def _text(body: JsonObject, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"{name} is required")
    return value
