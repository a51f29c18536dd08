"""The base of all records, and the containers that hold them."""

from datetime import datetime, timedelta
from typing import ClassVar, Literal

from blocks.contracts.reading.normalised import Normalised

CONTAINERS = (
    "workflow_workflows",
    "workflow_executions",
    "workflow_steps",
    "hitl_approvals",
    "workflow_dead_letters",
    "workflow_audit",
    "workflow_claims",
)


Origin = Literal["older-service"]
"""Where a record comes from that this system did not make itself."""

OLDER_SERVICE: Origin = "older-service"


class Record(Normalised, frozen=True, kw_only=True, rename="camel", tag_field="kind"):
    """All records' base, unique by (`tenant_id`, container, `id`); `kind` on disk is its class."""

    container: ClassVar[str]
    append_only: ClassVar[bool] = False
    """True: created once, and no store replaces or deletes it."""
    expires: ClassVar[bool] = False
    """True, of an append-only kind: it may be deleted, once the time that it is kept is over."""

    useful_for: ClassVar[timedelta | None] = None
    """From its last write on; after that nothing needs it, and a store may delete it by itself. A
    chore does it where the store does not.
    """

    id: str
    tenant_id: str
    created_at: datetime
