"""A CRM, the AI workflow, Inngest and the directory of roles: one HTTP server with all routes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.operations.web import Asked, Reply, WebService, web_service

SIGNING_KEY = "signkey-test-0123456789"
EVENT_KEY = "event-key-of-tests"

FOUND: dict[str, Any] = {
    "insights": {"trend": "rising", "leadsToday": 999, "parts": {}},
    "qualifications": [
        {"leadId": "l-1", "qualified": True, "score": 0.9, "reason": "large order"},
        {"leadId": "l-2", "qualified": False},
        {"leadId": "of-another", "qualified": True},
    ],
}
"""What every analysis finds."""


class Sales:
    def __init__(self) -> None:
        self.leads: list[Any] = [
            {"id": "l-1", "createdAt": "2026-11-29T08:00:00Z"},
            {"id": "l-2", "createdAt": "2026-11-28T08:00:00Z"},
        ]
        self.opportunities: list[Any] = [
            {"id": 1, "stage": "proposal", "expectedCloseDate": "2026-11-01"},
            {"id": 2, "stage": "proposal", "expectedCloseDate": "2026-12-24"},
            {"id": 3, "status": "won", "expectedCloseDate": "2026-11-01"},
            {"unreadable": True},
        ]
        self.failures: list[int] = []
        """Statuses of the next analyses, in place of their work."""
        self.endings: list[str] = []
        """How the next functions of Inngest end; else they complete."""
        self.events: list[dict[str, Any]] = []
        """Those that Inngest took, each `id` once."""
        self.service: WebService

    @property
    def variables(self) -> dict[str, str]:
        """Settings of the CRM and the AI workflow."""
        url = self.service.url
        return {
            "SALES_LEADS_URL": f"{url}/crm/leads",
            "SALES_OPPORTUNITIES_URL": f"{url}/crm/opportunities",
            "SALES_QUALIFICATION_URL": f"{url}/crm/leads/{{leadId}}/qualification",
            "SALES_CRM_TOKEN": "of-the-crm",
            "SALES_AI_WORKFLOW_URL": f"{url}/ai",
        }

    @property
    def inngest_variables(self) -> dict[str, str]:
        """Settings of Inngest beside those of the CRM."""
        url = self.service.url
        return self.variables | {
            "INNGEST_EVENT_KEY": EVENT_KEY,
            "INNGEST_SIGNING_KEY": SIGNING_KEY,
            "INNGEST_EVENT_URL": url,
            "INNGEST_API_URL": url,
        }

    def asked(self, path: str) -> list[Asked]:
        """The requests to this path, or below it."""
        return [one for one in self.service.asked if one.path.startswith(path)]

    def answer(self, asked: Asked) -> Reply:
        match asked.path.strip("/").split("/"):
            case ["crm", "leads"]:
                return Reply(content={"data": self.leads})
            case ["crm", "opportunities"]:
                return Reply(content=self.opportunities)
            case ["crm", "leads", _, "qualification"]:
                return Reply(status=204)
            case ["users", _, _]:
                return Reply(status=201)
            case ["ai"]:
                return Reply(status=self.failures.pop(0)) if self.failures else Reply(content=FOUND)
            case ["e", key]:
                return self._take(asked.json) if key == EVENT_KEY else Reply(status=401)
            case ["v1", "events", event_id, "runs"]:
                return self._runs(asked, event_id)
        return Reply(status=404)

    def _take(self, event: dict[str, Any]) -> Reply:
        self.events.append(event)
        return Reply(content={"ids": [f"internal-{len(self.events)}"], "status": 200})

    def _runs(self, asked: Asked, event_id: str) -> Reply:
        if asked.headers.get("authorization") != f"Bearer {SIGNING_KEY}":
            return Reply(status=401, content={"error": "unauthorised"})
        ending = self.endings.pop(0) if self.endings else "Completed"
        return Reply(content={"data": [{"run_id": event_id, "status": ending, "output": FOUND}]})


@contextmanager
def running_sales() -> Iterator[Sales]:
    """They serve while the context lasts."""
    sales = Sales()
    with web_service(sales.answer) as sales.service:
        yield sales
