"""A phase's end, a claim and an amount in one line each."""

from collections.abc import Callable, Mapping, Sequence

from blocks.contracts.claims.phases import PHASES
from blocks.contracts.events import JsonObject
from deployments.printing import PlainTable, table_of

ROUTES = {
    "auto_submit": "submitted by itself",
    "smart_prompt": "a person is asked",
    "manual_review": "for review",
}


def line_of(entry: JsonObject) -> str:
    """A line of the journey's log: the phase, its outcome, how long it took, what came out."""
    took = entry.get("durationMs")
    columns = (
        f"{PHASES[entry['phase']].title:<42}",
        f"{entry['mark']:<9}",
        f"{took / 1000:>5.1f} s " if took is not None else " " * 8,
        _outcome(entry),
    )
    return "  ".join(columns).rstrip()


def claims_table(claims: Sequence[JsonObject]) -> PlainTable:
    table = table_of("  CLAIM", "AMOUNT", "EVIDENCE", "ROUTE", "STATUS")
    for claim in claims:
        table.add_row(
            f"  {claim['claimId']}",
            money(claim.get("amountCents"), claim.get("currency", "usd")),
            _percent(claim.get("matchConfidence")),
            ROUTES.get(claim.get("route") or "", ""),
            claim["status"],
        )
    return table


def money(cents: int | None, currency: str) -> str:
    """`1,234.50 USD`; an unknown amount is empty."""
    return "" if cents is None else f"{cents // 100:,}.{cents % 100:02d} {currency.upper()}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _outcome(entry: JsonObject) -> str:
    if entry["mark"] != "completed":
        return str(entry.get("error") or entry.get("message") or "")
    result = entry.get("result") or {}
    return _OUTCOMES[entry["phase"]](result) if result else ""


def _paid(result: JsonObject) -> str:
    currency = str(result["currency"]).upper()
    return (
        f"{result['claim_id']}: {result['amount_recovered']:,.2f} {currency}, fee "
        f"{result['platform_fee']:,.2f}, the seller keeps {result['seller_payout']:,.2f}"
    )


_OUTCOMES: Mapping[int, Callable[[JsonObject], str]] = {
    1: lambda result: f"seller {result['seller_id']} is synced",
    2: lambda result: f"{result['orders_count']} orders, {result['inventory_items']} items",
    3: lambda result: (
        f"{result['claims_found']} claims found, {result['high_confidence']} of them sure"
    ),
    4: lambda result: (
        f"{result['matches']} matches: {result['auto_submits']} to submit, "
        f"{result['smart_prompts']} to ask about, {result['manual_review']} for review"
    ),
    5: lambda result: f"{result['claim_id']}: Amazon case {result['amazon_case_id'] or 'unknown'}",
    6: lambda result: f"{result['claim_id']}: {result['rejection_reason']}",
    7: _paid,
}
