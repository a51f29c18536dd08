"""Actions on a pending approval: claim, release, delegate, remind, extend, ask back,
answer, withdraw.
"""

from litestar import Response
from litestar.params import JSONBody

from api.access.actor import Caller
from api.approvals.desk import InHand, action
from api.approvals.documents import Approval, Delegation, Extension, Withdrawal, Words
from api.approvals.requests import shown
from blocks.approvals import changes
from blocks.approvals.changes import ApprovalFull, ClaimedByAnother
from blocks.approvals.decisions import (
    AlreadyDecided,
    AlreadyVoted,
    Expired,
    NotAnApprover,
    SelfApproval,
)
from blocks.approvals.questions import Ask, NoQuestion, QuestionOpen, answered
from blocks.approvals.room import NoRoom
from blocks.clock import utc_now

_REFUSALS = (
    NotAnApprover,
    SelfApproval,
    ClaimedByAnother,
    ApprovalFull,
    NoRoom,
    AlreadyDecided,
    Expired,
)


@action("claim", "Claim", *_REFUSALS)
async def claim(approval: InHand, actor: Caller) -> Response[Approval]:
    """The others see who has claimed it; they may still decide."""
    who = actor.named
    return shown(
        await approval.change(actor, lambda one: changes.claimed(one, who, actor.roles, utc_now()))
    )


@action("release", "Release", *_REFUSALS)
async def release(approval: InHand, actor: Caller) -> Response[Approval]:
    """It is claimed by no one any more."""
    who = actor.named
    return shown(await approval.change(actor, lambda one: changes.released(one, who, utc_now())))


@action("delegate", "Delegate", *_REFUSALS, AlreadyVoted)
async def delegate(
    approval: InHand, actor: Caller, data: JSONBody[Delegation]
) -> Response[Approval]:
    """`to` may decide in the place of the user."""
    who = actor.named
    return shown(
        await approval.change(
            actor,
            lambda one: changes.delegated(one, who, actor.roles, data.to, data.reason, utc_now()),
        )
    )


@action("remind", "Remind", *_REFUSALS)
async def remind(approval: InHand, actor: Caller) -> Response[Approval]:
    """`hitl.approval.reminded` is published."""
    who = actor.named
    return shown(await approval.change(actor, lambda one: changes.reminded(one, who, utc_now())))


@action("extend", "Extend", *_REFUSALS)
async def extend(approval: InHand, actor: Caller, data: JSONBody[Extension]) -> Response[Approval]:
    """It expires later."""
    who = actor.named
    return shown(
        await approval.change(
            actor, lambda one: changes.extended(one, who, actor.roles, data.expires_at, utc_now())
        )
    )


@action("ask", "Send back with a question", *_REFUSALS, QuestionOpen)
async def ask_back(approval: InHand, actor: Caller, data: JSONBody[Words]) -> Response[Approval]:
    """The approver's question is on the record, and published to those who asked for the approval.

    It stays pending, its time goes on, and it can be decided without the answer.
    """
    return shown(
        await approval.ask(
            Ask(
                actor=actor.named,
                channel="api",
                roles=actor.roles,
                other_names=actor.other_names,
                text=data.text,
            )
        )
    )


@action("answer", "Answer the question", ApprovalFull, NoRoom, AlreadyDecided, Expired, NoQuestion)
async def answer_question(
    approval: InHand, actor: Caller, data: JSONBody[Words]
) -> Response[Approval]:
    """The open question has its answer, which is published."""
    who = actor.named
    return shown(
        await approval.change(actor, lambda one: answered(one, who, data.text, "api", utc_now()))
    )


@action("cancel", "Withdraw", *_REFUSALS)
async def withdraw(
    approval: InHand, actor: Caller, data: JSONBody[Withdrawal]
) -> Response[Approval]:
    """The request is withdrawn; an execution that waits for it fails with `approval-cancelled`."""
    who = actor.named
    return shown(
        await approval.change(
            actor, lambda one: changes.cancelled(one, who, data.reason, utc_now())
        )
    )
