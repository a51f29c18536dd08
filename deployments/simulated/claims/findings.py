"""What the simulated services find out, drawn from the ids of user and claim: the same each time.

Of three claims one is sure, one is for a person's word, one is for review.
"""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

CLAIMS_PER_USER = 4

_RANGES = ((0.87, 0.99), (0.55, 0.82), (0.2, 0.45))
"""Of confidence, by the claim's number: at least 0.85 is sure, at least 0.5 is asked."""

_CATEGORIES = ("high", "medium", "low")
_TYPES = ("lost_inventory", "damaged_inventory", "fee_overcharge", "customer_return")
_MATCHES = ("exact_invoice", "sku_match", "partial_match")
_FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)


def seller_data_of(user_id: str) -> dict[str, int]:
    draw = _draw("seller", user_id)
    return {
        "orders_count": draw.randint(200, 5_000),
        "inventory_items": draw.randint(20, 400),
    }


def claims_of(user_id: str, number: int) -> list[dict[str, Any]]:
    """Claims of phase 3, with amounts in dollars and cents."""
    return [_claim(user_id, place) for place in range(number)]


def match_of(claim_id: str) -> dict[str, Any]:
    """A match of phase 4. A claim that is not ours has a place of its own in the three ranges."""
    draw = _draw("match", claim_id)
    place = _place_of(claim_id, draw) % len(_RANGES)
    return {
        "claim_id": claim_id,
        "evidence_document_id": f"doc_{draw.getrandbits(40):010x}",
        "confidence": _confidence(place, draw),
        "match_type": _MATCHES[place],
        "reasoning": f"An invoice matches by {_MATCHES[place].replace('_', ' ')}",
    }


def case_id_of(claim_id: str) -> str:
    """Amazon's case number."""
    return str(_draw("case", claim_id).randint(10**10, 10**11 - 1))


def charge_id_of(key: str) -> str:
    return f"ch_{sha256(key.encode()).hexdigest()[:24]}"


def counts_of(matches: Sequence[dict[str, Any]]) -> dict[str, int]:
    """As the matching service counts them when it goes on by itself."""
    sure = sum(match["confidence"] >= 0.85 for match in matches)
    asked = sum(0.5 <= match["confidence"] < 0.85 for match in matches)
    return {"matches": len(matches), "auto_submits": sure, "smart_prompts": asked}


def _claim(user_id: str, place: int) -> dict[str, Any]:
    draw = _draw(f"claim {place}", user_id)
    discovered = _FIRST_DAY + timedelta(days=draw.randint(0, 300))
    confidence = _confidence(place % len(_RANGES), draw)
    return {
        "claim_id": f"clm_{sha256(user_id.encode()).hexdigest()[:12]}_{place}",
        "claim_type": _TYPES[place % len(_TYPES)],
        "amount": msgspec.Raw(f"{draw.randint(5, 900)}.{draw.randint(0, 99):02d}".encode()),
        "currency": "usd",
        "confidence": confidence,
        "confidence_category": _CATEGORIES[place % len(_RANGES)],
        "evidence": {"order_id": f"{draw.randint(100, 999)}-{draw.randint(10**6, 10**7 - 1)}"},
        "discovery_date": discovered.isoformat(),
        "deadline_date": (discovered + timedelta(days=60)).isoformat(),
        "is_sandbox": False,
    }


def _place_of(claim_id: str, draw: random.Random) -> int:
    number = claim_id.rpartition("_")[2]
    if claim_id.startswith("clm_") and number.isdecimal() and len(number) < 6:
        return int(number)
    return draw.randrange(len(_RANGES))


def _confidence(place: int, draw: random.Random) -> float:
    return round(draw.uniform(*_RANGES[place]), 2)


def _draw(what: str, id: str) -> random.Random:
    return random.Random(f"{what}:{id}")
