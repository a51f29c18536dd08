"""What a person looks for among executions: fields of a form, of which empty ones are none."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, get_args

import msgspec

from api.http.errors import InvalidRequest, Problem
from api.pages.days import day_of
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations import operation_named
from blocks.contracts.reading.uuids import spellings
from blocks.contracts.states import OPEN, ExecutionStatus
from blocks.contracts.workflows import WORKFLOWS
from blocks.ports import Between

STATUSES: Mapping[str, tuple[str, ...]] = {
    "": (),
    "open": OPEN,
    **{status: (status,) for status in get_args(ExecutionStatus)},
}
"""What the address has, and what it stands for."""

TABS = (
    ("", "All"),
    ("open", "Open"),
    ("awaiting_approval", "Awaiting approval"),
    ("failed", "Failed"),
    ("completed", "Completed"),
    ("cancelled", "Cancelled"),
)


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """As the address states it."""

    text: str = ""
    workflow: str = ""
    status: str = ""
    since: str = ""
    until: str = ""

    @property
    def query(self) -> dict[str, str]:
        """Of links that keep these filters."""
        stated = {
            "q": self.text,
            "workflow": self.workflow,
            "status": self.status,
            "from": self.since,
            "to": self.until,
        }
        return {name: value for name, value in stated.items() if value}

    @property
    def is_empty(self) -> bool:
        return not self.query

    def where(self) -> dict[str, Any]:
        """The conditions for the store; days are those of UTC, the last one included.

        Raises `InvalidRequest`.
        """
        if self.status not in STATUSES:
            raise _invalid("status", f"must be one of: {', '.join(filter(None, STATUSES))}")
        since, until = day_of("from", self.since), day_of("to", self.until)
        if until:
            until += timedelta(days=1)
        return {
            "workflow": self.workflow or None,
            "status": STATUSES[self.status] or None,
            "subject": spellings(self.text) if self.text else None,
            "created_at": Between(since=since, until=until) if since or until else None,
        }


def workflows_of(tenant_id: str) -> list[tuple[str, str]]:
    """Name and title of each that a tenant can have; operations are the platform's."""
    return [
        (workflow.name, workflow.title)
        for workflow in WORKFLOWS.values()
        if tenant_id == SYSTEM_TENANT or operation_named(workflow.name) is None
    ]


def title_of(workflow: str) -> str:
    """Of one that this version does not know, its name."""
    return WORKFLOWS[workflow].title if workflow in WORKFLOWS else workflow


def _invalid(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(Problem(field=field, message=message, source="query"))
