"""Workflow definitions for a person at a terminal: read from files, shown in force."""

from collections.abc import Sequence
from typing import Any

import click
import msgspec
import yaml

from blocks.contracts.approvals import ApprovalPolicy, ApprovalRule, Condition, Stage
from blocks.contracts.definitions import WantedDefinition
from blocks.contracts.reading.numbers import shown
from blocks.contracts.reading.repeated_keys import RepeatedKey
from blocks.contracts.records import WorkflowDefinition
from blocks.contracts.workflows import workflow_named
from blocks.definitions import versions
from blocks.services import open_store
from blocks.settings import load_settings
from deployments.cli.acts import audited
from deployments.printing import console, facts_of, say_json, styled, table_of


async def read(tenant_id: str, workflow: str) -> WorkflowDefinition:
    settings = load_settings()
    async with open_store(settings) as store:
        return await versions.read_definition(store, tenant_id, workflow, settings)


async def write(
    tenant_id: str, workflow: str, text: bytes, actor: str, version: int | None
) -> WorkflowDefinition:
    """The definition in the text is in force. Raises `InvalidDefinition`, `Stale`, readably."""
    wanted, settings = _wanted(text), load_settings()
    async with (
        open_store(settings) as opened,
        audited(opened, tenant_id, "definitions set", actor, workflow) as store,
    ):
        return await versions.set_definition(
            store, tenant_id, workflow, settings, wanted, by=actor, version=version
        )


async def reset(
    tenant_id: str, workflow: str, actor: str, version: int | None
) -> WorkflowDefinition:
    settings = load_settings()
    async with (
        open_store(settings) as opened,
        audited(opened, tenant_id, "definitions reset", actor, workflow) as store,
    ):
        return await versions.reset_definition(
            store, tenant_id, workflow, settings, by=actor, version=version
        )


def print_definition(definition: WorkflowDefinition, *, as_json: bool) -> None:
    if as_json:
        say_json(definition, indent=2)
        return
    out = console()
    changed = f"{definition.updated_at:%Y-%m-%d %H:%M:%S}Z" if definition.updated_at else None
    facts = {
        "workflow": definition.id,
        "version": str(definition.version)
        + (" (the platform’s defaults)" if definition.is_default else ""),
        "changed": " by ".join(filter(None, (changed, definition.updated_by))),
        "events": "start executions" if definition.enabled else styled("start nothing", "yellow"),
        "approval": _rule(definition.approval),
    }
    if not workflow_named(definition.id).has_deadlines:
        del facts["events"]
        out.print(facts_of(facts))
        return
    out.print(facts_of(facts))
    out.print()
    steps = table_of("STEP", "CRITICAL", "TIMEOUT")
    for step in workflow_named(definition.id).steps:
        timeout = definition.step_timeouts.get(step, definition.step_timeout_seconds)
        steps.add_row(step, "yes" if step in definition.critical_steps else "no", f"{timeout:g} s")
    out.print(steps)


def _rule(rule: ApprovalRule) -> str:
    if not rule.enabled:
        return "no one is asked"
    asked = [_stage(stage) for stage in rule.stages] or [_asked(rule.policy)]
    return f"if {_all(rule.every_condition) or 'always'}: {', then '.join(asked)}"


def _stage(stage: Stage) -> str:
    only = f" if {_all(stage.conditions)}" if stage.conditions else ""
    return f"{_asked(stage.policy)} ({stage.name}{only})"


def _all(conditions: Sequence[Condition]) -> str:
    return " and ".join(f"{one.path} {one.op} {one.value}" for one in conditions)


def _asked(policy: ApprovalPolicy) -> str:
    approvers = policy.approvers
    who = (
        ", ".join([*approvers.users, *(f"role {role}" for role in approvers.roles)]) or "everybody"
    )
    return f"{policy.quorum} of {who}"


_MERGE = "tag:yaml.org,2002:merge"


class _OnceKeyed(yaml.SafeLoader):
    """Refuses what the API refuses in JSON: a key that stands twice in one mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != _MERGE]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise RepeatedKey(f"the key {shown(key)} stands twice in one object")
        return super().construct_mapping(node, deep)


def _wanted(text: bytes) -> WantedDefinition:
    try:
        tree = yaml.load(text, _OnceKeyed)
    except RepeatedKey as repeated:
        raise click.BadParameter(
            f"must hold each key once: {repeated}", param_hint="FILE"
        ) from None
    except RecursionError:
        raise click.BadParameter("is nested too deep", param_hint="FILE") from None
    except yaml.YAMLError as error:
        raise click.BadParameter(
            f"is neither YAML nor JSON: {' '.join(str(error).split())}", param_hint="FILE"
        ) from None
    try:
        return msgspec.convert(tree, WantedDefinition)
    except msgspec.ValidationError as error:
        raise click.BadParameter(str(error), param_hint="FILE") from None
