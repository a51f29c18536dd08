"""Workflow definitions: a tenant's settings for a workflow, in versions; an execution keeps one.

The version in force is one record under the workflow's name. Before it is replaced, it is kept
under a name of its own, so a reader that knows a version finds it in one of the two places, even
during a replacement.
"""

from collections.abc import Callable
from contextlib import suppress
from time import monotonic

import msgspec

from blocks.approvals.forms import off_loop
from blocks.clock import utc_now
from blocks.contracts.approvals import ApprovalRule
from blocks.contracts.definitions import WantedDefinition, WantedRule
from blocks.contracts.records import WorkflowDefinition
from blocks.contracts.workflows import workflow_named
from blocks.definitions.defaults import default_rule
from blocks.definitions.rules import check_definition
from blocks.ports import AlreadyExists, NotFound, RecordStore, Stale, Stored, WrongVersion
from blocks.settings import Settings
from blocks.updates import update

CACHED_SECONDS = 5.0
"""How long a listener may act on what it knew of a tenant."""


def platform_definition(
    tenant_id: str, workflow: str, settings: Settings, version: int = 0
) -> WorkflowDefinition:
    """What holds for a tenant that has set nothing."""
    known = workflow_named(workflow)
    return WorkflowDefinition(
        id=workflow,
        tenant_id=tenant_id,
        created_at=utc_now(),
        critical_steps=list(known.critical_steps),
        step_timeout_seconds=settings.analysis.step_timeout_seconds,
        approval=default_rule(known, settings),
        version=version,
        is_default=True,
    )


async def read_definition(
    store: RecordStore,
    tenant_id: str,
    workflow: str,
    settings: Settings,
    version: int | None = None,
) -> WorkflowDefinition:
    """What holds for this tenant now, or held in this version. Raises `NotFound` for one that never
    was.
    """
    if version == 0:
        return platform_definition(tenant_id, workflow, settings)
    try:
        found = (await store.read(tenant_id, WorkflowDefinition, workflow)).record
    except NotFound:
        if version is None:
            return platform_definition(tenant_id, workflow, settings)
        raise
    if version not in (None, found.version):
        found = (
            await store.read(
                tenant_id, WorkflowDefinition, WorkflowDefinition.earlier_id(workflow, version or 0)
            )
        ).record
    return (
        platform_definition(tenant_id, workflow, settings, found.version)
        if found.is_default
        else found
    )


async def set_definition(
    store: RecordStore,
    tenant_id: str,
    workflow: str,
    settings: Settings,
    wanted: WantedDefinition,
    *,
    by: str | None = None,
    version: int | None = None,
    only_first: bool = False,
) -> WorkflowDefinition:
    """The tenant's settings are in force for every execution that starts from now on.

    Raises `InvalidDefinition`; `Stale` if the definition is no longer at this `version` or, with
    `only_first`, if the tenant has one.
    """
    await off_loop(check_definition, wanted, workflow_named(workflow))
    new = definition_of(wanted, platform_definition(tenant_id, workflow, settings), by)
    return await _replace(store, new, version, only_first)


async def change_definition(
    store: RecordStore,
    tenant_id: str,
    workflow: str,
    settings: Settings,
    change: Callable[[WorkflowDefinition], WantedDefinition],
    *,
    by: str | None = None,
    version: int | None = None,
) -> WorkflowDefinition:
    """As `set_definition`, of what `change` makes of the definition in force; it is called again
    after a lost race.
    """

    async def changed() -> WorkflowDefinition:
        now = await read_definition(store, tenant_id, workflow, settings)
        if version not in (None, now.version):
            raise WrongVersion(f"the definition of {workflow} is at version {now.version}")
        wanted, at = change(now), now.version
        try:
            return await set_definition(
                store, tenant_id, workflow, settings, wanted, by=by, version=at
            )
        except WrongVersion:
            raise Stale from None

    return await update(changed, f"the definition of {workflow}")


async def reset_definition(
    store: RecordStore,
    tenant_id: str,
    workflow: str,
    settings: Settings,
    *,
    by: str | None = None,
    version: int | None = None,
) -> WorkflowDefinition:
    """The platform's defaults hold again, as a version like any other; nothing happens where they
    hold already.

    Raises `Stale` if the definition is no longer at this `version`.
    """
    defaults = platform_definition(tenant_id, workflow, settings)
    return await _replace(
        store, msgspec.structs.replace(defaults, updated_at=utc_now(), updated_by=by), version
    )


