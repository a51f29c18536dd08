"""Triggering a batch job by hand, for whoever may, whether a program asks or a page."""

from collections.abc import Mapping

from api.access.errors import NotForTenants
from api.http.errors import IdempotencyMismatch
from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.jobs import (
    TENANT_ID,
    TENANT_IDS,
    InvalidTrigger,
    Job,
    checked_metadata,
    job_named,
)
from blocks.contracts.records import ExecutionRecord
from blocks.jobs import triggers
from blocks.ports import EventBus, RecordStore


async def trigger_for(
    store: RecordStore,
    bus: EventBus,
    tenant_id: str,
    job_id: str,
    metadata: Mapping[str, object],
    key: str,
) -> ExecutionRecord:
    """The trigger has been sent to the batch workers; the same key of a tenant is sent once.

    A tenant triggers a job for itself alone. Raises `InvalidTrigger`, `NotForTenants` for a job
    that cannot be limited to a tenant, `IdempotencyMismatch`, `Unavailable`.
    """
    job = job_named(job_id)
    limited = _limited_to(tenant_id, job, checked_metadata(job, metadata))
    # Computed from the key, so that a request whose answer was lost with its process is sent under
    # the same id, too.
    try:
        request = triggers.by_hand(job, "api", f"{tenant_id} {key}", limited)
        return await triggers.trigger(store, bus, request)
    except triggers.RequestReused:
        raise IdempotencyMismatch from None


def is_open_to(tenant_id: str, job: Job) -> bool:
    """Whether the tenant may trigger this job at all: the platform may trigger each."""
    return tenant_id == SYSTEM_TENANT or TENANT_IDS in job.fields


def _limited_to(tenant_id: str, job: Job, metadata: JsonObject) -> JsonObject:
    """The permitted metadata: for the platform unchanged, for a tenant limited to itself."""
    if tenant_id == SYSTEM_TENANT:
        return metadata
    if not is_open_to(tenant_id, job):
        raise NotForTenants
    for field, named in (
        (TENANT_IDS, metadata.get("tenantIds", [])),
        (TENANT_ID, [metadata.get("tenantId")]),
    ):
        if any(other not in (None, tenant_id) for other in named):
            raise InvalidTrigger(field.name, "names another tenant", "your own tenant")
    return metadata if "tenantId" in metadata else {**metadata, "tenantIds": [tenant_id]}
