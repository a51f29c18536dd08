"""A change of some fields of a definition, as JSON merge patch (RFC 7396) has it."""

from typing import Any

import msgspec

from blocks.contracts.events import JsonObject
from blocks.contracts.records import WorkflowDefinition
from blocks.contracts.workflows import workflow_named


def patched(definition: WorkflowDefinition, patch: JsonObject) -> JsonObject:
    """The whole definition to set, unchecked: what is in force, with the patch applied. A null goes
    back to the platform's default.
    """
    whole: JsonObject = _merged(as_set(definition), patch)
    return whole


def as_set(definition: WorkflowDefinition) -> JsonObject:
    """What a tenant would set for this; nothing, where the platform's defaults are in force."""
    if definition.is_default:
        return {}
    workflow = workflow_named(definition.id)
    rule: JsonObject = {
        name: value
        for name, value in msgspec.to_builtins(definition.approval).items()
        if value is not None and not (name == "conditions" and workflow.has_prompts)
    }
    whole: JsonObject = {"enabled": definition.enabled, "approval": rule}
    if workflow.has_deadlines:
        whole["stepTimeoutSeconds"] = definition.step_timeout_seconds
        whole["steps"] = {name: _step(definition, name) for name in workflow.steps}
    return whole


def _step(definition: WorkflowDefinition, name: str) -> JsonObject:
    critical = {"critical": name in definition.critical_steps}
    seconds = definition.step_timeouts.get(name)
    return critical if seconds is None else {**critical, "timeoutSeconds": seconds}


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    known = target if isinstance(target, dict) else {}
    kept = {name: value for name, value in known.items() if name not in patch}
    return kept | {
        name: _merged(known.get(name), value) for name, value in patch.items() if value is not None
    }
