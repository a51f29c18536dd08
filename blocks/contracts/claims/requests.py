"""What triggers a phase: its number in the path and a JSON object, checked in the order and with
the texts that the platform documents.

Order: the phase number, the user, then what the phase needs. Fields that no phase uses are dropped.
"""

import hashlib
import re
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

import msgspec

from blocks.contracts.claims.findings import BadFinding, Claim, Match, read_claims, read_matches
from blocks.contracts.claims.money import BadAmount, Currency, cents_of, currency_of
from blocks.contracts.claims.phases import PHASES, PhaseNumber
from blocks.contracts.events import JsonObject
from blocks.contracts.reading.uuids import matching_id

_LEADING_INTEGER = re.compile(r"\s*([+-]?[0-9]{1,9})")
_ID_MAX = 200
_TEXT_MAX = 2_000
_COUNT_MAX = 2**53 - 1


class BadTrigger(ValueError):
    """The trigger cannot be used; the message is the text of the 400."""


class PhaseTrigger(msgspec.Struct, frozen=True, kw_only=True):
    """A request for one phase, as it counts: the same content has the same `digest`."""

    phase: PhaseNumber
    user_id: str
    sync_id: str
    """As named, or the phase's default."""
    names_sync: bool
    """Whether the caller named the sync."""
    claim_id: str | None = None
    """Of phases 5 to 7."""
    seller_id: str = ""
    orders_count: int = 0
    inventory_items: int = 0
    claims: list[Claim] = []
    matches: list[Match] = []
    amazon_case_id: str | None = None
    rejection_reason: str | None = None
    amount_cents: int | None = None
    """Of phase 7."""
    currency: Currency = "usd"
    names_currency: bool = True
    """Whether the caller named it; if not, the claim's counts, as it is known at the charge."""

    @property
    def is_of_unnamed_sync(self) -> bool:
        """Whether its sync id is the default of its claim, which some callers spell out."""
        defaults = (f"{word}_{self.claim_id}" for word in ("claim", "rejection", "payout"))
        return self.claim_id is not None and self.sync_id in defaults

    @property
    def digest(self) -> str:
        """Of what the phase works with; how the caller named sync and currency does not count."""
        content = msgspec.structs.replace(
            self,
            sync_id="",
            names_sync=False,
            names_currency=True,
            user_id=matching_id(self.user_id),
            claim_id=self.claim_id and matching_id(self.claim_id),
        )
        encoded = msgspec.json.encode(content, order="deterministic")
        return hashlib.sha256(encoded).hexdigest()


def parse_phase(raw: str) -> PhaseNumber:
    """The phase of a path: its leading integer, so "3abc" is 3. Raises `BadTrigger`."""
    found = _LEADING_INTEGER.match(raw)
    number = int(found[1]) if found else 0
    if number not in PHASES:
        raise BadTrigger(f"Invalid phase number: {raw[:80]}. Must be 1-7.")
    return cast(PhaseNumber, number)


def read_trigger(phase: PhaseNumber, body: JsonObject, *, now: datetime) -> PhaseTrigger:
    """The trigger of a phase. `body`: decoded with `float_hook=Decimal`. Raises `BadTrigger`."""
    user_id = _id(body, "user_id")
    if user_id is None:
        raise BadTrigger("user_id is required")
    try:
        return _READERS[phase](user_id, body, now)
    except (BadAmount, BadFinding) as error:
        raise BadTrigger(str(error)) from None


def _onboarding(user_id: str, body: JsonObject, now: datetime) -> PhaseTrigger:
    sync_id = _id(body, "sync_id")
    return PhaseTrigger(
        phase=1,
        user_id=user_id,
        sync_id=sync_id or f"oauth_{user_id}_{int(now.timestamp() * 1000)}",
        names_sync=sync_id is not None,
        seller_id=_id(body, "seller_id") or user_id,
    )


def _discovery(user_id: str, body: JsonObject, now: datetime) -> PhaseTrigger:
    return PhaseTrigger(
        phase=2,
        user_id=user_id,
        sync_id=_sync_id(2, body),
        names_sync=True,
        orders_count=_count(body, "orders_count"),
        inventory_items=_count(body, "inventory_items"),
    )


