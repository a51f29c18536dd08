"""An answer that became a dead letter leaves a note on its execution, where people look first."""

import logging
from collections.abc import Mapping

import msgspec

from blocks.contracts import jobs
from blocks.contracts.envelope import Glance, glance
from blocks.contracts.events import JobCompleted, JobFailed
from blocks.contracts.reading.uuids import spellings
from blocks.contracts.records import ExecutionRecord, RefusedAnswer
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.contracts.workflows import about
from blocks.ports import Message, NotFound, Query, RecordStore, Stored
from blocks.updates import Contended, update
from listeners.answers import steps

log = logging.getLogger(__name__)

KEPT = 20
"""This many of an execution, the newest."""


STEP_OF_TYPE: Mapping[str, str] = {
    **steps.STEP_OF_TYPE,
    **{data.event_type: jobs.REPORT_STEP for data in (JobCompleted, JobFailed)},
}


async def note_refusal(store: RecordStore, letter: DeadLetterRecord, message: Message) -> None:
    """The answer's execution, also an ended one, has one note per dead letter: its last refusal. An
    answer that fits no execution of its tenant is only a dead letter.

    A running flow notices nothing: the note changes neither claim nor status nor any moment. Raises
    `Unavailable`.
    """
    step = STEP_OF_TYPE.get(letter.event_type)
    if step is None or message.cut_from is not None:
        return
    seen = glance(message.body)
    note = RefusedAnswer(
        step=step,
        code=letter.code,
        reason=letter.reason,
        event_id=seen.event_id or message.id,
        dead_letter_id=letter.id,
        at=letter.rejected_at,
    )

    async def noted() -> None:
        stored = await _meant(store, seen.tenant_id or letter.tenant_id, seen)
        if stored is not None and note not in stored.record.refused_answers:
            await _write(store, stored, note)

    try:
        await update(noted, f"the execution of dead letter {letter.id}")
    except Contended as error:
        log.warning("a refused answer is not noted: %s", error)


async def _write(store: RecordStore, stored: Stored[ExecutionRecord], note: RefusedAnswer) -> None:
    """`updated_at` stays: it starts the graces, and is the end where no other is recorded."""
    others = [
        one for one in stored.record.refused_answers if one.dead_letter_id != note.dead_letter_id
    ]
    noted = msgspec.structs.replace(stored.record, refused_answers=[*others, note][-KEPT:])
    await store.replace(noted.tenant_id, stored.etag, noted)


async def _meant(
    store: RecordStore, tenant_id: str, seen: Glance
) -> Stored[ExecutionRecord] | None:
    """The one it names; else the oldest running one of its subject, as for accepted answers; else
    the newest.
    """
    if seen.workflow_id is not None:
        try:
            return await store.read(tenant_id, ExecutionRecord, seen.workflow_id)
        except NotFound:
            pass
    for kind, subject in (("opportunity", seen.opportunity_id), ("job", seen.job)):
        if subject is not None:
            return await _of_subject(store, tenant_id, about(kind), subject)
    return None


async def _of_subject(
    store: RecordStore, tenant_id: str, workflows: tuple[str, ...], subject: str
) -> Stored[ExecutionRecord] | None:
    where = {"workflow": workflows, "subject": spellings(subject)}
    running = {**where, "status": "running"}
    found = await store.query(
        tenant_id, Query(ExecutionRecord, running, newest_first=False, limit=1)
    )
    if not found.items:
        found = await store.query(tenant_id, Query(ExecutionRecord, where, limit=1))
    return found.items[0] if found.items else None
