"""How the gate waits: the flow run is suspended with a form, and what is typed into it is a vote.

An answer counts for the stage whose form it was typed into: each stage has a form of its own. One
that does not count is in the run's log and in the message of the state in which the run then waits
again.
"""

import logging
from contextlib import suppress
from typing import Literal

from prefect.exceptions import Pause

from blocks.approvals import lifecycle
from blocks.approvals.decisions import Refused, StageDecided, Vote
from blocks.approvals.people import is_same
from blocks.approvals.prefect_ui.answer import Answer, NoAnswer, answer_in
from blocks.approvals.prefect_ui.form import form_of
from blocks.approvals.prefect_ui.question import question_of, waiting_text
from blocks.audit.recording import audited
from blocks.contracts import identities
from blocks.contracts.events import JsonObject
from blocks.contracts.records import ApprovalRecord
from blocks.contracts.records.audit import Act
from blocks.ports import NotFound, Stored, Unavailable
from blocks.prefect_internals.suspension import answer_given, suspended_with_form
from blocks.settings.links import api_url
from flows.shared.runtime import Runtime

log = logging.getLogger(__name__)

CHANNEL: Literal["prefect-ui"] = "prefect-ui"


async def wait(context: Runtime, asked: ApprovalRecord, refusal: str | None = None) -> str | None:
    """Resumed; a decision in the run's input is a vote, or why it does not count is returned.

    Until then, raises `Pause`. `refusal`: why the answer before did not count.
    """
    typed = await _suspended(context, asked, refusal or await _late_for_its_stage(asked))
    refused = await _take(context, asked, typed)
    # Prefect gives the same answer to the same key for ever: the next wait is another one.
    await lifecycle.change(context.store, asked.tenant_id, asked.id, _waited(asked.waits))
    return refused


async def notice_late_answer(decided: Stored[ApprovalRecord]) -> None:
    """An answer that was typed while another one counted is in the run's log, with the reason."""
    approval = decided.record
    if approval.decided_through == CHANNEL:
        return
    if late := await _uncounted(approval):
        _, answer = late
        _log_refusal(approval, f"{answer.decided_by}: it is {approval.status} already")


async def _late_for_its_stage(asked: ApprovalRecord) -> str | None:
    """Why an answer does not count that was typed while its stage was decided; it is in the log."""
    if len(_keys(asked)) == 1 or (late := await _uncounted(asked)) is None:
        return None
    stage, answer = late
    if stage == asked.stage:  # it is about to be taken
        return None
    return _log_refusal(asked, f"{answer.decided_by}: {StageDecided(asked, stage)}")


async def _uncounted(approval: ApprovalRecord) -> tuple[str | None, Answer] | None:
    """What was last typed into a form of this wait, with that form's stage; None: nothing, or it is
    a vote on the record.
    """
    for stage, key in reversed(_keys(approval).items()):
        if (typed := await answer_given(key)) is None:
            continue
        with suppress(NoAnswer):
            answer = answer_in(typed)
            if answer and not _counts(approval, stage, answer):
                return stage, answer
        return None
    return None


def _counts(approval: ApprovalRecord, stage: str | None, answer: Answer) -> bool:
    """Whether it is on the record: a worker may have died after the vote."""
    voters = [
        one.actor.removeprefix(identities.CLAIMED)
        for one in approval.decisions
        if (one.channel, one.stage) == (CHANNEL, stage)
    ]
    return is_same(approval, answer.decided_by, voters)


async def _suspended(
    context: Runtime, approval: ApprovalRecord, refusal: str | None
) -> JsonObject | None:
    question = question_of(
        approval,
        api=api_url(context.settings.server),
        is_trusted=context.settings.approvals.trust_prefect_ui,
        refusal=refusal,
    )
    message = waiting_text(approval, refusal)
    try:
        return await suspended_with_form(
            form_of(approval), question, key=_keys(approval)[approval.stage], message=message
        )
    except Pause:
        log.info("%s", message)
        # Who decided between our reading and this suspension found nothing to resume.
        with suppress(Unavailable, NotFound):
            now = await context.store.read(approval.tenant_id, ApprovalRecord, approval.id)
            await lifecycle.resume(context.store, context.bus, context.flow_runs, now.record)
        raise


def _keys(approval: ApprovalRecord) -> dict[str | None, str]:
    """Of the forms of this wait, by stage: of those that were asked before, and last of the one
    that is asked now.

    The first has the key that every stage had in earlier releases, whose suspended runs go on.
    """
    wait = approval.id if approval.waits == 0 else f"{approval.id}-{approval.waits}"
    earlier = approval.stages[: -len(approval.later_stages) - 1]
    stages = [*(one.name for one in earlier), approval.stage]
    return {
        stage: wait if place == 1 else f"{wait}-stage-{place}"
        for place, stage in enumerate(stages, 1)
    }


async def _take(context: Runtime, approval: ApprovalRecord, typed: JsonObject | None) -> str | None:
    """The operator's answer is on the record, or the log states why it does not count; returned,
    too.
    """
    try:
        answer = answer_in(typed)
        if answer is None:
            log.info("approval %s: resumed without a decision: it looks at the record", approval.id)
            return None
        await _vote(context, approval, answer)
    except (NoAnswer, identities.NoIdentity, Refused) as refusal:
        return _log_refusal(approval, refusal)
    log.info("approval %s: %s by %s in Prefect", approval.id, answer.outcome, answer.decided_by)
    return None


async def _vote(context: Runtime, approval: ApprovalRecord, answer: Answer) -> None:
    """Raises `NoIdentity`, or `Refused`."""
    actor = _decider(answer.decided_by, is_trusted=context.settings.approvals.trust_prefect_ui)
    vote = Vote(
        actor=actor,
        outcome=answer.outcome,
        channel=CHANNEL,
        reason=answer.comment,
        form=answer.form,
        stage=approval.stage or "",
    )
    act = Act(
        action="approval.decide",
        actor=actor,
        credential=CHANNEL,
        channel=CHANNEL,
        target=approval.id,
    )
    async with audited(context.store, approval.tenant_id, act) as store:
        await lifecycle.record_vote(store, approval.tenant_id, approval.id, vote)


def _decider(stated: str, *, is_trusted: bool) -> str:
    """Who decides. Prefect knows no users: unless its UI is trusted, the name is a claim. Raises
    `NoIdentity`.
    """
    try:
        user = identities.user_id(stated)
    except identities.NoIdentity as problem:
        raise identities.NoIdentity(f"decided_by {problem}") from None
    return user if is_trusted else identities.claimed(user)


def _log_refusal(approval: ApprovalRecord, reason: object) -> str:
    log.warning("approval %s: the answer given in Prefect does not count: %s", approval.id, reason)
    return str(reason)


def _waited(times: int) -> lifecycle.Change:
    def waited(approval: ApprovalRecord) -> ApprovalRecord:
        return lifecycle.with_bookkeeping(approval, waits=max(approval.waits, times + 1))

    return waited