def _evidence(user_id: str, body: JsonObject, now: datetime) -> PhaseTrigger:
    return PhaseTrigger(
        phase=3,
        user_id=user_id,
        sync_id=_sync_id(3, body),
        names_sync=True,
        claims=read_claims(_either(body, "claims", "claims_found")),
    )


def _routing(user_id: str, body: JsonObject, now: datetime) -> PhaseTrigger:
    return PhaseTrigger(
        phase=4,
        user_id=user_id,
        sync_id=_sync_id(4, body),
        names_sync=True,
        matches=read_matches(_either(body, "matches", "matching_results")),
    )


def _submission(user_id: str, body: JsonObject, now: datetime) -> PhaseTrigger:
    claim_id = _id(body, "claim_id")
    if claim_id is None:
        raise BadTrigger("claim_id is required for Phase 5")
    sync_id = _id(body, "sync_id")
    return PhaseTrigger(
        phase=5,
        user_id=user_id,
        sync_id=sync_id or f"claim_{claim_id}",
        names_sync=sync_id is not None,
        claim_id=claim_id,
        amazon_case_id=_id(body, "amazon_case_id"),
    )


def _rejection(user_id: str, body: JsonObject, now: datetime) -> PhaseTrigger:
    claim_id, reason = _id(body, "claim_id"), body.get("rejection_reason")
    if claim_id is None or not isinstance(reason, str) or not reason.strip():
        raise BadTrigger("claim_id and rejection_reason are required for Phase 6")
    sync_id = _id(body, "sync_id")
    return PhaseTrigger(
        phase=6,
        user_id=user_id,
        sync_id=sync_id or f"rejection_{claim_id}",
        names_sync=sync_id is not None,
        claim_id=claim_id,
        rejection_reason=reason.strip()[:_TEXT_MAX],
        amazon_case_id=_id(body, "amazon_case_id") or _id(body, "case_id"),
    )


def _payout(user_id: str, body: JsonObject, now: datetime) -> PhaseTrigger:
    claim_id, amount = _id(body, "claim_id"), body.get("amount")
    if claim_id is None or _is_missing(amount):
        raise BadTrigger("claim_id and amount are required for Phase 7")
    sync_id, currency = _id(body, "sync_id"), body.get("currency")
    return PhaseTrigger(
        phase=7,
        user_id=user_id,
        sync_id=sync_id or f"payout_{claim_id}",
        names_sync=sync_id is not None,
        claim_id=claim_id,
        amount_cents=cents_of(amount),
        currency=currency_of(currency),
        names_currency=currency not in (None, ""),
        amazon_case_id=_id(body, "amazon_case_id") or _id(body, "case_id"),
    )


_READERS = {
    1: _onboarding,
    2: _discovery,
    3: _evidence,
    4: _routing,
    5: _submission,
    6: _rejection,
    7: _payout,
}


def _is_missing(amount: Any) -> bool:
    """As the source reads it: nothing, an empty text, and 0."""
    return amount is None or amount == "" or (amount == 0 and not isinstance(amount, bool))


def _sync_id(phase: int, body: JsonObject) -> str:
    sync_id = _id(body, "sync_id")
    if sync_id is None:
        raise BadTrigger(f"sync_id is required for Phase {phase}")
    return sync_id


def _either(body: JsonObject, name: str, alias: str) -> Any:
    return body[name] if body.get(name) is not None else body.get(alias)


def _id(body: JsonObject, name: str) -> str | None:
    """An id: a text without blanks around it, or a whole number; None if there is none."""
    value = body.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > _ID_MAX or not value.isprintable():
        raise BadTrigger(f"{name} must be a text of at most {_ID_MAX} characters")
    return value.strip() or None


def _count(body: JsonObject, name: str) -> int:
    value = body.get(name)
    if value is None:
        return 0
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _COUNT_MAX:
        raise BadTrigger(f"{name} must be a whole number from 0 to {_COUNT_MAX}")
    return value
