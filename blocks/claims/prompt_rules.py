"""By which rule of its tenant a prompt is asked: who may answer, how many, until when.

The rule that is in force when the question is asked counts; a prompt that is asked keeps it.
"""

from msgspec.structs import replace

from blocks.contracts.approvals import ApprovalRule
from blocks.contracts.claims.phases import WORKFLOW
from blocks.definitions.versions import read_definition
from blocks.ports import RecordStore
from blocks.settings import Settings


async def prompt_rule(store: RecordStore, tenant_id: str, settings: Settings) -> ApprovalRule:
    """What the tenant has defined, or the platform's default. Raises `Unavailable`: then nothing is
    asked, rather than by a rule that may be weaker.
    """
    return (await read_definition(store, tenant_id, WORKFLOW, settings)).approval


async def rule_for_caller(
    store: RecordStore, tenant_id: str, settings: Settings, expiry_hours: float | None
) -> ApprovalRule:
    """The rule for a prompt that a caller creates, who may state how long it is open: never longer
    than the tenant has defined.
    """
    definition = await read_definition(store, tenant_id, WORKFLOW, settings)
    rule = definition.approval
    if expiry_hours is None:
        return rule
    seconds = expiry_hours * 3600
    if not definition.is_default and rule.expires_after_seconds is not None:
        seconds = min(seconds, rule.expires_after_seconds)
    return replace(rule, expires_after_seconds=seconds)
