"""Deciding over HTTP: in the older form, in the newer one, and many at once."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from litestar import Response, post
from litestar.params import JSONBody

from api.access.actor import Caller
from api.access.errors import NotThisUser
from api.access.identity import Actor
from api.access.tenancy import TenantId
from api.approvals import examples
from api.approvals.bulk_documents import ManyResults, OneResult
from api.approvals.desk import InHand, action, in_hand
from api.approvals.documents import (
    Approval,
    ApprovalVerdict,
    ManyDecisions,
    NamedDecision,
    OneOfMany,
    approval_of,
)
from api.approvals.errors import ApprovalChanged, ApprovalNotFound, DeciderMissing
from api.approvals.requests import shown
from api.documentation.openapi import documented
from api.http.deprecation import SHARED
from api.http.errors import answer_of, body_of
from api.http.records import Bus, Engine, Store
from api.idempotency import KEY_ERRORS
from blocks.approvals.decisions import (
    AlreadyDecided,
    AlreadyVoted,
    Expired,
    InvalidVote,
    NotAnApprover,
    Refused,
    SelfApproval,
    Vote,
)
from blocks.approvals.room import NoRoom
from blocks.contracts.approvals import Outcome
from blocks.contracts.identities import spelled
from blocks.contracts.records import ApprovalRecord
from blocks.ports import EventBus, FlowRuns, RecordStore, Unavailable

log = logging.getLogger(__name__)

REFUSALS = (NotAnApprover, SelfApproval, AlreadyDecided, AlreadyVoted, NoRoom, Expired)
DECISION_ERRORS = (ApprovalNotFound, ApprovalChanged, *REFUSALS, *KEY_ERRORS)


@action("approve", "Approve, as older clients do", *REFUSALS, NotThisUser, opt=SHARED)
async def approve_approval(
    approval: InHand, actor: Caller, data: JSONBody[ApprovalVerdict]
) -> Response[Approval]:
    """Approved by `decidedBy`, once and on the record; what waits for it goes on."""
    with _in_the_older_words():
        return shown(await approval.decide(_older(data, "approved", actor)))


@action("reject", "Reject, as older clients do", *REFUSALS, NotThisUser, opt=SHARED)
async def reject_approval(
    approval: InHand, actor: Caller, data: JSONBody[ApprovalVerdict]
) -> Response[Approval]:
    """Rejected by `decidedBy`, once and on the record; what waits for it ends by its rule."""
    with _in_the_older_words():
        return shown(await approval.decide(_older(data, "rejected", actor)))


@action("decisions", "Decide an approval", *REFUSALS, NotThisUser)
async def decide_approval(
    approval: InHand, actor: Caller, data: JSONBody[NamedDecision]
) -> Response[Approval]:
    """The user's decision is recorded; the approval is decided, or `pending` until its quorum."""
    return shown(await approval.decide(vote_of(data, actor)))


@post(
    "/hitl/approvals/decisions",
    status_code=200,
    summary="Decide many approvals",
    tags=["Approvals"],
    responses=documented(examples.MANY_RESULTS, NotThisUser, *KEY_ERRORS),
)
async def decide_approvals(
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    actor: Caller,
    data: JSONBody[ManyDecisions],
) -> ManyResults:
    """Each is decided on its own; the answer lists their statuses and results in the same order.

    One with status 503 may not be decided, nor is any after it: send these again, under another
    `Idempotency-Key`.
    """
    made = await decide_many(store, bus, flow_runs, tenant_id, actor, data.decisions)
    return ManyResults(results=[_result(*pair) for pair in zip(data.decisions, made, strict=True)])


async def decide_many(
    store: RecordStore,
    bus: EventBus,
    flow_runs: FlowRuns,
    tenant_id: str,
    actor: Actor,
    decisions: Sequence[OneOfMany],
    channel: str = "api",
) -> list[ApprovalRecord | Exception]:
    """What became of each, in the same order. Once the store does not answer, the rest is left, and
    what was decided before is not lost.

    Raises `NotThisUser` before any is taken: one that is in a wrong name refuses them all; and
    `Unavailable` if none was taken for that.
    """
    for one in decisions:
        actor.deciding(one.decided_by)
    results: list[ApprovalRecord | Exception] = []
    for one in decisions:
        if results and isinstance(results[-1], Unavailable):
            results.append(results[-1])
            continue
        try:
            vote = vote_of(one, actor, channel)
            results.append(await in_hand(store, bus, flow_runs, tenant_id, one.id).decide(vote))
        except Unavailable as error:
            if not results:
                raise
            log.warning("of many decisions, approval %s may be undecided: %s", one.id, error)
            results.append(error)
        except (Refused, ApprovalNotFound, ApprovalChanged) as error:
            results.append(error)
    return results


def _result(one: OneOfMany, made: ApprovalRecord | Exception) -> OneResult:
    if isinstance(made, Exception):
        return OneResult(id=one.id, status=answer_of(made).status, error=body_of(made))
    return OneResult(id=one.id, status=200, approval=approval_of(made))


@contextmanager
def _in_the_older_words() -> Iterator[None]:
    """What the newer form calls `reason` is `comment` here."""
    try:
        yield
    except InvalidVote as invalid:
        field = "comment" if invalid.field == "reason" else invalid.field
        raise InvalidVote(invalid.approval, field, invalid.reason) from None


def _older(data: ApprovalVerdict, outcome: Outcome, actor: Actor) -> Vote:
    if not spelled(data.decided_by):
        raise DeciderMissing
    return Vote(
        actor=actor.deciding(data.decided_by),
        roles=actor.roles,
        other_names=actor.other_names,
        is_proven=actor.proves_decider,
        outcome=outcome,
        channel="api",
        reason=data.comment,
    )


def vote_of(data: NamedDecision, actor: Actor, channel: str = "api") -> Vote:
    """Raises `NotThisUser`, `InvalidRequest`, `ActorMissing`."""
    return Vote(
        actor=actor.deciding(data.decided_by),
        roles=actor.roles,
        other_names=actor.other_names,
        is_proven=actor.proves_decider,
        outcome=data.chosen,
        channel=channel,
        reason=data.reason,
        form=data.form,
        stage=data.stage,
    )
