"""Workflow definitions for a person at a terminal: read from files, shown in force."""

from collections.abc import Sequence
from typing import Any

import click
import msgspec
import yaml

from api.definitions.documents import Definition, definition_of
from blocks.contracts.approvals import ApprovalPolicy, ApprovalRule, Condition, Stage
from blocks.contracts.definitions import WantedDefinition
from blocks.contracts.reading.numbers import shown
from blocks.contracts.reading.repeated_keys import RepeatedKey
from blocks.contracts.records import WorkflowDefinition
from blocks.definitions import versions
from blocks.ports import RecordStore
from blocks.services import open_store
from blocks.settings import load_settings
from blocks.tenants.dispatch_policy import read_policy
from deployments.cli.acts import audited
from deployments.printing import console, facts_of, say_json, styled, table_of


async def read(tenant_id: str, workflow: str) -> Definition:
    settings = load_settings()
    async with open_store(settings) as store:
        return await _shown(
            store, await versions.read_definition(store, tenant_id, workflow, settings)
        )


async def write(
    tenant_id: str, workflow: str, text: bytes, actor: str, version: int | None
) -> Definition:
    """The definition in the text is in force. Raises `InvalidDefinition`, `Stale`, readably."""
    wanted, settings = read_wanted(text), load_settings()
    async with (
        open_store(settings) as opened,
        audited(opened, tenant_id, "definitions set", actor, workflow) as store,
    ):
        definition = await versions.set_definition(
            store, tenant_id, workflow, settings, wanted, by=actor, version=version
        )
        return await _shown(opened, definition)


async def reset(tenant_id: str, workflow: str, actor: str, version: int | None) -> Definition:
    settings = load_settings()
    async with (
        open_store(settings) as opened,
        audited(opened, tenant_id, "definitions reset", actor, workflow) as store,
    ):
        await versions.reset_definition(
            store, tenant_id, workflow, settings, by=actor, version=version
        )
    return await read(tenant_id, workflow)


async def _shown(store: RecordStore, definition: WorkflowDefinition) -> Definition:
    return definition_of(definition, (await read_policy(store)).share_of(definition.tenant_id))


def print_definition(definition: Definition, *, as_json: bool) -> None:
    if as_json:
        say_json(definition, indent=2)
        return
    out = console()
    changed = f"{definition.updated_at:%Y-%m-%d %H:%M:%S}Z" if definition.updated_at else None
    facts = {
        "workflow": definition.workflow,
        "version": str(definition.version)
        + (" (the platform’s defaults)" if definition.is_default else ""),
        "changed": " by ".join(filter(None, (changed, definition.updated_by))),
        "events": "start executions" if definition.enabled else styled("start nothing", "yellow"),
        "approval": _rule(definition.approval),
    }
    if not definition.steps:
        del facts["events"]
        out.print(facts_of(facts))
        return
    out.print(facts_of(facts))
    out.print()
    steps = table_of("STEP", "CRITICAL", "TIMEOUT")
    for name, step in definition.steps.items():
        steps.add_row(name, "yes" if step.critical else "no", f"{step.timeout_seconds:g} s")
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


def read_wanted(text: bytes) -> WantedDefinition:
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
