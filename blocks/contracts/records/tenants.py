"""What is kept of a tenant: its definitions, its share of the dispatcher, its places."""

from datetime import datetime
from typing import Annotated, ClassVar

import msgspec

from blocks.contracts.approvals import ApprovalRule
from blocks.contracts.reading.limits import Count
from blocks.contracts.reading.normalised import Normalised
from blocks.contracts.records.base import Record


class WorkflowDefinition(Record, frozen=True, kw_only=True, tag="definition"):
    """A tenant's settings for a workflow, by its name (`id`). Absent: the platform's defaults.

    A version that is replaced is kept under `earlier_id`, for the executions that have started with
    it.
    """

    container: ClassVar[str] = "workflow_workflows"

    critical_steps: list[str]
    step_timeout_seconds: float
    """Of every step that `step_timeouts` does not name."""
    step_timeouts: dict[str, float] = {}
    approval: ApprovalRule = ApprovalRule()
    enabled: bool = True
    """Whether events start executions."""
    version: int = 1
    is_default: bool = False
    """The tenant went back to the platform's defaults: they count, not the fields above."""
    updated_at: datetime | None = None
    updated_by: str | None = None

    @staticmethod
    def earlier_id(workflow: str, version: int) -> str:
        return f"{workflow}@{version}"

    @staticmethod
    def is_earlier(id: str) -> bool:
        """Whether this is the id of a version that was replaced."""
        return "@" in id


class TenantShare(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The share of a tenant while others compete with it."""

    weight: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 1.0
    """Its share in relation to others of the same priority: 3 gets three times what 1 gets."""
    priority: Annotated[int, msgspec.Meta(ge=-100, le=100)] = 0
    """Tenants of a higher priority go first, regardless of weights."""
    running_max: Count | None = None
    """Limit of concurrent executions (those that await a person do not count); None: no limit, 0:
    none.
    """


class DispatchPolicy(Record, frozen=True, kw_only=True, tag="dispatch-policy"):
    """How dispatchers share the system among tenants; one record under the system tenant, changed
    while they run.
    """

    container: ClassVar[str] = "workflow_workflows"
    ID: ClassVar[str] = "dispatch-policy"

    default: TenantShare = TenantShare()
    tenants: dict[str, TenantShare] = {}
    running_max: Count | None = None
    """Limit of concurrent executions of all tenants."""
    batch_max: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None
    """Limit of executions per flow run; None: the setting `dispatch.batch_max`."""

    def share_of(self, tenant_id: str) -> TenantShare:
        return self.tenants.get(tenant_id, self.default)


class TenantRecord(Record, frozen=True, kw_only=True, tag="tenant"):
    """One line of the tenant directory, kept under the system tenant: whose records a sweep has to
    visit.
    """

    container: ClassVar[str] = "workflow_workflows"

    tenant: str


class Place(Normalised, frozen=True, kw_only=True, rename="camel"):
    """One place on a roster, and since when it is taken."""

    group: str
    since: datetime


class RosterRecord(Record, frozen=True, kw_only=True, tag="roster"):
    """Who takes the places of something of which a tenant has a limited number; see
    `blocks.tenants.rosters`.
    """

    container: ClassVar[str] = "workflow_workflows"

    places: dict[str, Place] = {}
    """By the id of the record that takes it."""

    @staticmethod
    def id_of(what: str, tenant_id: str) -> str:
        return f"roster:{what}:{tenant_id}"
