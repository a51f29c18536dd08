"""A refused answer leaves a note on the execution that waits for it: there people look for what is missing."""

import logging
from collections.abc import Mapping

from blocks import executions
from blocks.clock import utc_now
from blocks.contracts.analysis import STEP_OF_ANSWER, STEP_OF_FAILURE, WORKFLOW
from blocks.contracts.envelope import MAX_EVENT_BYTES, Glance, glance
from blocks.contracts.records import ExecutionRecord, RefusedAnswer
from blocks.contracts.rejections import Rejected
from blocks.dead_letters import letter_id
from blocks.ports import Delivery, NotFound, RecordStore, Stale, Stored

log = logging.getLogger(__name__)

KEPT = 20
"""So many of an execution, the newest."""

_REASON_LENGTH_MAX = 500
_TRIES = 10

STEP_OF_TYPE: Mapping[str, str] = {
    data.event_type: step.name for data, step in (*STEP_OF_ANSWER.items(), *STEP_OF_FAILURE.items())
}


async def note_refusal(store: RecordStore, delivery: Delivery, rejected: Rejected) -> None:
    """The execution that the answer was meant for says so, once however often it comes; one that has ended stays as
    it is, and what fits none is only a dead letter.

    A running flow notices nothing: the note changes neither claim nor status. Raises `Unavailable`.
    """
    message = delivery.message
    if len(message.body) > MAX_EVENT_BYTES:
        return
    seen = glance(message.body)
    step = STEP_OF_TYPE.get(seen.event_type or "")
    if step is None or seen.tenant_id is None:
        return
    note = RefusedAnswer(
        step=step,
        code=rejected.code,
        reason=rejected.reason[:_REASON_LENGTH_MAX],
        event_id=seen.event_id or message.id,
        dead_letter_id=letter_id(delivery.queue, message),
        at=utc_now(),
    )
    for _ in range(_TRIES):
        stored = await _meant(store, seen.tenant_id, seen)
        if stored is None or not _is_news(stored.record, note):
            return
        try:
            kept = [*stored.record.refused_answers, note][-KEPT:]
            await executions.change(store, stored, refused_answers=kept)
            return
        except Stale:
            continue  # a worker has just moved it: look again
    log.warning("execution changed %d times while a refused answer was being noted on it", _TRIES)


def _is_news(execution: ExecutionRecord, note: RefusedAnswer) -> bool:
    known = ((one.event_id, one.step) for one in execution.refused_answers)
    return not execution.is_terminal and (note.event_id, note.step) not in known


async def _meant(store: RecordStore, tenant_id: str, seen: Glance) -> Stored[ExecutionRecord] | None:
    """As answers that are accepted find theirs."""
    if seen.workflow_id is not None:
        try:
            return await store.read(tenant_id, ExecutionRecord, seen.workflow_id)
        except NotFound:
            return None
    if seen.opportunity_id is None:
        return None
    running = {"workflow": WORKFLOW, "subject": seen.opportunity_id, "status": "running"}
    found = await store.query(tenant_id, ExecutionRecord, running, newest_first=False, limit=1)
    return found.items[0] if found.items else None
