"""What the simulated services have: content, leads, opportunities, notifications."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from blocks.contracts.events import JsonObject

CMS: JsonObject = {
    "services": [{"id": 1, "name": "Freight"}, {"id": 2, "name": "Customs"}],
    "pages": {"data": [{"slug": "home"}, {"slug": "prices"}, {"slug": "contact"}]},
    "menu": {"title": "Main", "entries": 4},
    "posts": [{"id": number, "title": f"News {number}"} for number in range(1, 6)],
}
"""By the last word of its path."""

PAGES = ("home", "orders", "prices", "sessions")
HEALTHY, ILL = ("core", "gateway", "comms-hub"), "search"
"""Services whose health is asked for; the last one fails."""

QUALIFIED_FROM = 10_000
"""A lead with such a budget is worth a call."""


def leads(today: date) -> list[JsonObject]:
    """Two of today, one of yesterday."""
    days = (today, today, today - timedelta(days=1))
    return [
        {"id": f"lead-{number}", "createdAt": _at(day), "budget": budget}
        for number, (day, budget) in enumerate(zip(days, (25_000, 800, 12_000), strict=True), 1)
    ]


def opportunities(today: date) -> list[JsonObject]:
    """One overdue, one in time, one won."""
    return [
        {"id": 1, "stage": "proposal", "expectedCloseDate": _day(today, -7)},
        {"id": 2, "stage": "proposal", "expectedCloseDate": _day(today, 30)},
        {"id": 3, "status": "won", "expectedCloseDate": _day(today, -30)},
    ]


def notifications() -> list[JsonObject]:
    """Two for one user, one for another."""
    return [
        {"userId": "u-1", "title": "Your shipment has arrived", "body": "Hamburg, gate 4"},
        {"userId": "u-1", "title": "An invoice is due"},
        {"email": "ben@shop.example", "title": "A document was signed"},
    ]


def analysis(step: str, given: JsonObject) -> JsonObject:
    """What the AI workflow finds, from what it is sent alone."""
    found = [lead for lead in given.get("leads", []) if isinstance(lead, dict)]
    if step == "business-intel":
        budgets = [lead["budget"] for lead in found if isinstance(lead.get("budget"), int)]
        return {"insights": {"pipeline": sum(budgets), "largestLead": max(budgets, default=0)}}
    return {"qualifications": [_qualification(lead) for lead in found]}


def _qualification(lead: JsonObject) -> JsonObject:
    budget: Any = lead.get("budget") or 0
    is_qualified = budget >= QUALIFIED_FROM
    reason = "its budget is large" if is_qualified else "its budget is small"
    return {"leadId": lead.get("id"), "qualified": is_qualified, "reason": reason}


def _at(day: date) -> str:
    return datetime.combine(day, time(8), UTC).isoformat()


def _day(today: date, days: int) -> str:
    return (today + timedelta(days=days)).isoformat()
