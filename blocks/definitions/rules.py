"""What is contradictory in a tenant's definition of a workflow; pure."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import msgspec

from blocks.approvals.condition_rules import conditions_problems, rule_problems
from blocks.approvals.forms import check_schema
from blocks.contracts.approvals import ApprovalRule, Stage, Terms
from blocks.contracts.definitions import WantedDefinition, WantedRule
from blocks.contracts.workflows import Workflow
from blocks.definitions.prompt_rules import prompt_problems

_LIST_MAX = 50
STAGES_MAX = 10


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
    if rule.form_schema is not None and (problem_of_schema := check_schema(rule.form_schema)):
        yield "formSchema", f"is no JSON Schema: {problem_of_schema}"
    yield from _problems_of_terms(rule, expires=expires)
    yield from _problems_of_length("conditions", rule.conditions or [])
    yield from stage_problems(rule)


def _problems_of_terms(terms: Terms, *, expires: bool) -> Iterator[tuple[str, str]]:
    named = terms.policy.approvers
    if named.users and not named.roles and len(set(named.users)) < terms.policy.quorum:
        yield (
            "policy.quorum",
            f"is {terms.policy.quorum}, and only {len(set(named.users))} people may approve",
        )
    if terms.on_expiry != "fail" and terms.expires_after_seconds is None and not expires:
        yield "onExpiry", "needs expiresAfterSeconds: without it, nothing ever expires"
    if terms.on_expiry == "escalate" and not terms.escalations:
        yield "onExpiry", "escalates to no one: name escalations"
    yield from _problems_of_length("remindAfterSeconds", terms.remind_after_seconds)
    yield from _problems_of_length("escalations", terms.escalations)


def _problems_of_length(field: str, entries: Sequence[object]) -> Iterator[tuple[str, str]]:
    if len(entries) > _LIST_MAX:
        yield field, f"has {len(entries)} entries; at most {_LIST_MAX} are accepted"


# --- stages ---------------------------------------------------------------------------------------


def stage_problems(rule: ApprovalRule) -> Iterator[tuple[str, str]]:
    """Field and problem of what is contradictory in the stages of a rule."""
    if not rule.stages:
        return
    if len(rule.stages) > STAGES_MAX:
        yield "stages", f"has {len(rule.stages)} entries; at most {STAGES_MAX} are accepted"
    if len({stage.name for stage in rule.stages}) < len(rule.stages):
        yield "stages", "has two of one name"
    for field in msgspec.structs.fields(Terms):
        if getattr(rule, field.name) != getattr(WantedRule(), field.name):
            yield field.encode_name, "does not apply to a rule with stages: each has its own"
    for number, stage in enumerate(rule.stages):
        yield from (
            (f"stages.{number}.{field}", problem)
            for field, problem in (
                *conditions_problems(stage.conditions),
                *_problems_of_terms(stage, expires=False),
                *_problems_of_length("conditions", stage.conditions),
            )
        )
    if (short := _too_few(rule.stages)) is not None:
        yield "stages", short


def _too_few(stages: Sequence[Stage]) -> str | None:
    """Stages that are always asked, each of people by name, and together of more than there are:
    no one may approve two of them.
    """
    by_name = [
        stage
        for stage in stages
        if not (stage.conditions or stage.policy.approvers.roles or stage.policy.allow_repeat)
        and stage.policy.approvers.users
    ]
    for size in range(2, len(by_name) + 1):
        for some in combinations(by_name, size):
            people = {user for stage in some for user in stage.policy.approvers.users}
            needed = sum(stage.policy.quorum for stage in some)
            if len(people) < needed:
                names = " and ".join(stage.name for stage in some)
                return (
                    f"{names} need {needed} different people and name {len(people)}; "
                    "`allowRepeat` in a policy lets who approved before approve once more"
                )
    return None
