"""What is contradictory in a tenant's definition of a workflow; pure."""

from collections.abc import Iterator, Sequence

from blocks.approvals.condition_rules import rule_problems
from blocks.approvals.forms import check_schema
from blocks.contracts.approvals import ApprovalRule
from blocks.contracts.definitions import WantedDefinition
from blocks.contracts.workflows import Workflow
from blocks.definitions.prompt_rules import prompt_problems

_LIST_MAX = 50


class InvalidDefinition(Exception):
    """The definition is contradictory; `field` names where, `problem` what is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


def check_definition(wanted: WantedDefinition, workflow: Workflow) -> None:
    """Raises `InvalidDefinition` for a step that is none of the workflow's, for what makes no sense
    for it, and for a rule that could never come to an end.
    """
    if workflow.has_prompts:
        _raise_first(prompt_problems(wanted))
    _check_steps(wanted, workflow.steps)
    if wanted.approval is not None:
        rule = _problems(wanted.approval, expires=workflow.has_prompts)
        _raise_first((f"approval.{field}", problem) for field, problem in rule)


def _raise_first(problems: Iterator[tuple[str, str]]) -> None:
    for field, problem in problems:
        raise InvalidDefinition(field, problem)


def _check_steps(wanted: WantedDefinition, steps: Sequence[str]) -> None:
    for name in wanted.steps:
        if name not in steps:
            raise InvalidDefinition(
                f"steps.{name}"[:200], f"is no step; the steps are {', '.join(steps)}"
            )


def _problems(rule: ApprovalRule, *, expires: bool) -> Iterator[tuple[str, str]]:
    """`expires`: whether it does so by default, too."""
    yield from rule_problems(rule)
    named = rule.policy.approvers
    if named.users and not named.roles and len(set(named.users)) < rule.policy.quorum:
        yield (
            "policy.quorum",
            f"is {rule.policy.quorum}, and only {len(set(named.users))} people may approve",
        )
    if rule.form_schema is not None and (problem_of_schema := check_schema(rule.form_schema)):
        yield "formSchema", f"is no JSON Schema: {problem_of_schema}"
    if rule.on_expiry != "fail" and rule.expires_after_seconds is None and not expires:
        yield "onExpiry", "needs expiresAfterSeconds: without it, nothing ever expires"
    if rule.on_expiry == "escalate" and not rule.escalations:
        yield "onExpiry", "escalates to no one: name escalations"
    for field, times in (
        ("remindAfterSeconds", rule.remind_after_seconds),
        ("escalations", rule.escalations),
        ("conditions", rule.conditions or []),
    ):
        if len(times) > _LIST_MAX:
            yield field, f"has {len(times)} entries; at most {_LIST_MAX} are accepted"
