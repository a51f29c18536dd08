"""One opportunity analysis in memory: its record, what its steps have brought so far, and what
follows from that.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from blocks.approvals import conditions
from blocks.approvals.condition_rules import rule_problems
from blocks.approvals.conditions import Judgement
from blocks.contracts.analysis import ANALYSIS_STEPS, STEP_BY_NAME, AnalysisStep
from blocks.contracts.approvals import ApprovalRule
from blocks.contracts.events import JsonObject
from blocks.contracts.opportunity_facts import Amount, Unknown, amount_of, facts_of, owner_of
from blocks.contracts.records import ApprovalRecord, ExecutionRecord, StepRecord, WorkflowDefinition
from blocks.ports import Stored
from flows.analysis.approval import approval_of

Verdict = Literal["undecided", "completed", "failed"]


class AnalysisRules(msgspec.Struct, frozen=True):
    """The settings of a tenant: its own workflow definition, or the platform's defaults."""

    critical_steps: frozenset[str]
    step_timeout: timedelta
    """Of every step that `step_timeouts` does not name."""
    approval: ApprovalRule
    step_timeouts: Mapping[str, timedelta] = {}

    def timeout_of(self, step: str) -> timedelta:
        return self.step_timeouts.get(step, self.step_timeout)


class Analysis:
    """One execution of the batch. `stored` is the record as this run last wrote it: its ETag is the
    right to write.
    """

    def __init__(self, stored: Stored[ExecutionRecord], rules: AnalysisRules) -> None:
        self.stored = stored
        self.rules = rules
        self.outcomes: dict[str, StepRecord] = {}
        self.requested: set[str] = set()
        self.is_over = False
        """True once this run has nothing more to do for it: ended, waiting for a person, or taken
        over.
        """

    @property
    def id(self) -> str:
        return self.stored.record.id

    def deadline_of(self, step: AnalysisStep) -> datetime:
        record = self.stored.record
        return (record.started_at or record.updated_at) + self.rules.timeout_of(step.name)

    @property
    def verdict(self) -> Verdict:
        """Failed once a critical step has failed; completed when every step has ended."""
        if self.failed_step:
            return "failed"
        return "completed" if len(self.outcomes) == len(ANALYSIS_STEPS) else "undecided"

    @property
    def failed_step(self) -> StepRecord | None:
        """The critical step that failed first."""
        failed = [
            outcome
            for outcome in self.outcomes.values()
            if outcome.status == "failed" and outcome.step in self.rules.critical_steps
        ]
        return min(failed, key=lambda outcome: outcome.completed_at, default=None)

    @property
    def results(self) -> JsonObject:
        """Result key to result, of the steps that have one; at the gate, as they stand on the
        record.
        """
        if not self.outcomes:
            return self.stored.record.results or {}
        return {
            STEP_BY_NAME[name].result_key: outcome.result
            for name, outcome in self.outcomes.items()
            if outcome.status == "completed"
        }

    @property
    def missing_steps(self) -> list[str]:
        return [
            step.name
            for step in ANALYSIS_STEPS
            if STEP_BY_NAME[step.name].result_key not in self.results
        ]

    @property
    def findings(self) -> JsonObject:
        """What the record gets of the steps when this run concludes it."""
        return {"results": self.results, "missing_steps": self.missing_steps}

    @property
    def completes(self) -> bool:
        """Nothing has failed and no person is to be asked: it ends with what was found."""
        return self.verdict == "completed" and not self.needs_approval

    @property
    def needs_approval(self) -> bool:
        """The tenant's rule demands one, or an approval was requested from outside."""
        return self.rule_asks or bool(self.stored.record.approval_ids)

    @property
    def rule_asks(self) -> bool:
        """The tenant's rule holds, or cannot be judged."""
        return self.judgement.holds is not False

    @property
    def judgement(self) -> Judgement:
        """What the tenant's rule comes to, over what was found and what the input states."""
        rule = self.rules.approval
        if not rule.enabled:
            return Judgement(False)
        # Stored before rules were checked: one that would be refused today cannot be relied on.
        if problem := next(rule_problems(rule), None):
            return Judgement(None, (f"the rule's {problem[0]} {problem[1]}",))
        return conditions.judge_all(rule.every_condition, self.facts, rule.on_unknown)

    @property
    def facts(self) -> JsonObject:
        """What the conditions of a rule refer to."""
        record = self.stored.record
        return facts_of(record.input, record.subject, self.results or record.results or {})

    @property
    def amount(self) -> Amount:
        """The deal's amount as the input states it, in the platform's unit."""
        return amount_of(self.stored.record.input)

    @property
    def owner_id(self) -> str | None:
        """Who owns the opportunity, if the input states it."""
        owner = owner_of(self.stored.record.input)
        return None if isinstance(owner, Unknown) else owner

    @property
    def awaits_approval(self) -> bool:
        """True while this run holds it at its gate; a batch gives it up to a run of its own."""
        return (
            self.stored.record.status == "awaiting_approval"
            and self.stored.record.flow_run_id is not None
        )

    def approval(self) -> ApprovalRecord:
        """The approval that its gate requests."""
        return approval_of(
            self.stored.record,
            self.rules.approval,
            amount=self.amount,
            owner_id=self.owner_id,
            reasons=self.judgement.reasons,
            facts=self.facts,
        )

    def waits_for(self, step: AnalysisStep) -> bool:
        return not self.is_over and self.verdict == "undecided" and step.name not in self.outcomes


def rules_in(definition: WorkflowDefinition) -> AnalysisRules:
    """The rules that a definition states."""
    return AnalysisRules(
        critical_steps=frozenset(definition.critical_steps),
        step_timeout=timedelta(seconds=definition.step_timeout_seconds),
        approval=definition.approval,
        step_timeouts={
            name: timedelta(seconds=seconds) for name, seconds in definition.step_timeouts.items()
        },
    )