class EnabledTenants:
    """Whether events start executions of a tenant; an answer is cached for a few seconds."""

    def __init__(self, store: RecordStore, cached_seconds: float = CACHED_SECONDS) -> None:
        self._store = store
        self._cached_seconds = cached_seconds
        self._known: dict[tuple[str, str], tuple[bool, float]] = {}

    async def include(self, tenant_id: str, workflow: str) -> bool:
        if not workflow_named(workflow).definable:
            return True
        enabled, until = self._known.get((tenant_id, workflow), (True, 0.0))
        if monotonic() >= until:
            enabled = await self._look_up(tenant_id, workflow)
            self._known[tenant_id, workflow] = (enabled, monotonic() + self._cached_seconds)
        return enabled

    async def _look_up(self, tenant_id: str, workflow: str) -> bool:
        try:
            found = (await self._store.read(tenant_id, WorkflowDefinition, workflow)).record
        except NotFound:
            return True
        return found.enabled or found.is_default


# --- write ----------------------------------------------------------------------------------------


def definition_of(
    wanted: WantedDefinition, defaults: WorkflowDefinition, by: str | None
) -> WorkflowDefinition:
    """What would hold with these settings, which `check_definition` has let through."""
    says = {name: step.critical for name, step in wanted.steps.items() if step.critical is not None}
    return msgspec.structs.replace(
        defaults,
        critical_steps=[
            name
            for name in workflow_named(defaults.id).steps
            if says.get(name, name in defaults.critical_steps)
        ],
        step_timeout_seconds=wanted.step_timeout_seconds or defaults.step_timeout_seconds,
        step_timeouts={
            name: step.timeout_seconds
            for name, step in wanted.steps.items()
            if step.timeout_seconds
        },
        approval=_rule_of(wanted.approval, defaults) if wanted.approval else defaults.approval,
        enabled=wanted.enabled,
        is_default=False,
        updated_at=utc_now(),
        updated_by=by,
    )


def _rule_of(wanted: WantedRule, defaults: WorkflowDefinition) -> ApprovalRule:
    """What is left out is as the workflow has it; of an analysis, no rule asks that is not enabled
    in so many words.
    """
    stated = {
        name: value for name, value in msgspec.to_builtins(wanted).items() if value is not None
    }
    if workflow_named(defaults.id).has_deadlines:
        return msgspec.convert(stated, ApprovalRule)
    reason = {"reasonRequired": defaults.approval.policy.reason_required}
    inherited = {
        "enabled": defaults.approval.enabled,
        "expiresAfterSeconds": defaults.approval.expires_after_seconds,
    }
    policy = {"policy": {**reason, **stated.get("policy", {})}}
    rule = {**inherited, **stated, **policy, "conditions": []}
    return msgspec.convert(rule, ApprovalRule)


async def _replace(
    store: RecordStore, new: WorkflowDefinition, version: int | None, only_first: bool = False
) -> WorkflowDefinition:
    """The next version, in force; or the one that is in force if both are the
    platform's defaults.
    """

    async def replaced() -> WorkflowDefinition:
        current = await _current(store, new.tenant_id, new.id)
        at = current.record.version if current else 0
        had_one = current is not None and not current.record.is_default
        if version not in (None, at) or (only_first and had_one):
            raise WrongVersion(f"the definition of {new.id} is at version {at}")
        if new.is_default and not had_one:
            return msgspec.structs.replace(new, version=at)
        return await _write(store, current, msgspec.structs.replace(new, version=at + 1))

    return await update(replaced, f"the definition of {new.id}")


async def _current(
    store: RecordStore, tenant_id: str, workflow: str
) -> Stored[WorkflowDefinition] | None:
    try:
        return await store.read(tenant_id, WorkflowDefinition, workflow)
    except NotFound:
        return None


async def _write(
    store: RecordStore, current: Stored[WorkflowDefinition] | None, new: WorkflowDefinition
) -> WorkflowDefinition:
    if current is None:
        return (await store.create(new.tenant_id, new)).record
    before = current.record
    with suppress(AlreadyExists):  # a version never changes: any other process kept the same
        kept = WorkflowDefinition.earlier_id(before.id, before.version)
        await store.create(before.tenant_id, msgspec.structs.replace(before, id=kept))
    return (await store.replace(new.tenant_id, current.etag, new)).record
