"""Triggers as the platform documents them: order of checks, texts, aliases and defaults."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.contracts.claims.findings import BadFinding, read_claims, route_of
from blocks.contracts.claims.requests import BadTrigger, PhaseTrigger, parse_phase, read_trigger
from tests.support.journeys.triggers import NOON, a_trigger


@pytest.mark.parametrize(
    ("raw", "phase"), [("3", 3), ("3abc", 3), (" 7", 7), ("+1", 1), ("2.9", 2)]
)
def test_a_phase_is_the_leading_integer(raw: str, phase: int) -> None:
    assert phase == parse_phase(raw)


@pytest.mark.parametrize("raw", ["0", "8", "99", "abc", "", "-1", "٣"])
def test_another_phase_is_refused_in_the_documented_words(raw: str) -> None:
    with pytest.raises(BadTrigger) as refused:
        parse_phase(raw)

    assert f"Invalid phase number: {raw}. Must be 1-7." == str(refused.value)


@pytest.mark.parametrize(
    ("phase", "body", "text"),
    [
        *((phase, {}, "user_id is required") for phase in range(1, 8)),
        *((2, {"user_id": blank}, "user_id is required") for blank in (None, "", "  ")),
        *((n, {"user_id": "u"}, f"sync_id is required for Phase {n}") for n in (2, 3, 4)),
        (5, {"user_id": "u"}, "claim_id is required for Phase 5"),
        (
            6,
            {"user_id": "u", "claim_id": "c", "reason": "r"},
            "claim_id and rejection_reason are required for Phase 6",
        ),
        *(
            (
                7,
                {"user_id": "u", "claim_id": "c", "amount": amount},
                "claim_id and amount are required for Phase 7",
            )
            for amount in (None, "", 0, Decimal("0.00"))
        ),
        (7, {"user_id": "u", "amount": 5}, "claim_id and amount are required for Phase 7"),
        (7, {"user_id": "u", "claim_id": "c", "amount": -5}, "amount must be greater than 0"),
        (
            4,
            {"user_id": "u", "sync_id": "s", "matches": [{"confidence": 1}]},
            "matches[0]: claim_id is required, a text of at most 200 characters",
        ),
        (
            4,
            {"user_id": "u", "sync_id": "s", "matches": [{"claim_id": "c", "confidence": 10**400}]},
            "matches[0]: confidence must be a number from 0 to 1",
        ),
        (3, {"user_id": "u", "sync_id": "s", "claims": "c"}, "claims must be a list of objects"),
    ],
)
def test_what_is_missing_is_named_in_the_documented_words(
    phase: Any, body: dict[str, Any], text: str
) -> None:
    with pytest.raises(BadTrigger) as refused:
        read_trigger(phase, body, now=NOON)

    assert text == str(refused.value)


def test_defaults_and_aliases_are_the_documented_ones() -> None:
    assert ("oauth_user-1_1772452800000", "user-1") == (
        a_trigger(1, sync_id=None).sync_id,
        a_trigger(1).seller_id,
    )
    assert ["claim_c-1", "rejection_c-1", "payout_c-1"] == [a_trigger(n).sync_id for n in (5, 6, 7)]
    assert ["a", None, "a", "a"] == [
        a_trigger(5, amazon_case_id="a").amazon_case_id,
        a_trigger(5, case_id="a").amazon_case_id,
        a_trigger(6, case_id="a").amazon_case_id,
        a_trigger(7, case_id="a").amazon_case_id,
    ]
    claims, matches = [{"claim_id": "c"}], [{"claim_id": "c", "confidence": 0.9}]
    assert a_trigger(3, claims=claims) == a_trigger(3, claims_found=claims)
    assert a_trigger(4, matches=matches) == a_trigger(4, matching_results=matches)
    assert 0.0 == a_trigger(4, matches=[{"claim_id": "c"}]).matches[0].confidence


def test_a_default_sync_id_that_is_spelled_out_is_still_the_claims_own() -> None:
    assert a_trigger(7, sync_id="claim_c-1").is_of_unnamed_sync
    assert not a_trigger(7, sync_id="sync-1").is_of_unnamed_sync
    assert not a_trigger(2, sync_id="claim_None").is_of_unnamed_sync


def test_a_digest_does_not_depend_on_how_the_sync_was_named() -> None:
    assert a_trigger(5).digest == a_trigger(5, sync_id="claim_c-1").digest
    assert a_trigger(5).digest != a_trigger(5, amazon_case_id="a").digest
    assert a_trigger(7).digest != a_trigger(7, currency="eur").digest


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text(st.characters(codec="utf-8"))
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)


def _through_a_double(value: Any) -> Any:
    """As Cosmos DB returns it: every number was a double, and a whole one has no fraction."""
    if isinstance(value, dict):
        return {name: _through_a_double(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_through_a_double(one) for one in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return int(float(value)) if float(value).is_integer() else float(value)


@given(_JSON)
def test_a_digest_is_the_same_after_any_store(evidence: Any) -> None:
    body = {"user_id": "u", "sync_id": "s", "claims": [{"claim_id": "c", "evidence": evidence}]}
    trigger = read_trigger(3, body, now=NOON)
    stored = _through_a_double(msgspec.json.decode(msgspec.json.encode(trigger)))

    read = msgspec.json.decode(msgspec.json.encode(stored), type=PhaseTrigger)

    assert trigger.digest == read.digest


def test_bounds_of_routes_are_inclusive() -> None:
    routes = [route_of(one, auto=0.85, prompt=0.5) for one in (0.85, 0.8499, 0.5, 0.4999)]

    assert ["auto_submit", "smart_prompt", "smart_prompt", "manual_review"] == routes


def test_an_amount_that_is_none_spoils_its_claim() -> None:
    for amount in (-1, 0, "x", 1.005, True):
        with pytest.raises(BadFinding, match=r"claims\[0\]: amount must"):
            read_claims([{"claim_id": "c", "amount": amount}])
