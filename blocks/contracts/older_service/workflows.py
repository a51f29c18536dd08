"""Workflow documents of the older service: shown as they are, never changed."""

from typing import ClassVar

from blocks.contracts.events import JsonObject
from blocks.contracts.older_service.form import Document, OlderForm
from blocks.contracts.older_service.values import (
    carriable,
    first_moment,
    own_id,
    tenant_of,
    text,
)
from blocks.contracts.records import Record


class OlderWorkflow(Record, frozen=True, kw_only=True, tag="older-workflow"):
    """A workflow of the older service. No record of this kind is ever written: it stands for a
    document without `kind`.
    """

    container: ClassVar[str] = "workflow_workflows"
    append_only: ClassVar[bool] = True

    opportunity_id: str | None
    status: str | None
    document: JsonObject
    """All its fields, as they are stored."""


def read_workflow(document: Document) -> OlderWorkflow:
    """Raises `Unreadable`. Its steps and results may be anything."""
    fields = carriable(document)
    return OlderWorkflow(
        id=own_id(document),
        tenant_id=tenant_of(document),
        created_at=first_moment(document, "createdAt", "startedAt", "updatedAt"),
        opportunity_id=text(fields.get("opportunityId")),
        status=text(fields.get("status")),
        document=fields,
    )


WORKFLOWS = OlderForm(
    read=read_workflow,
    constant={},
    choices={},
    verbatim={"status": "status", "opportunityId": "opportunityId"},
)
