"""Starting an execution that no event requested: by request, or as a rerun of one that has ended.

The request has a computed id, used where an event's id would be: the same request always opens the
same execution.
"""

import hashlib
from collections.abc import Sequence
from itertools import count
from uuid import uuid4

import msgspec

from blocks.actions.retrying import notify_dispatchers
from blocks.clock import utc_now
from blocks.contracts import ids, workflows
from blocks.contracts.events import JsonObject
from blocks.contracts.reading.uuids import matching_id, spellings
from blocks.contracts.records import ExecutionRecord, Trigger
from blocks.executions import transitions
from blocks.ports import AlreadyExists, EventBus, Query, RecordStore
from blocks.tenants.directory import enter_in_directory

STARTED_BY_REQUEST = "workflow.start.requested"
RERUN_BY_REQUEST = "workflow.rerun.requested"
"""What stands as the event type in the trigger of such an execution; nothing of the kind goes over
the bus.
"""

RERUNS_MAX = 100


class KeyReused(Exception):
    """This key has started an execution before, of another subject or with other input."""


class NotRerunnable(Exception):
    """The execution cannot be rerun, for this reason."""

    def __init__(self, execution_id: str, reason: str) -> None:
        super().__init__(f"execution {execution_id} cannot be rerun: {reason}")
        self.execution_id = execution_id
        self.reason = reason


class StartRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request for one execution. The same `key` of the same tenant is the same request."""

    workflow: str
    subject: str
    input: JsonObject = {}
    priority: int = 0
    key: str = msgspec.field(default_factory=lambda: str(uuid4()))
    actor: str | None = None
    """The user who requests it, and may not decide its approval."""


async def start_execution(
    store: RecordStore, bus: EventBus, tenant_id: str, request: StartRequest
) -> ExecutionRecord:
    """The execution of this request, for dispatchers to carry out if it is new, else as it stands.

    Raises `KeyReused`, `Unavailable`. It is an execution of its own: unlike an event it is not
    absorbed by one of its subject that is still pending.
    """
    opened, is_new = await open_execution(store, tenant_id, request)
    if is_new:
        await notify_dispatchers(bus, opened)
    return opened


async def open_execution(
    store: RecordStore, tenant_id: str, request: StartRequest
) -> tuple[ExecutionRecord, bool]:
    """The execution of this request, and whether it is new: then the caller carries it out, or
    notifies dispatchers. Raises as `start_execution` does.
    """
    request_id = ids.start_id(tenant_id, request.workflow, request.key)
    content = (matching_id(request.subject), request.input, request.priority)
    trigger = _trigger(request_id, STARTED_BY_REQUEST, content, request.actor)
    execution = transitions.new_execution(
        tenant_id,
        request.workflow,
        request.subject,
        trigger,
        request.input,
        priority=request.priority,
    )
    opened, is_new = await _open(store, execution)
    # Events may have been absorbed since: the request itself came first.
    if opened.triggers[0].digest != trigger.digest:
        raise KeyReused(
            f"this key has started execution {opened.id}, of another subject or with other input"
        )
    return opened, is_new


async def rerun_execution(
    store: RecordStore, bus: EventBus, tenant_id: str, execution_id: str, actor: str | None = None
) -> ExecutionRecord:
    """A new execution with the subject and input of one that has ended, whose `rerun_of` names it.

    While a rerun of it is open, every further request returns that one. Raises `NotFound`,
    `NotRerunnable`, `Unavailable`.
    """
    ended = (await store.read(tenant_id, ExecutionRecord, execution_id)).record
    _check(ended)
    reruns = await store.query(
        tenant_id,
        Query(ExecutionRecord, {"rerun_of": ended.id, "subject": spellings(ended.subject_on_wire)}),
    )
    newest = reruns.items[0].record if reruns.items else None
    if newest and not newest.is_terminal:
        return newest
    if len(reruns.items) >= RERUNS_MAX:
        raise NotRerunnable(
            ended.id, f"it has been {RERUNS_MAX} times; start an execution of its own"
        )
    request_id = _next_rerun(ended, [stored.record for stored in reruns.items])
    trigger = _trigger(request_id, RERUN_BY_REQUEST, ended.id, actor)
    execution = transitions.new_execution(
        tenant_id,
        ended.workflow,
        ended.subject_on_wire,
        trigger,
        ended.input,
        priority=ended.priority,
    )
    opened, is_new = await _open(store, msgspec.structs.replace(execution, rerun_of=ended.id))
    if is_new:
        await notify_dispatchers(bus, opened)
    return opened


def _next_rerun(ended: ExecutionRecord, reruns: Sequence[ExecutionRecord]) -> str:
    """The first id that none of them has: earlier ones may have been deleted."""
    taken = {rerun.trigger_ids[0] for rerun in reruns}
    numbered = (ids.rerun_id(ended.id, number) for number in count())
    return next(id for id in numbered if id not in taken)


async def _open(store: RecordStore, execution: ExecutionRecord) -> tuple[ExecutionRecord, bool]:
    """The execution and True; if it was opened before, as it is and False."""
    await enter_in_directory(store, execution.tenant_id)
    try:
        return (await store.create(execution.tenant_id, execution)).record, True
    except AlreadyExists:
        known = await store.read(execution.tenant_id, ExecutionRecord, execution.id)
        return known.record, False


def _trigger(request_id: str, kind: str, content: object, actor: str | None) -> Trigger:
    digest = hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()
    return Trigger(
        event_id=request_id, event_type=kind, received_at=utc_now(), digest=digest, actor=actor
    )


def _check(execution: ExecutionRecord) -> None:
    workflow = workflows.workflow_named(execution.workflow)
    if not workflow.startable:
        raise NotRerunnable(execution.id, f"it is a {workflow.name}; {workflow.instead}")
    if not execution.is_terminal:
        raise NotRerunnable(
            execution.id, f"it is {execution.status}, and only what has ended can be"
        )
