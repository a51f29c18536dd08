"""The settings of sales; docs/operations/sales-operations.md."""

from blocks.contracts.reading.limits import EmailOrNone, TokenOrNone
from blocks.settings.operations.schedule import Scheduled


class SalesOperations(Scheduled, frozen=True, kw_only=True):
    """Empty addresses: there is no such service."""

    ai_workflow_url: str
    """Analyses what it is sent, and answers with what it found."""
    ai_workflow_token: TokenOrNone
    """Sent to it as `Authorization: Bearer`; empty: none."""
    inngest_event_key: TokenOrNone
    """Where it is set, the analysis is a function of Inngest, which an event starts."""
    inngest_signing_key: TokenOrNone
    """With it, the output of the function is read."""
    inngest_event_url: str
    inngest_api_url: str
    leads_url: str
    """Of the CRM: all leads that are open."""
    opportunities_url: str
    """Of the CRM: all opportunities."""
    qualification_url: str
    """Of the CRM: takes what was found about the lead `{leadId}`."""
    crm_token: TokenOrNone
    """Sent to the CRM as `Authorization: Bearer`; empty: none."""
    recipient: EmailOrNone
    """Of the report; empty: the operators."""

    def __repr__(self) -> str:
        return f"SalesOperations(cron={self.cron!r}, ai_workflow_url={self.ai_workflow_url!r})"
