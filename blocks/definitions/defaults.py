"""The approval rule that holds for a tenant that has set none, by workflow."""

from collections.abc import Callable, Mapping

from blocks.contracts import analysis
from blocks.contracts.approvals import ApprovalPolicy, ApprovalRule
from blocks.contracts.claims import phases as claim_phases
from blocks.settings import Settings


def default_rule(workflow: str, settings: Settings) -> ApprovalRule:
    return _RULES[workflow](settings)


def _of_analyses(settings: Settings) -> ApprovalRule:
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


_RULES: Mapping[str, Callable[[Settings], ApprovalRule]] = {
    analysis.WORKFLOW: _of_analyses,
    claim_phases.WORKFLOW: _of_prompts,
}
