"""The approval rule that holds for a tenant that has set none."""

from blocks.contracts.approvals import ApprovalPolicy, ApprovalRule
from blocks.contracts.workflows import Workflow
from blocks.settings import Settings


def default_rule(workflow: Workflow, settings: Settings) -> ApprovalRule:
    return _of_prompts(settings) if workflow.has_prompts else _of_gates(settings)


def _of_gates(settings: Settings) -> ApprovalRule:
    return ApprovalRule(
        enabled=settings.feature_flags.hitl_approvals,
        min_risk_score=settings.thresholds.hitl_risk_min,
        min_amount=settings.thresholds.hitl_deal_min,
    )


def _of_prompts(settings: Settings) -> ApprovalRule:
    """Evidence decides whether a person is asked, so it has no conditions."""
    return ApprovalRule(
        enabled=settings.claims.smart_prompts,
        conditions=[],
        # The platform's form of an answer has no reason that it must give.
        policy=ApprovalPolicy(reason_required="never"),
        expires_after_seconds=settings.claims.prompt_hours * 3600,
    )
